"""Sets published as four idx files, read from a folder and checked against their hashes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8

from cnnjax.data import idx
from cnnjax.data.dataset import Dataset, split
from cnnjax.data.known import FILES, KNOWN, owner
from cnnjax.data.partition import carve_validation
from cnnjax.errors import UserError


def holds_files(folder: Path) -> bool:
    """Returns whether any of the four files lies in `folder`."""
    return any(_find(folder, file) is not None for file in FILES)


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
    contents = [_read(name, folder, index) for index in range(len(FILES))]
    arrays = [
        idx.decode(content, axes=3 if "images" in file else 1, path=folder / file)
        for file, content in zip(FILES, contents, strict=True)
    ]
    for images, labels, part in ((arrays[0], arrays[1], "train"), (arrays[2], arrays[3], "t10k")):
        check_pair(images, labels, len(KNOWN[name].class_names), where=f"{folder} ({part})")
    return arrays[0][..., None], arrays[1], arrays[2][..., None], arrays[3]


def assemble(
    name: str,
    images: UInt8[np.ndarray, "train height width 1"],
    labels: Integer[np.ndarray, " train"],
    test_images: UInt8[np.ndarray, "test height width 1"],
    test_labels: Integer[np.ndarray, " test"],
    *,
    source: str,
) -> Dataset:
    """Returns a published set as a `Dataset`: its validation split is carved from its training set.

    Args:
      name: One of `KNOWN`.
      images: The published training images, in their order.
      labels: Their labels.
      test_images: The published test images, in their order.
      test_labels: Their labels.
      source: Where they came from.

    Returns:
      The data set; the test split keeps its order, so that an index means the published image.
    """
    train, validation = carve_validation(labels, salt=name)
    return Dataset(
        name=name,
        train=split(images[train], labels[train]),
        validation=split(images[validation], labels[validation]),
        test=split(test_images, test_labels),
        num_classes=len(KNOWN[name].class_names),
        class_names=KNOWN[name].class_names,
        source=source,
    )


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


def _find(folder: Path, file: str) -> Path | None:
    for path in (folder / file, folder / f"{file}.gz"):
        if path.is_file():
            return path
    return None


def _read(name: str, folder: Path, index: int) -> bytes:
    """Returns the decompressed content of one of the four files, once it is known to be it."""
    file, known = FILES[index], KNOWN[name]
    path = _find(folder, file)
    if path is None:
        raise UserError(
            f"{folder}: {file} (or {file}.gz) is missing; {name} needs all four idx files."
        )
    content = idx.read_bytes(path)
    # What is wrong with the shape says more than a hash that differs, so look at that first.
    idx.decode(content, axes=3 if "images" in file else 1, path=path)
    content_hash, archive_hash = idx.sha256(content), idx.sha256(path.read_bytes())
    if known.contents:
        matches = content_hash == known.contents[index]
    else:
        matches = archive_hash == known.archives[index]
    if not matches:
        raise UserError(f"{path}: {_diagnose(name, file, content_hash, archive_hash)}")
    return content


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
