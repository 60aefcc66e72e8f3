"""A folder of the four idx files of one set: training and test images and their labels."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer, UInt8

from cnnjax.data import idx, places
from cnnjax.data.dataset import Dataset, split
from cnnjax.data.known import FILES
from cnnjax.data.partition import carve_validation
from cnnjax.errors import UserError


class File(NamedTuple):
    """One of the four files.

    Attributes:
      path: Where it lies.
      content: Its decompressed bytes.
      values: Images (count, height, width) or labels (count,), sharing memory with `content`.
    """

    path: Path
    content: bytes
    values: UInt8[np.ndarray, "count *size"]


def holds_files(folder: Path) -> bool:
    """Returns whether any of the four files lies in `folder`.

    Args:
      folder: The folder; it need not be there.

    Raises:
      UserError: It may not be entered.
    """
    return any(_find(folder, file) is not None for file in FILES)


def read_files(name: str, folder: Path) -> tuple[File, ...]:
    """Returns the four files of a set, in the order of `FILES`.

    Args:
      name: The set, for the errors' wording.
      folder: Where the four files lie, each with or without `.gz`.

    Returns:
      The files; whether they belong together is for `check_pair`.

    Raises:
      UserError: A file is missing, truncated, damaged, or no idx file of images or labels.
    """
    return tuple(_read(name, folder, file) for file in FILES)


def check_pair(images: np.ndarray, labels: np.ndarray, num_classes: int, *, where: str) -> None:
    """Raises when images and labels cannot belong together.

    Args:
      images: Images, first axis the examples.
      labels: Labels (count,).
      num_classes: How many classes there may be.
      where: The place for the message.

    Raises:
      UserError: Their counts differ, there are none, or a label names no class.
    """
    if len(images) != len(labels):
        raise UserError(f"{where}: {len(images)} images but {len(labels)} labels; get both again.")
    if len(labels) == 0:
        raise UserError(f"{where}: no examples.")
    if labels.max() >= num_classes:
        raise UserError(f"{where}: label {labels.max()}, expected 0 to {num_classes - 1}.")


def assemble(
    name: str,
    images: UInt8[np.ndarray, "train height width 1"],
    labels: Integer[np.ndarray, " train"],
    test_images: UInt8[np.ndarray, "test height width 1"],
    test_labels: Integer[np.ndarray, " test"],
    *,
    class_names: tuple[str, ...],
    source: str,
) -> Dataset:
    """Returns the arrays of four files as a `Dataset`: validation is carved from training.

    Args:
      name: The set.
      images: The training images, in the order of their file.
      labels: Their labels.
      test_images: The test images, in the order of their file.
      test_labels: Their labels.
      class_names: One name for each class.
      source: Where they came from.

    Returns:
      The data set; the test split keeps its order, so that an index means the image in the file.
    """
    train, validation = carve_validation(labels, salt=name)
    return Dataset(
        name=name,
        train=split(images[train], labels[train]),
        validation=split(images[validation], labels[validation]),
        test=split(test_images, test_labels),
        num_classes=len(class_names),
        class_names=class_names,
        source=source,
    )


def _find(folder: Path, file: str) -> Path | None:
    for path in (folder / file, folder / f"{file}.gz"):
        if places.is_file(path):
            return path
    return None


def _read(name: str, folder: Path, file: str) -> File:
    path = _find(folder, file)
    if path is None:
        raise UserError(
            f"{folder}: {file} (or {file}.gz) is missing; {name} needs all four idx files."
        )
    content = idx.read_bytes(path)
    return File(path, content, idx.decode(content, axes=3 if "images" in file else 1, path=path))
