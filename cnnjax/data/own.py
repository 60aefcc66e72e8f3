"""A user's own set: four idx files named as MNIST's, in a folder of any other name."""

from pathlib import Path

from cnnjax.data import idx_folder, places
from cnnjax.data.dataset import Dataset
from cnnjax.errors import UserError


def load(name: str, folder: Path) -> Dataset:
    """Returns the set in `folder`: grey images of one size and labels from 0, of bytes.

    There are as many classes as the largest label says, called "0", "1" and so on. A tenth of the
    training images, a fixed stratified choice, are the validation split.

    Args:
      name: The set.
      folder: Where its four files lie, each with or without `.gz`.

    Returns:
      The data set; there is no hash to check its content by.

    Raises:
      UserError: A file is missing, truncated, damaged or of another form; images and labels are not
        as many; training and test images differ in size; or there is too little to learn from.
    """
    files = idx_folder.read_files(name, folder)
    images, labels, test_images, test_labels = (file.values for file in files)
    num_classes = 1 + int(max(labels.max(initial=0), test_labels.max(initial=0)))
    idx_folder.check_pair(images, labels, num_classes, where=f"{folder} (train)")
    idx_folder.check_pair(test_images, test_labels, num_classes, where=f"{folder} (t10k)")
    sizes = [f"{part.shape[1]}×{part.shape[2]}" for part in (images, test_images)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"{folder}: training images of {sizes[0]} and test images of {sizes[1]} pixels, "
            "expected one size."
        )
    if images[0].size == 0:
        raise UserError(f"{folder}: images of {sizes[0]} pixels, expected at least 1×1.")
    if len(labels) < 2:
        raise UserError(
            f"{folder}: {len(labels)} examples to train on: expected at least two, of which one "
            "validates."
        )
    if num_classes < 2:
        raise UserError(f"{folder}: every label is 0, expected two classes or more.")
    return idx_folder.assemble(
        name,
        images[..., None],
        labels,
        test_images[..., None],
        test_labels,
        class_names=tuple(map(str, range(num_classes))),
        source=f"idx files in {folder}",
    )


def names(data_dir: Path) -> list[str]:
    """Returns the names of the folders that hold idx files, in alphabetical order.

    Args:
      data_dir: The folder with a folder for each set.

    Raises:
      UserError: It may not be read.
    """
    return [folder.name for folder in places.entries(data_dir) if _holds_files(folder)]


def _holds_files(folder: Path) -> bool:
    try:
        return idx_folder.holds_files(folder)
    except UserError:  # it may not be entered, which `directories.names` tells of
        return False
