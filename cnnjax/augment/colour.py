"""Random changes of the values of one image, key first: contrast, colour, histogram, sharpness.

Every one takes and gives floats in [0, 1], or bytes, of which 255 is 1; it clips what would leave
that range, and gives the image back bit for bit at strength 0. Grey is what ITU-R BT.601 calls
luma, 0.299 R + 0.587 G + 0.114 B; in an image that has not three channels, it is their mean.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar
from cnnjax.ops.pixels import as_pixels, clipped, unit, whole
from cnnjax.ops.stored import stored

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def sharpen(
    key: PRNGKeyArray, image: Image, *, amount: Range = (0.0, 2.0), strength: Scalar = 1.0
) -> NewImage:
    """Adds what a slight blur takes away: image + a · (image − blurred).

    The blur is Pillow's SMOOTH, ((1, 1, 1), (1, 5, 1), (1, 1, 1)) / 13. The border's values are
    repeated outside. Inside the border this is Pillow's ImageEnhance.Sharpness(1 + a).

    Args:
      key: The random key.
      image: The image.
      amount: a, at least −1, or a pair to draw it from; 0 changes nothing, −1 gives the blurred
        image.
      strength: Factor on a, which takes it to −1 at the least; may be traced.

    Returns:
      The sharpened image, clipped to [0, 1].

    Raises:
      ValueError: `amount` is not a number or a pair (low, high), or falls below −1.
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    a = draw.parameter(key, "amount", amount, neutral=0, strength=strength, least=-1)
    rim = ((1, 1), (1, 1), (0, 0))
    padded = draw.float_image(jnp.pad(image, rim, mode="edge"))  # bytes are faster to pad
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    box = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    blurred = (box + 4 * values) / 13
    return _result(image, a == 0, values + a * (values - blurred))


def brighten(
    key: PRNGKeyArray,
    image: Image,
    *,
    offset: Range = (-0.2, 0.2),
    factor: Range = 1.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Adds a number to every value, or multiplies it by one, or both: f · image + b.

    With an offset of 0 this is Pillow's ImageEnhance.Brightness, which rounds to whole levels.

    Args:
      key: The random key.
      image: The image.
      offset: b on the scale [0, 1] of the values, or a pair to draw it from; 0 changes nothing, 1
        gives white, −1 black.
      factor: f, at least 0, or a pair to draw it from; 1 changes nothing, 0 gives black.
      strength: Factor on b and on f − 1; may be traced.

    Returns:
      The brighter or darker image, clipped to [0, 1].

    Raises:
      ValueError: `offset` or `factor` is not a number or a pair (low, high), or `factor` is
        negative.

    >>> import jax, jax.numpy as jnp
    >>> brighten(jax.random.key(0), jnp.full((1, 2, 1), 0.25), offset=0.5).ravel().tolist()
    [0.75, 0.75]
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    b = draw.parameter(key, "offset", offset, neutral=0, strength=strength)
    # A key that costs nothing where the factor is a number, and is not drawn.
    own_key = jax.random.fold_in(key, 1)
    f = draw.parameter(own_key, "factor", factor, neutral=1, strength=strength, least=0)
    return _result(image, (b == 0) & (f == 1), f * values + b)


def contrast(
    key: PRNGKeyArray, image: Image, *, factor: Range = (0.5, 1.5), strength: Scalar = 1.0
) -> NewImage:
    """Stretches all values about the image's mean grey m: m + f · (image − m).

    Pillow's ImageEnhance.Contrast, which rounds m to a whole grey level; here it is not rounded.

    Args:
      key: The random key.
      image: The image.
      factor: f, at least 0, or a pair to draw it from; 1 changes nothing, 0 gives plain grey.
      strength: Factor on f − 1, which takes f to 0 at the least; may be traced.

    Returns:
      The image with more or less contrast, clipped to [0, 1].

    Raises:
      ValueError: `factor` is not a number or a pair (low, high), or is negative.
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    f = draw.parameter(key, "factor", factor, neutral=1, strength=strength, least=0)
    # Two and a half times as fast as a mean over pixels: rows are added up side by side, and the
    # product with the weights of a row's values, unlike a sum, is not worked out again for each
    # value of the result.
    height, width, channels = values.shape
    shares = LUMA if channels == 3 else (1 / channels,) * channels
    white = 255 if image.dtype == np.uint8 else 1
    weights = np.tile(np.asarray(shares, np.float32), width) / (height * width * white)
    one_row = lax.optimization_barrier(_sum_of_rows(image))
    mean_grey = jnp.dot(one_row, weights, precision="highest").astype(values.dtype)
    return _result(image, f == 1, _stretched(values, mean_grey, f))


def gamma_contrast(
    key: PRNGKeyArray, image: Image, *, gamma: Range = (0.5, 1.5), strength: Scalar = 1.0
) -> NewImage:
    """Raises every value to a power: image^γ, as skimage.exposure.adjust_gamma does.

    Args:
      key: The random key.
      image: The image.
      gamma: γ, at least 0, or a pair to draw it from; 1 changes nothing, less brightens, more
        darkens.
      strength: Factor on γ − 1; may be traced.

    Returns:
      The image of the powers, in [0, 1].

    Raises:
      ValueError: `gamma` is not a number or a pair (low, high), or is negative.
    """
    image = draw.pixel_image(image)
    g = draw.parameter(key, "gamma", gamma, neutral=1, strength=strength, least=0)

    def raised(image: Array) -> Array:
        values = draw.float_image(image)
        # Five times as fast as a power, which tests for many cases, and as exact in [0, 1]. 0⁰ is
        # 1, and a negative value has no power.
        power = jnp.exp2(g * jnp.log2(jnp.maximum(values, np.finfo(np.float32).tiny)))
        return _result(image, g == 1, jnp.where((values > 0) | (g == 0), power, 0))

    if image.dtype != np.uint8:
        return raised(image)
    # Two and a half times as fast: each of 256 values once, and then a table.
    table = stored(raised(jnp.arange(256, dtype=np.uint8).reshape(256, 1, 1)).ravel())
    return table.at[image.astype(jnp.uint32)].get(mode="promise_in_bounds")


def invert(
    key: PRNGKeyArray, image: Image, *, probability: Number = 0.5, strength: Scalar = 1.0
) -> NewImage:
    """Turns the image into its negative, 1 − image, with the given probability.

    Args:
      key: The random key.
      image: The image.
      probability: Between 0 and 1; at 0 nothing changes.
      strength: Factor on the probability; may be traced.

    Returns:
      The image, bit for bit, or its negative, in [0, 1].

    Raises:
      ValueError: `probability` is not a number in [0, 1].
    """
    image = draw.pixel_image(image)
    draw.check_probability(probability)
    white = as_pixels(1.0, image.dtype)
    happens = jax.random.uniform(key) < probability * strength
    return jnp.where(happens, jnp.clip(white - image, 0, white), image)


def hue(
    key: PRNGKeyArray, image: Image, *, degrees: Range = (-30.0, 30.0), strength: Scalar = 1.0
) -> NewImage:
    """Turns the hue of every pixel by the same angle, in HSV; saturation and value stay.

    The same as adding degrees / 360 to the first channel of skimage.color.rgb2hsv, modulo 1, and
    going back with hsv2rgb.

    Args:
      key: The random key.
      image: The image; one that has not three channels is given back.
      degrees: The angle, or a pair to draw it from; 0 changes nothing, 120 turns red to green.
      strength: Factor on the angle; may be traced.

    Returns:
      The image with its hues turned, clipped to [0, 1].

    Raises:
      ValueError: `degrees` is not a number or a pair (low, high).

    Reference:
      Smith: Color gamut transform pairs. SIGGRAPH 1978.
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    angle = draw.parameter(key, "degrees", degrees, neutral=0, strength=strength)
    if values.shape[-1] != 3:
        return image
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    # Sixths of a turn: 0 is red, 2 green, 4 blue. A grey pixel has none, and needs none.
    divisor = jnp.where(chroma == 0, 1, chroma)
    sixths = angle / 60 + jnp.where(
        value == red,
        (green - blue) / divisor,
        jnp.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    # How far each channel lies below the value, over a turn: up to one sixth from its own hue not
    # at all, then over one sixth more and more, then by the whole chroma. (jnp.mod takes longer.)
    place = sixths[..., None] + np.array([5, 3, 1], np.float32)
    place = place - 6 * jnp.floor(place / 6)
    below = jnp.clip(jnp.minimum(place, 4 - place), 0, 1)
    turned = value[..., None] - chroma[..., None] * below
    return _result(image, angle == 0, turned)


def saturation(
    key: PRNGKeyArray, image: Image, *, factor: Range = (0.5, 1.5), strength: Scalar = 1.0
) -> NewImage:
    """Moves every pixel away from its own grey or towards it: grey + f · (image − grey).

    Pillow's ImageEnhance.Color, which rounds the grey to whole levels; here it is not rounded.

    Args:
      key: The random key.
      image: The image; one that has not three channels is given back.
      factor: f, at least 0, or a pair to draw it from; 1 changes nothing, 0 leaves only grey.
      strength: Factor on f − 1, which takes f to 0 at the least; may be traced.

    Returns:
      The image with stronger or weaker colours, clipped to [0, 1].

    Raises:
      ValueError: `factor` is not a number or a pair (low, high), or is negative.
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    f = draw.parameter(key, "factor", factor, neutral=1, strength=strength, least=0)
    if values.shape[-1] != 3:
        return image
    return _result(image, f == 1, _stretched(values, _grey(values), f))


def channel_shuffle(
    key: PRNGKeyArray, image: Image, *, probability: Number = 0.5, strength: Scalar = 1.0
) -> NewImage:
    """Puts the channels into a random order with the given probability: y[…, c] = x[…, π(c)].

    Every order π is equally likely, the one they were in included.

    Args:
      key: The random key.
      image: The image; one of a single channel stays as it is.
      probability: Between 0 and 1; at 0 nothing changes.
      strength: Factor on the probability; may be traced.

    Returns:
      The channels of the image, each bit for bit.

    Raises:
      ValueError: `probability` is not a number in [0, 1].
    """
    image = draw.pixel_image(image)
    draw.check_probability(probability)
    numbers = jax.random.uniform(key, (1 + image.shape[-1],))
    happens = numbers[0] < probability * strength
    return jnp.where(happens, image[..., jnp.argsort(numbers[1:])], image)


def grey(
    key: PRNGKeyArray, image: Image, *, amount: Range = (0.0, 1.0), strength: Scalar = 1.0
) -> NewImage:
    """Blends a colour image with its grey: image + a · (grey − image), in as many channels.

    Args:
      key: The random key.
      image: The image; one that has not three channels is given back.
      amount: a in [0, 1], or a pair to draw it from; 0 changes nothing, 1 leaves only grey.
      strength: Factor on a, which ends at 1; may be traced.

    Returns:
      The greyer image, clipped to [0, 1].

    Raises:
      ValueError: `amount` is not a number or a pair (low, high) in [0, 1].
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    a = draw.parameter(key, "amount", amount, neutral=0, strength=strength, least=0, most=1)
    if values.shape[-1] != 3:
        return image
    return _result(image, a == 0, _stretched(values, _grey(values), 1 - a))


def posterise(
    key: PRNGKeyArray, image: Image, *, bits: Range = (3.0, 8.0), strength: Scalar = 1.0
) -> NewImage:
    """Keeps the leading bits of every value: Pillow's ImageOps.posterize.

    A value is taken as a whole number of 255ths; of its eight bits the last ones are set to 0. How
    many bits are kept is rounded, so that of a pair of whole numbers the inner ones come up twice
    as often as the two ends.

    Args:
      key: The random key.
      image: The image.
      bits: How many to keep, from 1 to 8, or a pair to draw it from; 8 changes nothing.
      strength: Factor on bits − 8, before rounding; at least 1 bit stays. May be traced.

    Returns:
      The image of at most 2^bits levels, clipped to [0, 1].

    Raises:
      ValueError: `bits` is not a number or a pair (low, high) in [1, 8].
    """
    image = draw.pixel_image(image)
    kept = draw.parameter(key, "bits", bits, neutral=8, strength=strength, least=1, most=8)
    dropped = whole(8 - jnp.round(kept))
    levels = _levels(image) >> dropped << dropped
    if image.dtype == np.uint8:
        return levels.astype(np.uint8)
    return _result(image, dropped == 0, levels / 255)


def solarise(
    key: PRNGKeyArray, image: Image, *, threshold: Range = (0.5, 1.0), strength: Scalar = 1.0
) -> NewImage:
    """Turns values at or above a threshold t into their negative, 1 − value.

    Pillow's ImageOps.solarize.

    Args:
      key: The random key.
      image: The image.
      threshold: t in [0, 1], or a pair to draw it from; 1 changes nothing, 0 inverts everything.
      strength: Factor on t − 1; may be traced.

    Returns:
      The solarised image, clipped to [0, 1].

    Raises:
      ValueError: `threshold` is not a number or a pair (low, high) in [0, 1].
    """
    image = draw.pixel_image(image)
    t = draw.parameter(key, "threshold", threshold, neutral=1, strength=strength, least=0, most=1)
    if image.dtype == np.uint8:
        # The threshold as a byte: of a number of 255ths the byte itself, however t was rounded.
        return jnp.where((t == 1) | (image < jnp.ceil(255 * t - 1e-3)), image, 255 - image)
    values = draw.float_image(image)
    return _result(image, t == 1, jnp.where(values < t, values, 1 - values))


def autocontrast(
    key: PRNGKeyArray, image: Image, *, amount: Range = (0.0, 1.0), strength: Scalar = 1.0
) -> NewImage:
    """Blends with the image that uses the whole range: image + a · (stretched − image).

    Each channel by itself: v becomes (v − lowest) / (highest − lowest). A channel of one value only
    stays as it is. Pillow's ImageOps.autocontrast, which rounds to whole levels.

    Args:
      key: The random key.
      image: The image.
      amount: a in [0, 1], or a pair to draw it from; 0 changes nothing, 1 stretches fully.
      strength: Factor on a, which ends at 1; may be traced.

    Returns:
      The more or less stretched image, clipped to [0, 1].

    Raises:
      ValueError: `amount` is not a number or a pair (low, high) in [0, 1].
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    lowest, highest = _extremes(image)
    span = highest - lowest
    stretched = jnp.where(span > 0, (values - lowest) / jnp.where(span > 0, span, 1), values)
    return _blended(key, image, stretched, amount, strength)


def equalise(
    key: PRNGKeyArray, image: Image, *, amount: Range = (0.0, 1.0), strength: Scalar = 1.0
) -> NewImage:
    """Blends with the image whose histogram is level: image + a · (equalised − image).

    Each channel by itself: a value becomes the share of pixels that are darker, of all that are
    darker than the brightest. Values are told apart to one 255th. A channel of one value only stays
    as it is. Pillow's ImageOps.equalize rounds down how many pixels there are to a grey level. That
    makes small images too bright, and leaves those of less than 256 pixels alone. Here it is not
    rounded; where there is nothing to round, both agree to half a level.

    Args:
      key: The random key.
      image: The image.
      amount: a in [0, 1], or a pair to draw it from; 0 changes nothing, 1 equalises fully.
      strength: Factor on a, which ends at 1; may be traced.

    Returns:
      The more or less equalised image, clipped to [0, 1].

    Raises:
      ValueError: `amount` is not a number or a pair (low, high) in [0, 1].
    """
    image = draw.pixel_image(image)
    return _blended(key, image, _equalised(image), amount, strength)


def _equalised(image: Array) -> Array:
    """Gives the values, as floats, of an image of floats or bytes."""
    channels = image.shape[-1]
    # One row of 256 levels for each channel, all in one line: a plain index is the fastest. Counted
    # by a scatter: on a CPU sorting the values takes four times as long, comparing each of them to
    # each level more than that.
    places = _levels(image) + 256 * jnp.arange(channels, dtype=jnp.uint32)
    counts = jnp.zeros(channels * 256).at[places.ravel()].add(1, mode="promise_in_bounds")
    counts = counts.reshape(channels, 256)
    darker = jnp.cumsum(counts, axis=1) - counts
    most = jnp.max(darker * (counts > 0), axis=1)
    table = darker / jnp.maximum(most, 1)[:, None]
    level = table.ravel().at[places].get(mode="promise_in_bounds")
    return jnp.where(most == 0, draw.float_image(image), level)


def _sum_of_rows(image: Array) -> Array:
    """Adds up the rows of an image, of which each is width × channels numbers, in float32."""
    rows = image.reshape(len(image), -1)
    if image.dtype != np.uint8:
        return jnp.sum(rows.astype(jnp.float32), axis=0)
    # Twice as fast, and exact: 16 bits hold the sum of 257 bytes.
    parts = (rows[start : start + 257] for start in range(0, len(rows), 257))
    sums = (jnp.sum(part, axis=0, dtype=jnp.uint16).astype(jnp.float32) for part in parts)
    return sum(sums, jnp.zeros(rows.shape[1]))


def _extremes(image: Array) -> tuple[Array, Array]:
    """The least and the greatest value of each channel, as floats.

    In two steps, from rows that both of them read: a CPU reduces long rows nine times as fast as it
    does triples, and rows with one reader each would be made triples again by the compiler.
    """
    _, width, channels = image.shape
    rows = image.reshape(len(image), width * channels)
    lowest, highest = (reduce(rows, axis=0) for reduce in (jnp.min, jnp.max))
    ends = (
        jnp.min(lowest.reshape(width, channels), axis=0),
        jnp.max(highest.reshape(width, channels), axis=0),
    )
    return (unit(ends[0]), unit(ends[1])) if image.dtype == np.uint8 else ends


def _grey(image: Array) -> Array:
    """Gives the grey of an image of three channels, as one channel."""
    # On a CPU a sum over so short an axis takes thirty times as long.
    red, green, blue = (image[..., i : i + 1] * weight for i, weight in enumerate(LUMA))
    return red + green + blue


def _stretched(image: Array, middle: Array, factor: Array) -> Array:
    return middle + factor * (image - middle)


def _levels(image: Array) -> Array:
    """The nearest whole numbers of 255ths, which bytes are themselves."""
    if image.dtype == np.uint8:
        return image.astype(jnp.uint32)
    return whole(jnp.round(jnp.clip(image, 0, 1) * 255))


def _blended(key: Array, image: Image, changed: Array, amount: Range, strength: Scalar) -> Array:
    """Gives image + a · (changed − image), with a drawn from the amount; `changed` is of floats."""
    a = draw.parameter(key, "amount", amount, neutral=0, strength=strength, least=0, most=1)
    values = draw.float_image(image)
    return _result(image, a == 0, values + a * (changed - values))


def _result(image: Image, unchanged: Array, changed: Array) -> Array:
    """`image` itself or `changed`, clipped: rounding must not alter what is to stay."""
    return jnp.where(unchanged, image, clipped(changed, image.dtype))
