"""Operations that hide detail: a square cut out, flat superpixels, and a relief."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar
from cnnjax.ops.pixels import as_pixels, clipped, single
from cnnjax.ops.stored import stored

# How many sums of pixels a program adds up slice by slice, before it reduces the rest.
SLICES = 16


def cutout(
    key: PRNGKeyArray,
    image: Image,
    *,
    fraction: Range = (0.0, 0.5),
    value: Range = 0.5,
    strength: Scalar = 1.0,
) -> NewImage:
    """Fills a square with one value; its centre is any pixel, so that it may stick out.

    Its side is fraction · min(height, width), rounded to whole pixels.

    Args:
      key: The random key.
      image: The image, in [0, 1].
      fraction: Side of the square as a part of the image's shorter side, between 0 and 1.
      value: What it is filled with, in every channel, between 0 and 1. The paper's is the mean of
        the data.
      strength: Factor on the fraction, at least 0, which ends at 1; may be traced.

    Returns:
      The image with the square, in [0, 1]. For fraction 0 it is the image, bit for bit.

    Raises:
      ValueError: `fraction` or `value` is not a range within [0, 1].

    Reference:
      DeVries, Taylor: Improved regularization of convolutional neural networks with cutout, 2017,
      arXiv 1708.04552.

    >>> import jax, jax.numpy as jnp
    >>> cutout(jax.random.key(0), jnp.ones((5, 4, 3)), fraction=0.5, value=0.0).min().item()
    0.0
    """
    keys = jax.random.split(key, 3)
    part = draw.parameter(
        keys[0], "fraction", fraction, neutral=0, strength=strength, least=0, most=1
    )
    fill = draw.parameter(keys[1], "value", value, neutral=0, least=0, most=1)
    image = draw.pixel_image(image)
    height, width, _ = image.shape
    side = part * min(height, width)
    place = jax.random.uniform(keys[2], (2,))
    rows, columns = covered(place[0], side, height), covered(place[1], side, width)
    inside = (rows[:, None] & columns)[..., None]
    return jnp.where(inside, as_pixels(fill, image.dtype), image)


def covered(
    place: Float[Array, "*batch"], side: Float[Array, "*batch"], length: int
) -> Bool[Array, "*batch length"]:
    """Tells which of an axis's pixels lie in a box about a pixel; what is outside is cut off.

    Args:
      place: Where that pixel is, as a share of the axis, in [0, 1).
      side: The box's side in pixels; it is rounded.
      length: Number of the axis's pixels.

    Returns:
      Whether each pixel is one of round(side) from ⌊place · length⌋ − ⌊round(side) / 2⌋ on.
    """
    pixels = jnp.round(side).astype(jnp.int32)
    first = jnp.floor(place * length).astype(jnp.int32) - pixels // 2
    position = jnp.arange(length) - first[..., None]
    return (position >= 0) & (position < pixels[..., None])


def emboss(
    key: PRNGKeyArray,
    image: Image,
    *,
    alpha: Range = (0.0, 1.0),
    relief: Range = (0.0, 1.0),
    strength: Scalar = 1.0,
) -> NewImage:
    """Lights the image from its lower right, as a relief.

    y = clip((1 − α)·x + α·K⋆x), K = [[−1−s, −s, 0], [−s, 1, s], [0, s, 1+s]], ⋆ cross-correlation.

    Args:
      key: The random key.
      image: The image, in [0, 1]; mirrored beyond its border, without the outermost pixel.
      alpha: α, the share of the relief, between 0 and 1.
      relief: s, how deep it is, at least 0.
      strength: Factor on α, at least 0, which takes it to 1 at the most; may be traced.

    Returns:
      The image as a relief, clipped to [0, 1]. For α = 0 it is the image, bit for bit.

    Raises:
      ValueError: `alpha` is not a range within [0, 1] or `relief` not one of numbers ≥ 0.

    Reference:
      Emboss of imgaug (https://github.com/aleju/imgaug).
    """
    alpha_key, relief_key = jax.random.split(key)
    share = draw.parameter(alpha_key, "alpha", alpha, neutral=0, strength=strength, least=0, most=1)
    depth = draw.parameter(relief_key, "relief", relief, neutral=0, least=0)
    image = draw.pixel_image(image)
    values = single(draw.float_image(image))
    height, width, channels = values.shape
    # Bytes are faster to pad.
    padded = jnp.pad(image, [(1, 1), (1, 1), (0, 0)], mode="reflect")
    padded = single(draw.float_image(padded))
    # Columns and channels become one axis: long rows are faster to add than triples.
    padded = padded.reshape(height + 2, -1)

    def seen(down: int, right: int) -> Array:
        first = (1 + right) * channels
        return padded[1 + down : 1 + down + height, first : first + width * channels]

    # K less the identity is antisymmetric: only differences of opposite neighbours are needed.
    diagonal = seen(1, 1) - seen(-1, -1)
    straight = seen(0, 1) - seen(0, -1) + seen(1, 0) - seen(-1, 0)
    slope = ((1 + depth) * diagonal + depth * straight).reshape(values.shape)
    return clipped(values + share * slope, image.dtype)


def superpixel(
    key: PRNGKeyArray,
    image: Image,
    *,
    probability: Range = (0.2, 1.0),
    segments: int = 64,
    iterations: int = 4,
    compactness: Number = 0.1,
    strength: Scalar = 1.0,
) -> NewImage:
    """Gives the pixels of a segment the segment's mean, for each segment with probability p.

    The segments are those of SLIC: k-means over colour and position, where a pixel p of the grid's
    cell g only chooses among the 9 segments that started in g and around it, the one with the least
    ‖colour(p) − colour(s)‖² + (compactness / S)² · ‖position(p) − position(s)‖², S² = pixels a
    cell. Distances are taken between the channels as they are, not in Lab, and a segment need not
    be connected.

    Args:
      key: The random key.
      image: The image, in [0, 1].
      probability: p, between 0 and 1.
      segments: About how many segments there are, at least 1: those of a grid of equal cells of
        whole pixels, as square as can be. Cells that stick out of the image hold fewer pixels.
      iterations: Rounds of k-means, at least 1.
      compactness: How much position counts against colour, above 0; large values give squares.
      strength: Factor on p, at least 0; may be traced.

    Returns:
      The image with flat segments, in [0, 1]. For p = 0 it is the image, bit for bit.

    Raises:
      ValueError: `probability` is not a range within [0, 1], or `segments`, `iterations` or
        `compactness` is too small.

    Reference:
      Achanta, Shaji, Smith, Lucchi, Fua, Süsstrunk: SLIC superpixels compared to state-of-the-art
      superpixel methods. TPAMI 34(11), 2012. Superpixels of imgaug
      (https://github.com/aleju/imgaug).
    """
    for name, count in (("segments", segments), ("iterations", iterations)):
        draw.whole_number(name, count, least=1)
    if not compactness > 0:
        raise ValueError(f"compactness={compactness}: expected a number above 0")
    own_key, segment_key = jax.random.split(key)
    chance = draw.parameter(
        own_key, "probability", probability, neutral=0, strength=strength, least=0, most=1
    )
    image = draw.pixel_image(image)
    values = single(draw.float_image(image))
    height, width, channels = values.shape
    cell = _cell(height, width, segments)
    grid = (-(-height // cell[0]), -(-width // cell[1]))
    colour = _by_cell(values, cell, grid)
    position = _by_cell(np.moveaxis(np.mgrid[:height, :width], 0, -1), cell, grid)
    position = jnp.asarray(position * (compactness / np.sqrt(cell[0] * cell[1])), jnp.float32)
    counts = _by_cell(np.ones((height, width, 1)), cell, grid, mode="constant")
    points = jnp.concatenate([colour, position])

    chosen, means = _slic(points, jnp.asarray(counts, jnp.float32), grid, iterations)
    flat = jax.random.uniform(segment_key, (1, *grid)) < chance
    seen = _neighbours(jnp.where(flat, means[:channels], -1.0), grid, -1.0)
    for which, mean in enumerate(seen):
        # −1 marks the segments that are left as they are.
        colour = jnp.where((chosen == which) & (mean >= 0), mean, colour)
    whole = colour.reshape(channels, *cell, *grid).transpose(3, 1, 4, 2, 0)
    whole = whole.reshape(grid[0] * cell[0], grid[1] * cell[1], channels)
    return as_pixels(whole[:height, :width], image.dtype)


def _cell(height: int, width: int, segments: int) -> tuple[int, int]:
    """The size of the cells, (rows, columns), that cover the image with about so many of them."""
    area = height * width / segments
    # No side is longer than the image's; the other one makes up for it.
    tall = np.clip(np.sqrt(area), area / width, height)
    down = np.clip(round(height / tall), 1, height)
    right = np.clip(round(width / (area / tall)), 1, width)
    return int(-(-height // down)), int(-(-width // right))


def _by_cell(
    image: Array | np.ndarray, cell: tuple[int, int], grid: tuple[int, int], mode: str = "edge"
) -> Array:
    """Sorts pixels by cell: (channels, pixel of the cell, cell), so that long rows lie together."""
    height, width, channels = image.shape
    missing = [(0, grid[0] * cell[0] - height), (0, grid[1] * cell[1] - width), (0, 0)]
    padded = jnp.pad(image, missing, mode=mode)
    parts = padded.reshape(grid[0], cell[0], grid[1], cell[1], channels)
    return parts.transpose(4, 1, 3, 0, 2).reshape(channels, cell[0] * cell[1], grid[0] * grid[1])


def _neighbours(values: Array, grid: tuple[int, int], beyond: float) -> list[Array]:
    """What each cell sees in its 9 neighbours, in reading order; itself comes fifth."""
    features = values.shape[0]
    padded = jnp.pad(values, [(0, 0), (1, 1), (1, 1)], constant_values=beyond)
    return [
        padded[:, row : row + grid[0], column : column + grid[1]].reshape(features, 1, -1)
        for row, column in np.ndindex(3, 3)
    ]


def _slic(
    points: Array, counts: Array, grid: tuple[int, int], iterations: int
) -> tuple[Array, Array]:
    """Clusters the points of each cell.

    Args:
      points: (features, pixel of the cell, cell), features scaled so that distances compare.
      counts: (1, pixel of the cell, cell), 1 for pixels of the image and 0 for padding.
      grid: The cells, (down, right).
      iterations: Rounds.

    Returns:
      Which of its 9 neighbours each pixel chose, and the means of the features, (features, *grid).
    """
    features, pixels, cells = points.shape
    part = -(-pixels // SLICES)
    slices = min(SLICES, pixels)
    weighted = jnp.concatenate([points * counts, counts])
    filled = [(0, 0), (0, slices * part - pixels), (0, 0)]
    weighted = jnp.pad(weighted, filled).reshape(features + 1, slices, part, cells)
    neighbour = jnp.arange(9)[:, None, None, None]

    def gather(chosen: Array) -> Array:
        """Adds up what each segment got from its own cell and from the 8 around it."""
        chosen = jnp.pad(chosen, filled[1:]).reshape(slices, part, cells)
        # Mostly sums of slices instead of a reduction, and these stored before what is left of it:
        # five and, on large images, twenty times as fast on the CPU.
        terms = (
            jnp.where(chosen[which] == neighbour, weighted[:, which], 0) for which in range(slices)
        )
        slice_sums = stored(functools.reduce(jnp.add, terms))
        given = jnp.sum(slice_sums, 2).reshape(9, features + 1, *grid)
        total = jnp.zeros((features + 1, grid[0] + 2, grid[1] + 2))
        for gift, (row, column) in zip(given, np.ndindex(3, 3), strict=True):
            total = total + jnp.pad(gift, [(0, 0), (row, 2 - row), (column, 2 - column)])
        return total[:, 1:-1, 1:-1]

    def choose(means: Array) -> Array:
        """Each pixel's nearest segment; those beyond the grid are too far for any."""
        # The barriers keep XLA from working out the arguments again for each of their uses.
        seen = lax.optimization_barrier(_neighbours(means, grid, np.inf))
        far = [functools.reduce(jnp.add, jnp.square(points - mean)) for mean in seen]
        chosen, least = jnp.zeros(far[0].shape, jnp.int32), far[0]
        for which, distance in enumerate(far[1:], start=1):
            chosen = jnp.where(distance < least, which, chosen)
            least = jnp.minimum(distance, least)
        return lax.optimization_barrier(chosen)

    def improve(_: Array | int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        chosen = choose(state[1])
        total = gather(chosen)
        # A segment that lost all its pixels stays where it is.
        mean = jnp.where(total[-1:] > 0, total[:-1] / jnp.maximum(total[-1:], 1), state[1])
        return chosen, mean

    own = jnp.full((pixels, cells), 4, jnp.int32)
    start = gather(own)
    return lax.fori_loop(0, iterations, improve, (own, start[:-1] / start[-1:]))
