"""Where the positions of a feature map lie over the input, found by touching the input.

Nothing but the network's feature maps is needed: one row (or column) of pixels after another is
changed, and the positions of each map that notice are its receptive fields. Feature maps that look
at all of the input from everywhere, such as those behind a deskewing step, have no lattice.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

Maps = Mapping[str, Shaped[np.ndarray, "batch *shape"]]

# How far a unit must move, relative to the largest value in its map, to count as noticing: above
# what rounding, or a convolution by fast transforms, lets through.
NOTICED = 1e-4
# How far from the rest of the input, which lies in [0, 1], a changed line is at least.
FAR = 10.0
BASES = 2


class Lattice(NamedTuple):
    """The windows of a map's positions along one axis.

    Position i sees the pixels from first + stride·i to last + stride·i.

    Attributes:
      stride: Pixels between the windows of neighbouring positions.
      first: First pixel of the window of position 0; negative where padding was added.
      last: Its last pixel.
      positions: Number of positions.
      pixels: Number of input pixels.
    """

    stride: float
    first: float
    last: float
    positions: int
    pixels: int

    def whole(self) -> Bool[np.ndarray, " positions"]:
        """Which positions see only input and no padding."""
        offset = self.stride * np.arange(self.positions)
        return (self.first + offset >= 0) & (self.last + offset <= self.pixels - 1)


def probe(
    maps_of: Callable[[Float[np.ndarray, "batch *shape"]], Maps], shape: tuple[int, ...]
) -> dict[str, tuple[Lattice, ...]]:
    """Finds the lattice of every feature map of a network.

    Args:
      maps_of: The feature maps of a batch of inputs, by layer name.
      shape: (*space, channels) of one input.

    Returns:
      One lattice for each spatial axis, for each layer that has them: as many axes as the input, at
      least two positions clear of either border along each, windows that do not fill the input.
    """
    axes = len(shape) - 1
    inputs, starts = _touched(shape)
    maps = maps_of(inputs)
    lattices = {}
    for name, values in maps.items():
        if values.ndim != axes + 2:
            continue
        found = [fit(_noticed(values, axis, starts[axis], shape[axis])) for axis in range(axes)]
        known = tuple(lattice for lattice in found if lattice is not None)
        if len(known) == axes:
            lattices[name] = known
    return lattices


def fit(noticed: Bool[np.ndarray, "pixels positions"]) -> Lattice | None:
    """The lattice behind a table of which position sees which pixel, if there is one.

    Windows that reach a border are cut off there, and circular padding makes them reach both; so
    the first pixels are read from windows clear of the low border, the last ones from windows clear
    of the high one.

    Args:
      noticed: Along one axis, whether a position of the map (column) changes when a pixel of the
        input (row) does.

    Returns:
      Stride and first window; or None where fewer than two positions are clear of either border, or
      the windows do not move along with the positions.

    >>> import numpy as np
    >>> pixel, position = np.arange(8)[:, None], np.arange(4)[None, :]
    >>> fit(abs(pixel - 2 * position) <= 1)
    Lattice(stride=2.0, first=-1.0, last=1.0, positions=4, pixels=8)
    """
    pixels, positions = noticed.shape
    alive = noticed.any(axis=0)
    low = noticed.argmax(axis=0)
    high = pixels - 1 - noticed[::-1].argmax(axis=0)
    clear_low = np.flatnonzero(alive & (low > 0))
    clear_high = np.flatnonzero(alive & (high < pixels - 1))
    slopes = [
        (edge[clear[-1]] - edge[clear[0]]) / (clear[-1] - clear[0])
        for edge, clear in ((low, clear_low), (high, clear_high))
        if len(clear) > 1
    ]
    if len(slopes) < 2:
        return None
    slope = float(np.mean(slopes))
    if slope <= 0:
        return None
    # Strides are whole pixels, or whole fractions of one behind a transposed convolution.
    stride = float(round(slope)) if slope > 0.75 else 1.0 / round(1.0 / slope)
    first = float((low - stride * np.arange(positions))[clear_low].min())
    last = float((high - stride * np.arange(positions))[clear_high].max())
    return Lattice(stride, first, last, positions, pixels)


def _touched(shape: tuple[int, ...]) -> tuple[Float[np.ndarray, "batch *shape"], list[int]]:
    """Random inputs, then copies with one line of pixels far away; and where each axis starts."""
    random = np.random.default_rng(0)
    bases = random.uniform(size=(BASES, *shape)).astype(np.float32)
    # A maximum only notices what wins. Far above the rest a pixel does, or far below it where its
    # weight is negative: so what lies above in one of the two inputs lies below in the other.
    signs = random.choice([-1.0, 1.0], size=shape)
    others = FAR * random.uniform(1, 2, size=bases.shape) * np.stack([signs, -signs])
    others = others.astype(np.float32)
    blocks, starts, start = [bases], [], BASES
    for axis, pixels in enumerate(shape[:-1]):
        starts.append(start)
        line = np.eye(pixels, dtype=bool).reshape(
            (pixels, 1, *(pixels if a == axis else 1 for a in range(len(shape))))
        )
        copies = np.where(line, others, bases)
        blocks.append(copies.reshape(-1, *shape))
        start += pixels * BASES
    return np.concatenate(blocks), starts


def _noticed(
    values: Shaped[np.ndarray, "batch *shape"], axis: int, start: int, pixels: int
) -> Bool[np.ndarray, "pixels positions"]:
    values = np.asarray(values, np.float64)
    copies = values[start : start + pixels * BASES].reshape(pixels, BASES, *values.shape[1:])
    change = np.abs(copies - values[:BASES])
    positions_last = np.moveaxis(change, 2 + axis, -1)
    largest = positions_last.reshape(pixels, -1, values.shape[1 + axis]).max(axis=1)
    return largest > NOTICED * np.abs(values).max()
