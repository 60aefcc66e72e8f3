"""Between pixels as they are stored, as they are computed with, and as they are counted."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, Num, Shaped, UInt32


def unit(images: Shaped[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Gives pixels as floats in [0, 1]; signals, which are stored as floats, keep their values.

    Args:
      images: uint8 pixels in 0..255, booleans, or floats.

    Returns:
      float32 of the same shape.

    Raises:
      ValueError: Whole numbers of another type, of which nobody knows what white is.

    >>> import numpy as np
    >>> from cnnjax.ops import unit
    >>> unit(np.array([0, 255], np.uint8)).tolist()
    [0.0, 1.0]
    """
    if images.dtype == np.uint8:
        return jnp.asarray(images, jnp.float32) / 255.0
    if jnp.issubdtype(images.dtype, jnp.integer):
        raise ValueError(f"pixels of type {images.dtype}: expected uint8, booleans or floats")
    return jnp.asarray(images, jnp.float32)


def as_pixels(
    values: Float[Array | np.ndarray, "*shape"] | float, dtype: DTypeLike
) -> Shaped[Array, "*shape"]:
    """Gives values in [0, 1] as pixels of a type: round(255 · v) as bytes, the value as a float.

    Args:
      values: Floats; bytes cannot hold what is outside [0, 1], which is clipped.
      dtype: uint8, or a type of floats.

    Returns:
      The pixels.

    >>> import numpy as np
    >>> from cnnjax.ops import unit
    >>> from cnnjax.ops.pixels import as_pixels
    >>> pixels = as_pixels(unit(np.array([0, 7, 255], np.uint8)) / 2, np.uint8)
    >>> pixels.tolist(), pixels.dtype
    ([0, 4, 128], dtype('uint8'))
    """
    if dtype != np.uint8:
        return jnp.asarray(values, dtype)
    levels = 255 * jnp.clip(single(jnp.asarray(values)), 0, 1)
    # Whole by `whole`, for an ordinary conversion takes up to half of the time of brightening.
    return whole(jnp.floor(levels + 0.5)).astype(np.uint8)


def clipped(
    values: Float[Array | np.ndarray, "*shape"], dtype: DTypeLike
) -> Shaped[Array, "*shape"]:
    """Gives values as pixels of a type, and those beyond [0, 1] as its ends.

    Bytes are clipped as they are rounded; once more before would take a fifth of the time of a
    change of brightness.

    Args:
      values: Floats.
      dtype: uint8, or a type of floats.

    Returns:
      The pixels.

    >>> import numpy as np
    >>> from cnnjax.ops.pixels import clipped
    >>> clipped(np.array([-1.0, 0.5, 2.0]), np.float32).tolist()
    [0.0, 0.5, 1.0]
    """
    return as_pixels(values if dtype == np.uint8 else jnp.clip(values, 0, 1), dtype)


def floats(
    values: Shaped[Array | np.ndarray, "*shape"], name: str = "image"
) -> Float[Array, "*shape"]:
    """Gives floats as they are; whole numbers would be cut off at 1, or wrap round.

    Args:
      values: Floats of any precision.
      name: What they are called, for the error's wording.

    Returns:
      The same.

    Raises:
      ValueError: They are not floats.
    """
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        raise ValueError(f"{name} of type {values.dtype}: expected floats; `ops.unit` makes them")
    return values


def in_one_type(
    one: Num[Array | np.ndarray, "*shape"], other: Num[Array | np.ndarray, "*others"]
) -> tuple[Num[Array, "*shape"], Num[Array, "*others"]]:
    """Gives two arrays in the type of their products, which must hold sums of these.

    Args:
      one: Numbers.
      other: Numbers.

    Returns:
      Both, in their common type.

    Raises:
      ValueError: That type has fewer than 32 bits and no exponent: sums would wrap round.
    """
    dtype = jnp.result_type(one, other)
    if not jnp.issubdtype(dtype, jnp.inexact) and dtype.itemsize < 4:
        hint = "; `ops.unit` makes them" if dtype == np.uint8 else ""
        raise ValueError(
            f"arrays of type {dtype}: expected floats, since sums would overflow{hint}"
        )
    return jnp.asarray(one, dtype), jnp.asarray(other, dtype)


def single(values: Float[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Gives floats in single precision at least, for sums that half precision cannot hold.

    Args:
      values: Floats of any precision.

    Returns:
      The same values, in float32 where they were less.

    >>> import numpy as np
    >>> single(np.ones(2, np.float16)).dtype, single(np.ones(2, np.float32)).dtype
    (dtype('float32'), dtype('float32'))
    """
    values = jnp.asarray(values)
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def whole(values: Float[Array | np.ndarray, "*shape"]) -> UInt32[Array, "*shape"]:
    """Gives whole numbers as unsigned integers: the mantissa of 2²³ + v.

    An ordinary conversion also looks for what does not fit, and an index with a sign is asked
    whether it counts from the end: without both, reading between pixels takes an eighth less time
    on a CPU.

    Args:
      values: Whole numbers from 0 to 2²³ − 1; others give nonsense.

    Returns:
      The same numbers.

    >>> import jax.numpy as jnp
    >>> from cnnjax.ops.pixels import whole
    >>> whole(jnp.array([0.0, 5.0, 8_388_607.0])).tolist()
    [0, 5, 8388607]
    """
    shifted = jnp.asarray(values, jnp.float32) + 2.0**23
    return jax.lax.bitcast_convert_type(shifted, jnp.uint32) & jnp.uint32(2**23 - 1)
