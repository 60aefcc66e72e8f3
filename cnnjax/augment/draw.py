"""What the operations of the catalogue draw their parameters with."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray, Shaped, UInt8

from cnnjax.ops.pixels import floats, unit

Number = float | int
Scalar = float | int | np.floating | Float[Array | np.ndarray, ""]
Range = Number | tuple[Number, Number]
"""A number, used as it is, or a pair (low, high) to draw from evenly."""

Size = tuple[int, int]
"""(height, width), in pixels."""

# Floats in [0, 1], or bytes, of which 255 is 1.
Image = (
    Float[Array | np.ndarray, "height width channels"]
    | UInt8[Array | np.ndarray, "height width channels"]
)
NewImage = Float[Array, "height width channels"] | UInt8[Array, "height width channels"]


def one_image(
    values: Shaped[Array | np.ndarray, "*shape"],
) -> Shaped[Array, "height width channels"]:
    """Gives an image as it is, of whatever type, and refuses a batch or a plane without channels.

    Args:
      values: (height, width, channels).

    Returns:
      The same, as an array.

    Raises:
      ValueError: It has more axes or fewer.
    """
    return _of_axes(3, values, "image", "(height, width, channels)")


def size_of(values: Shaped[Array | np.ndarray, "*shape"]) -> Size:
    """Gives the (height, width) of one image.

    Args:
      values: (height, width, channels).

    Returns:
      Its size, in pixels.

    Raises:
      ValueError: It has more axes or fewer.
    """
    height, width, _ = one_image(values).shape
    return height, width


def pixel_image(values: Shaped[Array | np.ndarray, "*shape"]) -> NewImage:
    """Gives an image of floats or bytes as it is; refuses other numbers, a batch or a plane.

    Args:
      values: (height, width, channels).

    Returns:
      The same, as an array.

    Raises:
      ValueError: It has other axes, or is of another type.
    """
    image = one_image(values)
    if image.dtype != np.uint8 and not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image of type {image.dtype}: expected floats in [0, 1], or uint8")
    return image


def float_image(
    values: Shaped[Array | np.ndarray, "*shape"],
) -> Float[Array, "height width channels"]:
    """Gives an image's values as floats: those of bytes are 255ths.

    Args:
      values: (height, width, channels).

    Returns:
      Floats of the image's precision, of bytes in float32.

    Raises:
      ValueError: It has other axes, or is neither of floats nor of bytes.
    """
    image = pixel_image(values)
    return unit(image) if image.dtype == np.uint8 else image


def float_signal(values: Shaped[Array | np.ndarray, "*shape"]) -> Float[Array, "length channels"]:
    """Gives a signal of floats as it is, and refuses whole numbers and a batch.

    Args:
      values: (length, channels).

    Returns:
      The same, as an array.

    Raises:
      ValueError: It has other axes, or is not of floats.
    """
    return floats(_of_axes(2, values, "signal", "(length, channels)"), "signal")


def _of_axes(axes: int, values: Array | np.ndarray, name: str, expected: str) -> Array:
    values = jnp.asarray(values)
    if values.ndim != axes:
        raise ValueError(
            f"{name} of shape {values.shape}: expected {expected}; jax.vmap takes a batch"
        )
    return values


def parameter(
    key: PRNGKeyArray,
    name: str,
    value: Range,
    *,
    neutral: Number,
    strength: Scalar = 1.0,
    least: Number = -np.inf,
    most: Number = np.inf,
) -> Float[Array, ""]:
    """Draws a parameter and moves it towards its neutral value: n + s · (v − n), v ~ U(low, high).

    Args:
      key: The random key.
      name: The parameter's name, for the message.
      value: A number, which is not drawn, or a pair (low, high).
      neutral: The value n at which the operation gives its image back.
      strength: s, at least 0; may be traced. At 0 the result is exactly `neutral`, at 1 it is v.
      least: The smallest value that is allowed, at which strengths above 1 end, too.
      most: The largest one.

    Returns:
      The parameter, in [least, most].

    Raises:
      ValueError: Not a finite number or a pair of them in [least, most] with low ≤ high.

    >>> import jax
    >>> float(parameter(jax.random.key(0), "factor", 3.0, neutral=1.0, strength=0.5))
    2.0
    """
    low, high = ends(name, value, least=least, most=most)
    drawn = jnp.float32(low)
    if high > low:
        drawn = jax.random.uniform(key, (), minval=low, maxval=high)
    bounds = (None if math.isinf(end) else end for end in (least, most))
    return jnp.clip(moved(drawn, neutral=neutral, strength=strength), *bounds)


def several(
    count: int,
    key: PRNGKeyArray,
    name: str,
    value: Range,
    neutral: Number,
    strength: Scalar,
    least: Number,
    most: Number = np.inf,
) -> Float[Array, " count"]:
    """Draws one parameter several times, each draw on its own.

    Args:
      count: How many draws.
      key: The random key.
      name: As in `parameter`.
      value: As in `parameter`.
      neutral: As in `parameter`.
      strength: As in `parameter`.
      least: As in `parameter`.
      most: As in `parameter`.

    Returns:
      The draws.

    Raises:
      ValueError: As in `parameter`.
    """

    def one(own_key: Array) -> Array:
        return parameter(
            own_key, name, value, neutral=neutral, strength=strength, least=least, most=most
        )

    return jax.vmap(one)(jax.random.split(key, count))


def moved(
    value: Float[Array, "*shape"], *, neutral: Number, strength: Scalar
) -> Float[Array, "*shape"]:
    """Moves a value that was drawn towards its neutral one: n + s · (v − n).

    Args:
      value: v.
      neutral: n.
      strength: s, at least 0; may be traced.

    Returns:
      The value; exactly n at s = 0 and v at s = 1.

    >>> import jax.numpy as jnp
    >>> float(moved(jnp.float32(3), neutral=1.0, strength=0.5))
    2.0
    """
    strength = jnp.asarray(strength, jnp.float32)
    between_them = neutral + strength * (value - neutral)
    # n + 1 · (v − n) need not be v to the last bit; what is lacking has no gradient.
    lacking = jnp.where(strength == 1, value - between_them, 0)
    return between_them + jax.lax.stop_gradient(lacking)


def between(value: Range, unit: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Turns numbers of U(0, 1) into draws from a range: low + (high − low) · u.

    Args:
      value: A number, which every draw then is exactly, or a pair (low, high); checked before.
      unit: u, already drawn.

    Returns:
      The draws, of the same shape.
    """
    low, high = value if isinstance(value, tuple | list) else (value, value)
    return low + (high - low) * unit


def ends(
    name: str, value: Range, *, least: Number = -np.inf, most: Number = np.inf
) -> tuple[float, float]:
    """Gives a range as a pair, checked.

    Args:
      name: The parameter's name, for the message.
      value: A number or a pair (low, high), also as an array.
      least: The smallest value that is allowed.
      most: The largest one.

    Returns:
      (low, high).

    Raises:
      ValueError: Not a finite number or a pair of them in [least, most] with low ≤ high.
    """
    if isinstance(value, jax.core.Tracer):
        raise ValueError(f"{name}: expected numbers; of all arguments `strength` may be traced")
    if isinstance(value, jax.Array | np.ndarray):
        value = np.asarray(value).tolist()
    pair = value if isinstance(value, tuple | list) else (value, value)
    numbers = len(pair) == 2 and all(isinstance(end, int | float | np.number) for end in pair)
    if not (numbers and all(map(math.isfinite, pair)) and least <= pair[0] <= pair[1] <= most):
        bounds = " of finite numbers"
        if (least, most) != (-np.inf, np.inf):
            bounds = f" within [{least:g}, {most:g}{']' if math.isfinite(most) else ')'}"
        raise ValueError(
            f"{name}={value!r}: expected a number or a pair (low, high){bounds}, low ≤ high"
        )
    return float(pair[0]), float(pair[1])


def whole_number(name: str, value: int, *, least: int) -> int:
    """Gives a whole number as Python's, checked.

    Args:
      name: The parameter's name, for the message.
      value: The number, NumPy's or Python's.
      least: The smallest value that is allowed.

    Returns:
      The number.

    Raises:
      ValueError: It is no whole number, or below `least`.
    """
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number or value < least:
        raise ValueError(f"{name}={value!r}: expected a whole number ≥ {least}")
    return int(value)


def check_size(size: tuple[int, ...]) -> None:
    """Refuses an image's whole shape where its size is expected.

    Args:
      size: (height, width).

    Raises:
      ValueError: It has more parts, or fewer.
    """
    if len(size) != 2:
        raise ValueError(f"size={tuple(size)}: expected (height, width)")


def check_probability(probability: Number) -> None:
    """Refuses what is no probability.

    Args:
      probability: A number; it is not drawn from a pair.

    Raises:
      ValueError: It is not a number within [0, 1].
    """
    number = isinstance(probability, int | float | np.number)
    if not (number and 0 <= probability <= 1):
        raise ValueError(f"probability={probability!r}: expected a number within [0, 1]")


def fill_of(fill: Number, dtype: DTypeLike) -> Number:
    """Gives a `fill` on the scale of a type of pixels.

    Args:
      fill: A number within [0, 1].
      dtype: Floats, or whole numbers, whose largest is 1; halves are rounded up.

    Returns:
      The number, for floats as it is.

    >>> import numpy as np
    >>> fill_of(0.3, np.float32), fill_of(0.3, np.uint8)
    (0.3, 77)
    """
    if not jnp.issubdtype(dtype, jnp.integer):
        return fill
    return math.floor(fill * jnp.iinfo(dtype).max + 0.5)


def check_fill(fill: Number) -> None:
    """Refuses a `fill` on the scale of 255, and an array: it is compiled in.

    Args:
      fill: A number.

    Raises:
      ValueError: It is no number within [0, 1].
    """
    if isinstance(fill, jax.core.Tracer):
        raise ValueError("fill: expected a number; of all arguments `strength` may be traced")
    if isinstance(fill, jax.Array | np.ndarray):
        raise ValueError(f"fill: expected a number within [0, 1], got an array of {fill.shape}")
    if not (isinstance(fill, int | float | np.number) and 0 <= fill <= 1):
        raise ValueError(f"fill={fill!r}: expected a number within [0, 1]")
