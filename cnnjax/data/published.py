"""Sets published as four idx files, read from a folder and checked against their hashes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cnnjax.data import idx, idx_folder
from cnnjax.data.known import FILES, KNOWN, owner
from cnnjax.errors import UserError


def read_folder(name: str, folder: Path) -> tuple[UInt8[np.ndarray, "..."], ...]:
    """Returns the four arrays of a published set, training images and labels first.

    Args:
      name: One of `KNOWN`.
      folder: Where the four files lie, each with or without `.gz`.

    Returns:
      Images (count, height, width, 1) and labels (count,), twice, in the published order.

    Raises:
      UserError: A file is missing, truncated, corrupt, mislabelled or of another set.
    """
    files = idx_folder.read_files(name, folder)
    for index, file in enumerate(files):
        _check_hashes(name, index, file)
    images, labels, test_images, test_labels = (file.values for file in files)
    num_classes = len(KNOWN[name].class_names)
    idx_folder.check_pair(images, labels, num_classes, where=f"{folder} (train)")
    idx_folder.check_pair(test_images, test_labels, num_classes, where=f"{folder} (t10k)")
    return images[..., None], labels, test_images[..., None], test_labels


def check_contents(name: str, arrays: Sequence[np.ndarray], *, where: Path) -> None:
    """Raises when arrays are not the content of a published set's four files.

    Args:
      name: One of `KNOWN`. Of a set whose decompressed hashes are unknown it is only made sure that
        the arrays are no other set's.
      arrays: What should be in the four files, in their order.
      where: The place for the message.

    Raises:
      UserError: They are another set's, or nobody's.
    """
    for index, array in enumerate(arrays):
        values = np.ascontiguousarray(array[..., 0] if array.ndim == 4 else array, np.uint8)
        content = idx.sha256(idx.encode(values))
        found = owner(content, "")
        expected = KNOWN[name].contents[index] if KNOWN[name].contents else content
        if found is not None and found[0] != name:
            raise UserError(
                f"{where}: mislabelled: these are {found[0]}'s files, not {name}'s; "
                "remove it and prepare it again."
            )
        if content != expected:
            raise UserError(
                f"{where}: corrupt: its examples are not those of {name}'s {FILES[index]} (sha256 "
                f"{content[:12]}…, expected {expected[:12]}…); remove it and prepare it again."
            )


def _check_hashes(name: str, index: int, file: idx_folder.File) -> None:
    """Raises when one of the four files is not the published one."""
    known = KNOWN[name]
    content_hash, archive_hash = idx.sha256(file.content), idx.sha256(file.path.read_bytes())
    if known.contents:
        matches = content_hash == known.contents[index]
    else:
        matches = archive_hash == known.archives[index]
    if not matches:
        raise UserError(f"{file.path}: {_diagnose(name, FILES[index], content_hash, archive_hash)}")


def _diagnose(name: str, file: str, content_hash: str, archive_hash: str) -> str:
    found = owner(content_hash, archive_hash)
    if found is not None:
        other, other_file = found
        whose = f"; these are {other}'s files, not {name}'s" if other != name else ""
        return f"mislabelled: this is {other}'s {other_file}, expected {name}'s {file}{whose}."
    known = KNOWN[name]
    if not known.contents:
        expected = known.archives[FILES.index(file)]
        return (
            f"corrupt, or packed anew: its sha256 is {archive_hash[:12]}…, expected "
            f"{expected[:12]}…; {name} is checked as its publisher compressed it."
        )
    expected = known.contents[FILES.index(file)]
    return (
        f"corrupt: sha256 of the decompressed bytes is {content_hash[:12]}…, expected "
        f"{expected[:12]}…; get it again."
    )
