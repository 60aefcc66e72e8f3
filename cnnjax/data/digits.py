"""The digits that scikit-learn ships, put on a canvas the way MNIST's were."""

from importlib.metadata import version

import numpy as np
from jaxtyping import Integer, UInt8

from cnnjax.data.dataset import Dataset, split
from cnnjax.data.partition import stratified_parts

CANVAS = 28
BOX = 20
INK = 16
"""The scans count the ink of 4×4 blocks of pixels, so 16 is black."""


def load() -> Dataset:
    """Returns scikit-learn's 1,797 scans of 8×8 pixels as images of 28×28.

    Each scan goes through `place`. The split is fixed and stratified: 359 test images, 359
    validation images, and 1,079 to train on (20, 20 and 60 %).

    Returns:
      The data set.

    Reference:
      E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
      Repository, 1998 (the test set of it).
    """
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    scans = np.rint(scans).astype(np.int64).reshape(-1, 8, 8)
    images = np.stack([place(scan) for scan in scans])[..., None]
    fifth = round(len(labels) / 5)
    test, validation, train = stratified_parts(labels, [fifth, fifth], salt="digits")
    return Dataset(
        name="digits",
        train=split(images[train], labels[train]),
        validation=split(images[validation], labels[validation]),
        test=split(images[test], labels[test]),
        num_classes=10,
        class_names=tuple("0123456789"),
        source=f"the scans in scikit-learn {version('scikit-learn')}",
    )


def place(scan: Integer[np.ndarray, "height width"]) -> UInt8[np.ndarray, "28 28"]:
    """Returns one scan as a 28×28 image, made the way MNIST was made.

    The box around the ink is scaled to 20 pixels on its longer side, keeping its proportions, by
    bilinear interpolation (which leaves grey edges, as MNIST has them); it is then shifted by whole
    pixels until its centre of mass lies in the middle of the canvas. Every step is arithmetic on
    integers, so that the pixels do not depend on the machine or on the version of a library.

    Args:
      scan: Ink from 0 to 16, at least one of it above 0.

    Returns:
      Pixels from 0 to 255.

    Reference:
      Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits.
    """
    rows, columns = np.nonzero(scan)
    ink = scan[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.int64)
    longer = max(ink.shape)
    height, width = ((2 * BOX * size + longer) // (2 * longer) for size in ink.shape)
    down, down_unit = _interpolation(ink.shape[0], height)
    across, across_unit = _interpolation(ink.shape[1], width)
    white = INK * down_unit * across_unit
    box = (2 * 255 * (down @ ink @ across.T) + white) // (2 * white)

    image = np.zeros((CANVAS, CANVAS), np.uint8)
    top = _start(box.sum(axis=1))
    left = _start(box.sum(axis=0))
    image[top : top + height, left : left + width] = box
    return image


def _interpolation(size: int, new_size: int) -> tuple[np.ndarray, int]:
    """Returns integer weights (new_size, size) of bilinear interpolation, and their unit.

    The samples are the centres of pixels and the paper around them is blank, so that new pixel i
    lies at (i + ½) · size / new_size − ½, and sample j weighs 1 less its distance to that, or 0.
    """
    unit = 2 * new_size
    centres = (2 * np.arange(new_size) + 1) * size - new_size
    distances = np.abs(centres[:, None] - unit * np.arange(size))
    return np.maximum(unit - distances, 0), unit


def _start(mass: np.ndarray) -> int:
    """Returns where a line of masses starts on the canvas when their centre is in its middle."""
    total = int(mass.sum())
    moment = int(mass @ np.arange(len(mass)))
    start = ((CANVAS - 1) * total - 2 * moment + total) // (2 * total)
    return min(max(start, 0), CANVAS - len(mass))
