"""The relative error of equivariance, layer by layer: does the map move as the input moves?"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Num, Shaped

from cnnjax import ops
from cnnjax.invariance import batching, lattice
from cnnjax.invariance.lattice import Lattice

FeatureMaps = Callable[[Any, Array], Mapping[str, Array]]
"""feature_maps(variables, inputs) -> arrays by layer name, first layer first: pure, traceable."""


class LayerError(NamedTuple):
    """How far one layer is from moving with its input.

    Attributes:
      layer: Its name.
      layer_index: Its place among all the feature maps, from 0.
      transformation: "translation" or "rotation".
      magnitude: Pixels (samples), or 90 degrees.
      error: Mean over images of ‖f(Tx) − T f(x)‖ / ‖T f(x)‖: 0 moves exactly, √2 is unrelated.
        Images whose T f(x) is all 0, or not a number, are left out; where none is left there is
        no row.
    """

    layer: str
    layer_index: int
    transformation: str
    magnitude: float
    error: float


def equivariance(
    feature_maps: FeatureMaps,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    *,
    shifts: Sequence[int] = (1, 2, 4),
    wrap: bool = False,
    batch_size: int = 64,
) -> list[LayerError]:
    """Compares each layer's map of the moved input with the moved map of the input.

    error = mean over images of ‖f(Tx) − T f(x)‖ / ‖T f(x)‖, for

    - translation by d pixels (mean over the spatial axes; zeros come in at the border): a map of
      cumulative stride s moves by d / s positions. Where that is no whole number, T f(x)
      interpolates linearly between its neighbours, so that what a stride folds away counts as
      error; the norm of T f(x) is then the root of the interpolated energy.
    - rotation by 90° (square images only): the map is turned on its own grid. A grid that is not
      symmetric about the image's centre, such as stride 2 with padding on one side, shows as error.

    Only positions whose whole receptive field lies inside the image, before and after the move,
    are compared: along the axis of the translation, along both for the rotation. Padding and what
    the translation pushes over the border therefore do not count. The windows are found by probing
    the network (`lattice`), so nothing need be known of it. Layers are left out that have no
    spatial axes, that see the whole image from everywhere, or where no position can be compared.

    Args:
      feature_maps: feature_maps(variables, inputs) -> dict of arrays, first layer first. Programs
        are kept per function object, so that a second member compiles nothing. Not itself jitted,
        unless it returns an OrderedDict: jit sorts the names of others.
      variables: The network's variables, trained or as initialised.
      images: uint8 pixels, or floats in [0, 1], or signals (examples, length, channels). A few
        dozen do.
      shifts: Translations in whole pixels, 1 ≤ d < size.
      wrap: Moves input and maps around in a circle instead and compares every position: for
        networks with circular padding.
      batch_size: Inputs a compiled call; the last one is padded.

    Returns:
      Layer by layer; translations in the order given, then the rotation.

    Raises:
      ValueError: A shift is no whole number within the image, or there are no images, or these
        have no spatial axis.

    Reference:
      T. Cohen and M. Welling, "Group equivariant convolutional networks", ICML (2016), for
      f(Tx) = T f(x).

    >>> import numpy as np
    >>> images = np.random.default_rng(0).uniform(size=(2, 6, 6, 1))
    >>> layers = lambda _, x: {"difference": x[:, 1:, 1:] - x[:, :-1, :-1]}
    >>> [(row.layer, row.magnitude, row.error) for row in equivariance(layers, {}, images)][:2]
    [('difference', 1.0, 0.0), ('difference', 2.0, 0.0)]
    """
    space = images.shape[1:-1]
    if not space:
        raise ValueError(f"images of shape {images.shape}: expected (examples, *space, channels)")
    if np.ndim(shifts) != 1 or not all(
        isinstance(shift, Integral) and 1 <= shift < min(space) for shift in shifts
    ):
        raise ValueError(f"shifts={shifts!r}: expected integers from 1 to {min(space) - 1}")
    batching.size(len(images), batch_size)  # it checks both

    maps_of = partial(_maps_of, feature_maps, variables, batch_size=batch_size)
    inputs = np.asarray(ops.unit(images))
    lattices = lattice.probe(maps_of, inputs.shape[1:])
    plain = maps_of(inputs)
    names = list(plain)
    errors: dict[tuple[str, str, float], list[float]] = {}

    def note(name: str, transformation: str, magnitude: float, error: float | None) -> None:
        if error is not None:
            errors.setdefault((name, transformation, magnitude), []).append(error)

    for shift in shifts:
        for axis in range(len(space)):
            moved = maps_of(_shift(inputs, axis + 1, shift, wrap))
            for name, along in lattices.items():
                error = _shift_error(plain[name], moved[name], axis + 1, along[axis], shift, wrap)
                note(name, "translation", float(shift), error)
    if len(space) == 2 and space[0] == space[1]:
        turned = maps_of(np.rot90(inputs, axes=(1, 2)))
        for name, along in lattices.items():
            note(name, "rotation", 90.0, _turn_error(plain[name], turned[name], along, wrap))

    rows = [
        LayerError(name, names.index(name), transformation, magnitude, float(np.mean(values)))
        for (name, transformation, magnitude), values in errors.items()
    ]
    return sorted(rows, key=lambda row: row.layer_index)


@partial(jax.jit, static_argnames="feature_maps")
def _ordered(feature_maps: FeatureMaps, variables: Any, inputs: Array) -> OrderedDict[str, Array]:
    # jit sorts the keys of a plain dict.
    return OrderedDict(feature_maps(variables, inputs))


def _maps_of(
    feature_maps: FeatureMaps,
    variables: Any,
    inputs: Float[np.ndarray, "examples *shape"],
    *,
    batch_size: int,
) -> dict[str, Shaped[np.ndarray, "examples *_"]]:
    """Feature maps of any number of inputs, through one compiled shape."""
    parts = [_ordered(feature_maps, variables, batch) for batch in _padded(inputs, batch_size)]
    return {
        name: np.concatenate([np.asarray(part[name]) for part in parts])[: len(inputs)]
        for name in parts[0]
    }


def _padded(
    inputs: Float[np.ndarray, "examples *shape"], batch_size: int
) -> Iterator[Float[np.ndarray, "batch *shape"]]:
    for start in range(0, len(inputs), batch_size):
        batch = inputs[start : start + batch_size]
        padding = [(0, batch_size - len(batch))] + [(0, 0)] * (inputs.ndim - 1)
        yield np.pad(batch, padding)


def _shift(
    inputs: Float[np.ndarray, "batch *shape"], axis: int, distance: int, wrap: bool
) -> Float[np.ndarray, "batch *shape"]:
    moved = np.roll(inputs, distance, axis)
    if not wrap:
        moved[(slice(None),) * axis + (slice(0, distance),)] = 0.0
    return moved


def _shift_error(
    plain: Shaped[np.ndarray, "batch *shape"],
    moved: Shaped[np.ndarray, "batch *shape"],
    axis: int,
    along: Lattice,
    distance: int,
    wrap: bool,
) -> float | None:
    """Error of one layer under a translation along one axis; None if nothing can be compared."""
    steps = distance / along.stride
    near, between = math.floor(steps), steps - math.floor(steps)
    here = np.arange(along.positions)
    compared = np.ones(along.positions, bool)
    if not wrap:
        whole = along.whole()
        for back in [near, near + 1] if between else [near]:
            # What a small map has pushed off altogether wraps round, and is not compared.
            compared &= whole & (here >= back) & np.take(whole, here - back, mode="wrap")
    if not compared.any():
        return None

    def carried(values: np.ndarray) -> np.ndarray:
        result = (1 - between) * np.take(values, here - near, axis, mode="wrap")
        if between:
            result = result + between * np.take(values, here - near - 1, axis, mode="wrap")
        return np.compress(compared, result, axis)

    plain, moved = np.asarray(plain, np.float64), np.compress(compared, moved, axis)
    return _relative(moved - carried(plain), carried(plain**2))


def _turn_error(
    plain: Shaped[np.ndarray, "batch height width channels"],
    turned: Shaped[np.ndarray, "batch height width channels"],
    along: tuple[Lattice, ...],
    wrap: bool,
) -> float | None:
    """Error of one layer under a rotation by 90°; None if nothing can be compared."""
    if plain.shape[1] != plain.shape[2]:
        return None
    compared = np.ones(plain.shape[1:3], bool)
    if not wrap:
        compared = np.logical_and.outer(along[0].whole(), along[1].whole())
        compared &= np.rot90(compared)
    if not compared.any():
        return None
    expected = np.rot90(np.asarray(plain, np.float64), axes=(1, 2))[:, compared]
    return _relative(turned[:, compared] - expected, expected**2)


def _relative(
    difference: Shaped[np.ndarray, "batch *shape"], energy: Shaped[np.ndarray, "batch *shape"]
) -> float | None:
    """Mean over images of ‖difference‖ / √Σ energy, over the images that have any energy."""
    squares = np.sum(difference.reshape(len(difference), -1) ** 2, axis=1)
    norms = np.sum(energy.reshape(len(energy), -1), axis=1)
    lit = norms > 0
    return float(np.mean(np.sqrt(squares[lit] / norms[lit]))) if lit.any() else None
