"""Where a sliding window may stand: strides, dilations, padding and output sizes, one per axis.

Everything here is arithmetic on Python integers, done once while a program is traced, except
`pad`, which widens an array.
"""

from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from cnnjax.errors import choose

PADDINGS = ("VALID", "SAME", "CIRCULAR", "REFLECT")

PerAxis = int | Sequence[int]
Padding = str | int | Sequence[tuple[int, int]] | Sequence[Sequence[int]]
Pairs = tuple[tuple[int, int], ...]


def per_axis(name: str, value: PerAxis, axes: int, *, least: int = 1) -> tuple[int, ...]:
    """Returns `value` as one integer for each of `axes` axes.

    Args:
      name: What the value is called, for the error's wording.
      value: An integer for every axis, or a sequence with one for each.
      axes: The number of spatial axes.
      least: The smallest integer that makes sense.

    Returns:
      A tuple of `axes` integers.

    Raises:
      ValueError: The value is no integer, too small, or there are too many or too few of them.

    >>> per_axis("stride", 2, 3)
    (2, 2, 2)
    """
    values = tuple(value) if isinstance(value, Iterable) else (value,) * axes
    whole = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values)
    if not whole or any(v < least for v in values):
        raise ValueError(f"{name}={value!r}: expected an integer ≥ {least}, or one for each axis")
    if len(values) != axes:
        raise ValueError(f"{name}={value}: expected one integer for each of the {axes} axes")
    return tuple(int(v) for v in values)


def span(window: int, dilation: int) -> int:
    """Returns how many pixels a dilated window reaches over, (window − 1)·dilation + 1."""
    return (window - 1) * dilation + 1


def _amounts(size: int, window: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    reach = span(window, dilation)
    if padding == "VALID":
        return 0, 0
    if padding == "SAME":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + reach - size, 0)
    else:
        total = reach - 1
    return total // 2, total - total // 2


def explicit_padding(
    size: PerAxis,
    window: PerAxis,
    *,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    padding: Padding = "VALID",
) -> Pairs:
    """Returns how many pixels a padding adds before and after each axis.

    "VALID" adds none. "SAME" adds the fewest that make the output ⌈size / stride⌉ pixels long, the
    odd one at the end, as in XLA. "CIRCULAR" and "REFLECT" give the same output size but add the
    pixels that a stride of 1 would need, so that a strided result is always every stride-th pixel
    of the unstrided one.

    Args:
      size: Pixels along each axis; an integer means a single axis.
      window: The window's pixels along each axis.
      stride: Steps between windows, in pixels.
      dilation: Steps between a window's own pixels.
      padding: "VALID", "SAME", "CIRCULAR", "REFLECT", an integer for both ends of every axis, or
        one (low, high) pair for each axis.

    Returns:
      One (low, high) pair for each axis.

    Raises:
      ValueError: An argument is out of range, or has the wrong number of axes.
      cnnjax.errors.UserError: The padding's name is unknown.

    >>> explicit_padding((28, 28), 5, padding="SAME")
    ((2, 2), (2, 2))
    >>> explicit_padding(7, 3, stride=2, padding="SAME")
    ((1, 1),)
    """
    sizes = (size,) if isinstance(size, int | np.integer) else tuple(size)
    axes = len(sizes)
    windows = per_axis("window", window, axes)
    strides = per_axis("stride", stride, axes)
    dilations = per_axis("dilation", dilation, axes)
    if isinstance(padding, str):
        choose("padding", padding, PADDINGS)
        every = zip(sizes, windows, strides, dilations, strict=True)
        return tuple(_amounts(*one, padding) for one in every)
    if not isinstance(padding, Iterable):
        both = per_axis("padding", padding, 1, least=0)[0]
        return ((both, both),) * axes
    pairs = tuple(padding)
    if len(pairs) != axes or not all(isinstance(pair, Iterable) for pair in pairs):
        example = ", ".join(["(1, 1)"] * axes) + ("," if axes == 1 else "")
        raise ValueError(
            f"padding={padding}: expected one (low, high) for each of the {axes} axes, "
            f"such as ({example})"
        )
    return tuple(
        (low, high) for low, high in (per_axis("padding", pair, 2, least=0) for pair in pairs)
    )


def output_size(
    size: int, window: int, *, stride: int = 1, padding: Padding = "VALID", dilation: int = 1
) -> int:
    """Returns how many windows fit along one axis.

    o = ⌊(i + p_low + p_high − (k − 1)·d − 1) / s⌋ + 1, for input size i, window k, dilation d and
    stride s; with symmetric padding p and no dilation ⌊(i + 2p − k) / s⌋ + 1.

    Args:
      size: Pixels along the axis.
      window: The window's pixels.
      stride: Pixels between neighbouring windows.
      padding: As in `explicit_padding`; a sequence holds a single (low, high) pair.
      dilation: Pixels between neighbouring pixels of a window.

    Returns:
      The number of windows, at least 1.

    Raises:
      ValueError: An argument is out of range, or not even one window fits.

    Reference: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> output_size(28, 5)
    24
    >>> output_size(28, 3, stride=2, padding=1)
    14
    """
    ((low, high),) = explicit_padding(
        size, window, stride=stride, dilation=dilation, padding=padding
    )
    room = size + low + high - span(window, dilation)
    if room < 0:
        raise ValueError(
            f"window={window}: expected it to fit, but with dilation {dilation} it reaches over "
            f"{span(window, dilation)} pixels of a padded axis of {size + low + high}"
        )
    return room // stride + 1


def pad(
    x: Shaped[Array | np.ndarray, "batch *space channels"],
    pairs: Pairs,
    padding: Padding,
    *,
    fill: float = 0.0,
) -> Shaped[Array, "batch *wider channels"]:
    """Adds `pairs` pixels before and after each spatial axis.

    Args:
      x: Any array with spatial axes between a batch and a channel axis.
      pairs: What `explicit_padding` returned.
      padding: "CIRCULAR" repeats the image, "REFLECT" mirrors it about its border pixels (which are
        not repeated); everything else adds `fill`.
      fill: The value outside the image.

    Returns:
      The wider array.

    Raises:
      ValueError: "REFLECT" asks for more pixels than the image has to mirror.
    """
    x = jnp.asarray(x)
    if not any(low or high for low, high in pairs):
        return x
    amounts = ((0, 0), *pairs, (0, 0))
    padding = padding if isinstance(padding, str) else "pairs"
    if padding == "CIRCULAR":
        return jnp.pad(x, amounts, mode="wrap")
    if padding == "REFLECT":
        for size, (low, high) in zip(x.shape[1:-1], pairs, strict=True):
            if max(low, high) >= size:
                raise ValueError(
                    f"padding='REFLECT': expected an axis longer than the {max(low, high)} pixels "
                    f"that are mirrored, got {size}"
                )
        return jnp.pad(x, amounts, mode="reflect")
    return jnp.pad(x, amounts, constant_values=fill)
