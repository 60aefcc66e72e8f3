"""What a data set is once it has been read: three splits of arrays, and where they came from."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, UInt8


class Split(NamedTuple):
    """Examples and their classes, as read-only arrays.

    Attributes:
      images: Pixels 0..255 as uint8 (count, height, width, channels), or signals as float32
        (count, length, channels).
      labels: Classes 0..num_classes−1 as int32 (count,).
    """

    images: (
        UInt8[np.ndarray, "count height width channels"]
        | Float32[np.ndarray, "count length channels"]
    )
    labels: Int32[np.ndarray, " count"]


class Dataset(NamedTuple):
    """A named data set, always with all three splits.

    Choices are made on `validation`; `test` is read once, at the end.

    Attributes:
      name: The name it was loaded by.
      train: Examples to learn from; any prefix of it is usable as a smaller training set.
      validation: Examples to choose by.
      test: Examples to report.
      num_classes: How many classes there are.
      class_names: One name for each class, in the order of the labels.
      source: Where it came from: a folder of files, a prepared directory or a generator.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    num_classes: int
    class_names: tuple[str, ...]
    source: str


def fingerprint(dataset: Dataset) -> str:
    """Returns a name for what a data set holds: another if any example or class is another.

    Args:
      dataset: The data set.

    Returns:
      The beginning of the SHA-256 of all three splits.

    >>> empty = split(np.zeros((0, 2, 2, 1), np.uint8), np.zeros(0))
    >>> len(fingerprint(Dataset("none", empty, empty, empty, 2, ("a", "b"), "nowhere")))
    12
    """
    told = hashlib.sha256()
    for own in (dataset.train, dataset.validation, dataset.test):
        for array in own:
            told.update(f"{array.dtype} {array.shape} ".encode())
            told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()[:12]


def split(images: np.ndarray, labels: np.ndarray) -> Split:
    """Returns the two arrays as a `Split`: images as they are, labels as int32, both read-only.

    Args:
      images: uint8 (count, height, width, channels) or float32 (count, length, channels).
      labels: Integers (count,).

    Returns:
      The split. The arrays are contiguous, and nobody can write to them through it.
    """
    images = np.ascontiguousarray(images).view()
    labels = np.ascontiguousarray(labels, dtype=np.int32).view()
    images.flags.writeable = False
    labels.flags.writeable = False
    return Split(images, labels)
