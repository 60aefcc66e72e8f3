"""The idx files in which MNIST and the sets modelled on it are published."""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cnnjax.errors import UserError

UNSIGNED_BYTE = 0x08


def read_bytes(path: Path) -> bytes:
    """Returns what a file holds, decompressed when it is gzip whatever its name says.

    Args:
      path: The file.

    Returns:
      The decompressed bytes.

    Raises:
      UserError: The file cannot be read, or its compressed stream is cut short or damaged.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise UserError(
            f"{path}: truncated, the compressed data end too early; get it again."
        ) from error
    except (OSError, zlib.error) as error:
        raise UserError(
            f"{path}: corrupt, it does not decompress ({error}); get it again."
        ) from error


def decode(content: bytes, *, axes: int, path: Path | str) -> UInt8[np.ndarray, "*sizes"]:
    """Returns the array of unsigned bytes that an idx file holds.

    The header is two zero bytes, the type (8 for unsigned bytes), the number of axes, and each
    axis's size as four bytes, most significant first; the values follow, last axis fastest.

    Args:
      content: The decompressed file.
      axes: How many axes it must have: 3 for images (count, height, width), 1 for labels (count,).
      path: The file's name for the messages.

    Returns:
      The values, sharing memory with `content`.

    Raises:
      UserError: It is no idx file of bytes with that many axes, or its length is not what its
        header says.

    >>> decode(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]), axes=1, path="labels").tolist()
    [7, 2, 1]
    """
    kind = {1: "labels (1 axis)", 3: "images (3 axes)"}.get(axes, f"{axes} axes")
    if len(content) < 4 or content[:2] != b"\0\0":
        raise UserError(
            f"{path}: no idx file: it begins with {content[:4].hex(' ')!r}, expected "
            f"'00 00 08 {axes:02x}'."
        )
    if content[2] != UNSIGNED_BYTE:
        raise UserError(f"{path}: type {content[2]:#04x} in its header, expected 0x08, bytes.")
    if content[3] != axes:
        raise UserError(
            f"{path}: mislabelled: its header says {content[3]} axes, expected {kind}; "
            "are the images and the labels swapped?"
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise UserError(
            f"{path}: truncated: {len(content)} bytes, and its header alone is {start}."
        )
    sizes = struct.unpack(f">{axes}I", content[4:start])
    expected = start + math.prod(sizes)
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "corrupt"
        shape = "×".join(map(str, sizes))
        raise UserError(
            f"{path}: {state}: {len(content)} bytes, but its header says {shape}, which makes "
            f"{expected}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def encode(values: UInt8[np.ndarray, "*sizes"]) -> bytes:
    """Returns the content of the idx file that holds `values`, the inverse of `decode`.

    Args:
      values: An array of bytes with 1 to 255 axes.

    Returns:
      Header and values.

    >>> import numpy as np
    >>> encode(np.array([7, 2, 1], np.uint8)).hex()
    '0000080100000003070201'
    """
    header = bytes([0, 0, UNSIGNED_BYTE, values.ndim]) + struct.pack(
        f">{values.ndim}I", *values.shape
    )
    return header + values.tobytes()


def sha256(content: bytes) -> str:
    """Returns the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
