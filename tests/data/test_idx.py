import gzip

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given

from cnnjax.data import idx
from cnnjax.errors import UserError

IMAGES = idx.encode(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, min_side=0)))
def test_decode_inverts_encode(values):
    np.testing.assert_array_equal(
        idx.decode(idx.encode(values), axes=values.ndim, path="it"), values
    )


def test_header_is_that_of_the_published_files():
    header = idx.encode(np.zeros((60, 28, 28), np.uint8))[:16]
    assert header.hex(" ", 4) == "00000803 0000003c 0000001c 0000001c"


@pytest.mark.parametrize("compress", [False, True])
def test_files_are_read_plain_and_compressed(tmp_path, compress):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(IMAGES) if compress else IMAGES)
    assert idx.read_bytes(path) == IMAGES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no idx file"),
        (b"PK\x03\x04 and so on", "no idx file"),
        (b"\0\0\x0d\x03" + IMAGES[4:], "type 0x0d"),
        (idx.encode(np.zeros(5, np.uint8)), r"mislabelled.*1 axes, expected images \(3 axes\)"),
        (IMAGES[:9], "truncated: 9 bytes, and its header alone is 16"),
        (IMAGES[:-1], "truncated: 39 bytes, but its header says 2×3×4, which makes 40"),
        (IMAGES + b"\0", "corrupt: 41 bytes"),
        (
            IMAGES[:4] + b"\x80\0\0\0" * 2 + b"\0\0\0\4",
            "truncated: 16 bytes, but its header says 2",
        ),
    ],
)
def test_bad_content_is_named(content, message):
    with pytest.raises(UserError, match=message) as caught:
        idx.decode(content, axes=3, path="somewhere/images")
    assert str(caught.value).startswith("somewhere/images: ")
    assert "\n" not in str(caught.value)


def test_labels_where_images_are_expected():
    with pytest.raises(UserError, match=r"3 axes, expected labels \(1 axis\).*swapped"):
        idx.decode(IMAGES, axes=1, path="labels")


@pytest.mark.parametrize("size", [3, 12, 30, -9, -1])
def test_truncated_compressed_file(tmp_path, size):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(IMAGES)[:size])
    with pytest.raises(UserError, match=r"images\.gz: truncated"):
        idx.read_bytes(path)


def test_corrupt_compressed_file(tmp_path):
    path = tmp_path / "images.gz"
    packed = bytearray(gzip.compress(bytes(range(256)) * 40))
    packed[-6] ^= 0xFF  # in the checksum
    path.write_bytes(packed)
    with pytest.raises(UserError, match="corrupt, it does not decompress"):
        idx.read_bytes(path)
    packed[12:40] = bytes(28)
    path.write_bytes(packed)
    with pytest.raises(UserError, match="corrupt, it does not decompress"):
        idx.read_bytes(path)


def test_unreadable_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        idx.read_bytes(tmp_path / "nothing")
