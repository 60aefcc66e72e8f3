"""What is done to the test set: transformations, their magnitudes, and the table of instances."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cnnjax import errors

NAMES = ("translation", "rotation", "scale", "shear", "noise")
SIGNAL_NAMES = ("translation", "scale", "noise")

Magnitudes = Mapping[str, Sequence[int | float]]

DEFAULT: Magnitudes = {
    "translation": (1, 2, 3, 4, 6),
    "rotation": (5, 10, 20, 30, 45),
    "scale": (0.1, 0.2, 0.3, 0.5),
    "shear": (0.1, 0.2, 0.3, 0.5),
    "noise": (0.1, 0.2, 0.3, 0.5),
}
DEFAULT_SIGNALS: Magnitudes = {
    "translation": (1, 2, 4, 6, 8),
    "scale": (0.1, 0.2, 0.3, 0.5),
    "noise": (0.1, 0.2, 0.3, 0.5),
}


class Instance(NamedTuple):
    """One concrete change of the test set; the defaults change nothing.

    Attributes:
      rotation: Degrees.
      shear: Tangent of the shear angle.
      scale: Factor on every axis.
      down: Pixels along the first of two axes; signals have no such axis.
      right: Pixels along the last axis, or samples of a signal.
      noise: Standard deviation of additive Gaussian noise.
    """

    rotation: float = 0.0
    shear: float = 0.0
    scale: float = 1.0
    down: float = 0.0
    right: float = 0.0
    noise: float = 0.0


class Plan(NamedTuple):
    """Everything that is measured of one model, as arrays that a compiled program can walk along.

    Attributes:
      cells: (transformation, magnitude) of each reported row; the untouched set comes first.
      cell: For each instance the row of `cells` that it counts towards.
      table: One `Instance` a row, float32.
    """

    cells: tuple[tuple[str, float], ...]
    cell: Int[np.ndarray, " instances"]
    table: Float[np.ndarray, "instances fields"]


def instances(transformation: str, magnitude: int | float, axes: int) -> list[Instance]:
    """The instances whose mean is the figure at one magnitude.

    Args:
      transformation: One of `NAMES`.
      magnitude: > 0. translation: pixels or samples, along each axis both ways (no diagonals);
        rotation: degrees, both ways; scale: m stands for the factors 1 + m and 1 / (1 + m); shear:
        tangent of the angle, both ways; noise: standard deviation.
      axes: Number of spatial axes, 1 or 2.

    Returns:
      Between one and four instances.

    Raises:
      UserError: The transformation is unknown, or signals have none such.

    >>> [round(instance.scale, 3) for instance in instances("scale", 0.25, axes=2)]
    [1.25, 0.8]
    """
    _check_name(transformation, axes)
    both = (magnitude, -magnitude)
    if transformation == "translation":
        down = [Instance(down=shift) for shift in both] if axes == 2 else []
        return down + [Instance(right=shift) for shift in both]
    if transformation == "rotation":
        return [Instance(rotation=angle) for angle in both]
    if transformation == "shear":
        return [Instance(shear=tangent) for tangent in both]
    if transformation == "scale":
        return [Instance(scale=1 + magnitude), Instance(scale=1 / (1 + magnitude))]
    return [Instance(noise=magnitude)]


def plan(transformations: Magnitudes, space: tuple[int, ...]) -> Plan:
    """Lays out what will be measured.

    Args:
      transformations: Magnitudes of each transformation, all > 0; their order does not matter.
      space: (height, width) of the images or (length,) of the signals.

    Returns:
      The plan; its first cell and its first instance are the untouched set, ("none", 0).

    Raises:
      UserError: A transformation is unknown or has no meaning for signals, or a magnitude is no
        number or out of range.

    >>> plan({"rotation": (10, 20)}, (28, 28)).cells
    (('none', 0.0), ('rotation', 10.0), ('rotation', 20.0))
    """
    cells, cell, rows = [("none", 0.0)], [0], [Instance()]
    for name, magnitudes in transformations.items():
        _check_name(name, len(space))
        if np.ndim(magnitudes) != 1 or not all(isinstance(each, Real) for each in magnitudes):
            raise errors.UserError(
                f"invariance.transformations.{name}={magnitudes!r}: expected numbers, such as "
                "(1, 2)"
            )
        if len(magnitudes) == 0:
            raise errors.UserError(
                f"invariance.transformations.{name}={magnitudes}: expected at least one magnitude"
            )
        for magnitude in sorted({float(magnitude) for magnitude in magnitudes}):
            _check(name, magnitude, space)
            concrete = instances(name, magnitude, len(space))
            cell += [len(cells)] * len(concrete)
            cells.append((name, magnitude))
            rows += concrete
    return Plan(tuple(cells), np.array(cell), np.array(rows, np.float32))


def _check_name(name: str, axes: int) -> None:
    errors.choose("invariance.transformations", name, NAMES)
    if axes == 1 and name not in SIGNAL_NAMES:
        raise errors.UserError(
            f"invariance.transformations={name!r}: signals have no {name}; "
            f"expected some of {', '.join(SIGNAL_NAMES)}"
        )


def _check(name: str, magnitude: float, space: tuple[int, ...]) -> None:
    # The table holds float32, in which larger numbers are infinite.
    largest = float(np.finfo(np.float32).max)
    limit = {"translation": float(min(space)), "rotation": 180.0}.get(name, largest)
    if 0 < magnitude <= limit:
        return
    expected = (
        f"0 < magnitude ≤ {limit:g}" if limit < largest else "a finite number > 0, in 32 bits"
    )
    raise errors.UserError(f"invariance.transformations.{name}={magnitude:g}: expected {expected}")
