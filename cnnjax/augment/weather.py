"""Clouds, fog, snow and rain over a picture, after the augmenters of that name in imgaug.

Two patterns serve them all, each made of one draw of even random numbers. Clouds and fog come from
`octave_noise`: smooth noise whose amplitude falls with its frequency. Snow and rain come from a
coarse grid of cells of which few hold a speck, each smeared along the direction it falls in.

`strength` scales how opaque the weather is; where it lies depends on the key alone. Parameters and
defaults follow imgaug (github.com/aleju/imgaug, augmenters/weather.py) where it has them, on the
scale of [0, 1]; the defaults of sizes suit pictures of 32 to 256 pixels.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from cnnjax.augment.draw import (
    Image,
    NewImage,
    Range,
    Scalar,
    between,
    ends,
    float_image,
    moved,
    pixel_image,
    whole_number,
)
from cnnjax.ops.pixels import as_pixels, single

__all__ = ["clouds", "fast_snowy_landscape", "fog", "octave_noise", "rain", "snowflakes"]

# The least value of what must be above 0.
_LEAST = 1e-6

# What brings late bits of a number in [0, 1), which hardly matter to its size, before the point.
_LATE = 2.0**16


@functools.cache
def _spline(size: int, cell: float) -> Float[np.ndarray, "size points"]:
    """K with K @ values the cubic B-spline through a column of points, one every `cell` pixels.

    Its entries are at least 0 and its rows sum to 1, so that values stay in their range.
    """
    points = math.floor((size - 1) / cell) + 4
    away = np.abs(np.arange(size)[:, None] / cell - (np.arange(points) - 1)[None, :])
    near, far = 2 / 3 - away**2 + away**3 / 2, np.maximum(2 - away, 0) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)


@functools.cache
def _octaves(
    height: int, width: int, octaves: int | None
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """(K_h, K_w) of each octave, the coarsest first; all that there are if `octaves` is None."""
    longer = max(height, width)
    most = max(1, math.floor(math.log2(longer)) - 1)
    count = most if octaves is None else min(octaves, most)
    cells = [max(longer / 2 ** (octave + 1), 1.0) for octave in range(count)]
    return tuple((_spline(height, cell), _spline(width, cell)) for cell in cells)


def _points(matrices: tuple[tuple[np.ndarray, np.ndarray], ...]) -> int:
    return sum(rows.shape[1] * columns.shape[1] for rows, columns in matrices)


def _summed(
    matrices: tuple[tuple[np.ndarray, np.ndarray], ...],
    drawn: Float[Array, " points"],
    exponent: Scalar,
) -> Float[Array, "height width"]:
    """The noise of `octave_noise`, of numbers already drawn."""
    persistence = jnp.exp2(jnp.asarray(exponent, jnp.float32) + 1)
    total, start = jnp.float32(0), 0
    for octave, (rows, columns) in enumerate(matrices):
        shape = (rows.shape[1], columns.shape[1])
        grid = drawn[start : start + math.prod(shape)].reshape(shape)
        total = total + persistence**octave * (rows @ (grid @ columns.T))
        start += math.prod(shape)
    least = jnp.min(total)
    # The smallest normal number: a picture of one pixel has no range to divide by, and gives 0.
    spread = jnp.maximum(jnp.max(total) - least, np.finfo(np.float32).tiny)
    # A sum that a compiler works out twice may come out a rounding below its own least: a power of
    # it would be no number.
    return jnp.clip((total - least) / spread, 0, 1)


def octave_noise(
    key: PRNGKeyArray,
    size: tuple[int, int],
    *,
    exponent: Scalar = -2.0,
    octaves: int | None = None,
) -> Float[Array, "height width"]:
    """Draws smooth noise whose amplitude falls as frequency to the power of `exponent`.

    S = Σ_o p^o · K_h,o · N_o · K_w,oᵀ with p = 2^(exponent + 1), then (S − min) / (max − min).
    N_o is a coarse grid of numbers from U(0, 1), one every max(height, width) / 2^(o + 1) pixels,
    and K are the matrices of cubic B-splines, which need no value beyond the border. Halving the
    cells spreads the same variance over four times as many frequencies, hence the 1 in p.

    Args:
      key: The random key.
      size: (height, width), in pixels.
      exponent: Slope of the amplitude spectrum on logarithmic axes; the power spectrum has twice as
        much. Usually in [−4, −1]; may be traced.
      octaves: Number of octaves, at least 1. None takes all that the size holds, down to cells of
        two pixels; more than these are not drawn.

    Returns:
      The noise, from exactly 0 to exactly 1. A single pixel is 0.

    Raises:
      ValueError: `size` or `octaves` is below 1.

    Reference:
      Perlin: An image synthesizer. SIGGRAPH 1985; value noise on a lattice, summed in octaves.

    >>> import jax
    >>> octave_noise(jax.random.key(0), (24, 32)).shape
    (24, 32)
    """
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size={size!r}: expected (height, width), at least 1 each")
    if octaves is not None:
        whole_number("octaves", octaves, least=1)
    matrices = _octaves(*size, octaves)
    return _summed(matrices, jax.random.uniform(key, (_points(matrices),)), exponent)


def _blend(value: Array, opacity: Array, towards: Array) -> Array:
    """Gives value + opacity · (towards − value)."""
    blended = value + opacity[..., None] * (towards - value)
    return jnp.clip(blended, 0, 1)


def _veil(image: Image, opacity: Array, intensity: Array) -> NewImage:
    """Blends towards a grey, but only where the grey is brighter than the picture."""
    value = single(float_image(image))
    veiled = _blend(value, jnp.clip(opacity, 0, 1), jnp.maximum(intensity, value))
    return as_pixels(veiled, image.dtype)


def clouds(
    key: PRNGKeyArray,
    image: Image,
    *,
    intensity: Range = (0.77, 1.0),
    density: Range = (0.5, 1.0),
    sparsity: Range = (1.0, 2.5),
    exponent: Range = (-2.5, -1.5),
    strength: Scalar = 1.0,
) -> NewImage:
    """Draws clouds over a picture: y = x + α · (max(x, intensity) − x).

    α = strength · density · noise^sparsity, clipped to [0, 1], with noise from `octave_noise` in
    all its octaves. As imgaug's Clouds with a single layer, but that they never darken what is
    brighter than they are.

    Args:
      key: The random key.
      image: The picture, in [0, 1]; its channels are blended alike.
      intensity: Brightness of the clouds, in [0, 1].
      density: Opacity at the thickest place, in [0, 1]. At 0 the picture stays as it is.
      sparsity: Power on the noise, above 0; the larger, the more clear sky.
      exponent: Slope of the noise's amplitude spectrum, in [−8, 0]; the lower, the smoother.
      strength: Factor on the opacity, at least 0; may be traced. 0 gives the picture back exactly.

    Returns:
      The picture with clouds, in [0, 1], nowhere darker than it was.

    Raises:
      ValueError: A parameter is outside its range.

    Reference:
      imgaug, augmenters.weather.Clouds and CloudLayer.
    """
    ranges = (
        ends("intensity", intensity, least=0, most=1),
        ends("density", density, least=0, most=1),
        ends("sparsity", sparsity, least=_LEAST),
        ends("exponent", exponent, least=-8, most=0),
    )
    image = pixel_image(image)
    matrices = _octaves(*image.shape[:2], None)
    units = jax.random.uniform(key, (len(ranges) + _points(matrices),))
    grey, thickest, power, slope = map(between, ranges, units)
    noise = _summed(matrices, units[len(ranges) :], slope)
    return _veil(image, jnp.asarray(strength, jnp.float32) * thickest * noise**power, grey)


def fog(
    key: PRNGKeyArray,
    image: Image,
    *,
    intensity: Range = (0.86, 1.0),
    density: Range = (0.4, 0.9),
    unevenness: Range = (0.1, 0.3),
    exponent: Range = (-4.0, -2.0),
    strength: Scalar = 1.0,
) -> NewImage:
    """Lays fog over a picture: y = x + α · (max(x, intensity) − x).

    α = strength · density · (1 − unevenness · (1 − noise)), clipped to [0, 1], with noise of the
    three coarsest octaves of `octave_noise`: denser than clouds, smoother, and everywhere.

    Args:
      key: The random key.
      image: The picture, in [0, 1]; its channels are blended alike.
      intensity: Brightness of the fog, in [0, 1].
      density: Opacity at the thickest place, in [0, 1]. At 0 the picture stays as it is.
      unevenness: Share of the opacity that the thinnest place lacks, in [0, 1].
      exponent: Slope of the noise's amplitude spectrum, in [−8, 0]; the lower, the smoother.
      strength: Factor on the opacity, at least 0; may be traced. 0 gives the picture back exactly.

    Returns:
      The picture in fog, in [0, 1], nowhere darker than it was.

    Raises:
      ValueError: A parameter is outside its range.

    Reference:
      imgaug, augmenters.weather.Fog.
    """
    ranges = (
        ends("intensity", intensity, least=0, most=1),
        ends("density", density, least=0, most=1),
        ends("unevenness", unevenness, least=0, most=1),
        ends("exponent", exponent, least=-8, most=0),
    )
    image = pixel_image(image)
    matrices = _octaves(*image.shape[:2], 3)
    units = jax.random.uniform(key, (len(ranges) + _points(matrices),))
    grey, thickest, lack, slope = map(between, ranges, units)
    noise = _summed(matrices, units[len(ranges) :], slope)
    opacity = jnp.asarray(strength, jnp.float32) * thickest * (1 - lack * (1 - noise))
    return _veil(image, opacity, grey)


def _falling(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    density: tuple[float, float],
    width: tuple[float, float],
    length: tuple[float, float],
    angle: tuple[float, float],
    heights: int = 1,
) -> tuple[Float[Array, "height width"], Float[Array, "3"]]:
    """The brightness of specks that fall, from 0 where there is none to 1 at the brightest.

    With it come three more numbers of U(0, 1), for the caller to draw parameters with.

    A grid of square cells, as wide as the widest speck, holds a speck wherever its number u from
    U(0, 1) is below the density, of brightness 1 − u / (2 · density), which is even in [½, 1]. It
    lies at one of `heights` heights of its cell, but no more than there are pixels, as late bits of
    u say: with a single one all specks stand in rows, which shows if they are short.
    Along the rows it falls off linearly, max(0, 1 − |d| / w) with its width w; along the columns
    it is min(1, max(0, (w + ℓ / 2 − |d|) / w)), with ℓ its length times cos(angle). Then each row
    is shifted by its distance from the middle times tan(angle), which slants the specks. The grid
    repeats itself along the rows, so that it never runs out.
    """
    height, across = shape[:2]
    longer = max(height, across)
    # A speck below one pixel would vanish between two of them.
    cell = max(1.0, width[1] * longer)
    longest = length[1] * longer
    # From a speck that ends above the first row of pixels to one that begins below the last.
    above = longest / 2 + cell
    rows = math.ceil((height - 1 + longest) / cell) + 2
    columns = math.ceil(across / cell)
    units = jax.random.uniform(key, (7 + rows * columns,))
    likely, wide, long, turn = map(between, (density, width, length, angle), units[3:7])
    wide = jnp.maximum(wide * longer, 1.0)
    turn = jnp.deg2rad(turn)
    drawn = units[7:].reshape(rows, columns)
    tiny = np.finfo(np.float32).tiny
    specks = jnp.where(drawn < likely, 1 - drawn / (2 * jnp.maximum(likely, tiny)), 0)
    heights = min(heights, round(cell))
    own = jnp.floor(drawn * _LATE).astype(jnp.int32) % heights
    specks = jnp.where(own[:, None] == np.arange(heights)[:, None], specks[:, None], 0)
    specks = specks.reshape(rows * heights, columns)

    y = np.arange(height, dtype=np.float32)
    centres = (np.arange(rows * heights) * cell / heights - above).astype(np.float32)
    half = long * longer * jnp.cos(turn) / 2
    down = jnp.clip((wide + half - np.abs(y[:, None] - centres[None, :])) / wide, 0, 1)
    smeared = down @ specks

    slide = (y - (height - 1) / 2) * jnp.tan(turn)
    x = np.arange(across, dtype=np.float32)
    position = jax.lax.optimization_barrier((x[None, :] - slide[:, None]) / cell)
    left = jnp.floor(position)
    past = (position - left) * cell
    at = left.astype(jnp.int32) % columns
    next_at = jnp.where(at + 1 == columns, 0, at + 1)
    first, second = (
        jnp.take_along_axis(smeared, index, axis=1, mode="promise_in_bounds")
        for index in (at, next_at)
    )
    near, far = jnp.maximum(1 - past / wide, 0), jnp.maximum(1 - (cell - past) / wide, 0)
    return jnp.clip(near * first + far * second, 0, 1), units[:3]


def snowflakes(
    key: PRNGKeyArray,
    image: Image,
    *,
    density: Range = (0.005, 0.075),
    flake_size: Range = (0.01, 0.04),
    angle: Range = (-30.0, 30.0),
    speed: Range = (0.007, 0.03),
    strength: Scalar = 1.0,
) -> NewImage:
    """Lets snow fall in front of a picture: y = x + strength · flakes · (1 − x).

    Flakes lie at random on a grid of cells as wide as the largest of them, have a brightness of ½
    to 1, and are smeared along the direction they fall in. strength · flakes is clipped to [0, 1].

    Args:
      key: The random key.
      image: The picture, in [0, 1]; its channels are blended alike.
      density: Probability that a cell holds a flake, in [0, 1]. At 0 the picture stays as it is.
      flake_size: Width of a flake at half its brightness, as a fraction of the longer side, in
        [0, 1]; at least one pixel. The larger end is the width of a cell.
      angle: Degrees in [−60, 60] by which they fall away from straight down, counter-clockwise as
        displayed: positive is down and to the right.
      speed: Length of the smear, as a fraction of the longer side, in [0, 1].
      strength: Factor on the opacity, at least 0; may be traced. 0 gives the picture back exactly.

    Returns:
      The picture in snow, in [0, 1], nowhere darker than it was.

    Raises:
      ValueError: A parameter is outside its range.

    Reference:
      imgaug, augmenters.weather.Snowflakes; with flakes of one layer and no further blur.
    """
    image = pixel_image(image)
    flakes, _ = _falling(
        key,
        image.shape,
        density=ends("density", density, least=0, most=1),
        width=ends("flake_size", flake_size, least=0, most=1),
        length=ends("speed", speed, least=0, most=1),
        angle=ends("angle", angle, least=-60, most=60),
        heights=4,
    )
    return _veil(image, jnp.asarray(strength, jnp.float32) * flakes, jnp.float32(1))


def rain(
    key: PRNGKeyArray,
    image: Image,
    *,
    density: Range = (0.005, 0.03),
    drop_size: Range = (0.002, 0.01),
    angle: Range = (-15.0, 15.0),
    speed: Range = (0.1, 0.3),
    intensity: Range = (0.7, 0.9),
    opacity: Range = (0.4, 0.8),
    darkening: Range = (0.05, 0.25),
    strength: Scalar = 1.0,
) -> NewImage:
    """Lets rain fall in front of a picture that it darkens: y = d + α · (intensity − d).

    d = x · (1 − strength · darkening) and α = strength · opacity · streaks, both factors clipped to
    [0, 1]. Streaks are those of `snowflakes`, thinner, longer and steeper.

    Args:
      key: The random key.
      image: The picture, in [0, 1]; its channels are blended alike.
      density: Probability that a cell, as wide as the widest drop, holds one, in [0, 1]. At 0, with
        a darkening of 0, the picture stays as it is.
      drop_size: Width of a streak at half its brightness, as a fraction of the longer side, in
        [0, 1]; at least one pixel.
      angle: Degrees in [−60, 60] by which it falls away from straight down, counter-clockwise as
        displayed: positive is down and to the right.
      speed: Length of a streak, as a fraction of the longer side, in [0, 1].
      intensity: Brightness of the drops, in [0, 1].
      opacity: Opacity of the brightest streak, in [0, 1].
      darkening: Share of the light that the picture loses, in [0, 1]; at 0 none.
      strength: Factor on opacity and darkening, at least 0; may be traced. 0 gives the picture back
        exactly.

    Returns:
      The picture in rain, in [0, 1].

    Raises:
      ValueError: A parameter is outside its range.

    Reference:
      imgaug, augmenters.weather.Rain; the darkening is after Saxena: Make it rain, make it snow,
      freeCodeCamp 2018.
    """
    ranges = (
        ends("intensity", intensity, least=0, most=1),
        ends("opacity", opacity, least=0, most=1),
        ends("darkening", darkening, least=0, most=1),
    )
    image = pixel_image(image)
    values = single(float_image(image))
    streaks, units = _falling(
        key,
        image.shape,
        density=ends("density", density, least=0, most=1),
        width=ends("drop_size", drop_size, least=0, most=1),
        length=ends("speed", speed, least=0, most=1),
        angle=ends("angle", angle, least=-60, most=60),
    )
    grey, thickest, loss = map(between, ranges, units)
    strength = jnp.asarray(strength, jnp.float32)
    darker = values * (1 - jnp.minimum(strength * loss, 1))
    wet = _blend(darker, jnp.minimum(strength * thickest * streaks, 1), grey)
    return as_pixels(wet, image.dtype)


def fast_snowy_landscape(
    key: PRNGKeyArray,
    image: Image,
    *,
    lightness_threshold: Range = (0.39, 1.0),
    lightness_multiplier: Range = (1.0, 4.0),
    strength: Scalar = 1.0,
) -> NewImage:
    """Whitens the dark parts of a landscape: l ↦ min(l · m, 1) where l is below the threshold.

    l = (max + min) / 2 of a pixel's channels is the lightness of the colour space HLS. Hue and
    saturation stay, which is to say that v ↦ l' + (v − l) · (1 − |2l' − 1|) / (1 − |2l − 1|) for
    each value v, with l' the new lightness. With one channel l is the value itself.

    Args:
      key: The random key.
      image: The picture, in [0, 1], of any number of channels.
      lightness_threshold: Lightness below which a pixel changes, in [0, 1]; higher snows over more.
      lightness_multiplier: Factor m on the lightness, at least 0. At 1 the picture stays as it is.
      strength: Moves the multiplier between 1 and m: 1 + strength · (m − 1), at least 0; may be
        traced. 0 gives the picture back exactly.

    Returns:
      The whitened picture, in [0, 1].

    Raises:
      ValueError: A parameter is outside its range.

    Reference:
      imgaug, augmenters.weather.FastSnowyLandscape, after Saxena: Make it rain, make it snow,
      freeCodeCamp 2018.
    """
    ranges = (
        ends("lightness_threshold", lightness_threshold, least=0, most=1),
        ends("lightness_multiplier", lightness_multiplier, least=0),
    )
    below, drawn = map(between, ranges, jax.random.uniform(key, (2,)))
    multiplier = jnp.maximum(moved(drawn, neutral=1, strength=strength), 0)
    # Channel by channel: what they share is worked out once, twice as fast on the CPU.
    image = pixel_image(image)
    channels = jnp.moveaxis(single(float_image(image)), -1, 0)
    light = (functools.reduce(jnp.maximum, channels) + functools.reduce(jnp.minimum, channels)) / 2
    lighter = jnp.minimum(light * multiplier, 1)
    room = 1 - jnp.abs(2 * light - 1)
    # Black and white have no colour, so that what its share becomes is of no account.
    share = (1 - jnp.abs(2 * lighter - 1)) / jnp.where(room > 0, room, 1)
    changed = (light < below) & (multiplier != 1)
    snowy = [
        jnp.where(changed, jnp.clip(lighter + (value - light) * share, 0, 1), value)
        for value in channels
    ]
    return as_pixels(jnp.stack(snowy, axis=-1), image.dtype)
