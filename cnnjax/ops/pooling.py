"""Pooling: the maximum, mean or length of each window, from strided slices of the image.

A slice holds what all windows see at one of their pixels; a few of them fuse into one loop. XLA's
own gradient of a maximum over windows (select_and_scatter) is the slowest operation of a small
network on the CPU. All of these pools are separable, so a large window is done one axis after the
other and costs the sum of its sides instead of their product.
"""

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnnjax.ops.blocking import CACHED, LANES
from cnnjax.ops.pixels import floats, single
from cnnjax.ops.windows import (
    Padding,
    Pairs,
    PerAxis,
    explicit_padding,
    output_size,
    pad,
    per_axis,
    span,
)


def strided_slices(x: Array, axis: int, window: int, stride: int) -> list[Array]:
    """Returns, for each pixel of a window, what all windows along `axis` see there."""
    outputs = (x.shape[axis] - window) // stride + 1
    last = (outputs - 1) * stride + 1
    return [lax.slice_in_dim(x, first, first + last, stride, axis) for first in range(window)]


class _Window(NamedTuple):
    """The axes that are pooled at the same time; hashable, as custom_vjp wants it."""

    axes: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]


def _seen(x: Array, over: _Window) -> list[Array]:
    """What all windows see at each of their pixels, in reading order."""
    parts = [x]
    for axis, window, stride in zip(*over, strict=True):
        parts = [seen for part in parts for seen in strided_slices(part, axis, window, stride)]
    return parts


def _side_by_side(winner: Array, gradient: Array, over: _Window, shape: tuple[int, ...]) -> Array:
    """Gives each window's gradient to its winner, where windows neither overlap nor leave gaps."""
    # Behind each axis of windows one of the window's own pixels.
    own = [place + axis + 1 for place, axis in enumerate(over.axes)]
    others = [axis for axis in range(winner.ndim + len(own)) if axis not in own]
    numbers = np.expand_dims(np.arange(math.prod(over.window)).reshape(over.window), others)
    won = jnp.expand_dims(winner, own) == numbers
    tiled = [
        count * dict(zip(over.axes, over.window, strict=True)).get(axis, 1)
        for axis, count in enumerate(winner.shape)
    ]
    whole = jnp.where(won, jnp.expand_dims(gradient, own), 0).reshape(tiled)
    return jnp.pad(whole, [(0, size - tile) for size, tile in zip(shape, tiled, strict=True)])


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _maximum(x: Array, over: _Window) -> Array:
    return reduce(jnp.maximum, _seen(x, over))


def _maximum_forward(x: Array, over: _Window) -> tuple[Array, tuple[Array, Array]]:
    largest = _maximum(x, over)
    return largest, (x, largest)


def _maximum_backward(
    over: _Window, residuals: tuple[Array, Array], gradient: Array
) -> tuple[Array]:
    x, largest = residuals
    winner = jnp.full(largest.shape, -1, jnp.int32)  # none, where the maximum is NaN
    for number, seen in reversed(list(enumerate(_seen(x, over)))):
        winner = jnp.where(seen == largest, number, winner)
    winner = lax.optimization_barrier(winner)  # not worked out anew for every pixel of a window
    # Windows that lie side by side hand out their gradients themselves where channels fill the
    # vectors, or where spreading them, as below, would take much memory at each call.
    if over.window == over.stride and (x.shape[-1] >= LANES or x.size > CACHED):
        return (_side_by_side(winner, gradient, over, x.shape),)
    # Pixels ask the windows they lie in, rather than windows adding to their pixels: once windows
    # are spread to where they start, what is asked lies in slices again, in one loop.
    spread = [(0, 0, 0)] * x.ndim
    for axis, window, stride in zip(*over, strict=True):
        reach = span(largest.shape[axis], stride)
        spread[axis] = (window - 1, x.shape[axis] - reach, stride - 1)
    winners = lax.pad(winner, jnp.int32(-1), spread)
    gradients = lax.pad(gradient, jnp.zeros((), gradient.dtype), spread)
    around = over._replace(stride=(1,) * len(over.stride))
    asked = zip(_seen(winners, around), _seen(gradients, around), strict=True)
    # The window that starts at a pixel sees it first and comes last in the slices.
    parts = [
        jnp.where(theirs == number, share, 0)
        for number, (theirs, share) in enumerate(reversed(list(asked)))
    ]
    for window in reversed(over.window):
        parts = [reduce(jnp.add, parts[i : i + window]) for i in range(0, len(parts), window)]
    return (parts[0],)


_maximum.defvjp(_maximum_forward, _maximum_backward)


def _total(x: Array, over: _Window) -> Array:
    return reduce(jnp.add, _seen(x, over))


# Up to 3×3 pixels, all axes at once are faster than one after the other.
_AT_ONCE = 9


def _over_windows(
    pool: Callable[[Array, _Window], Array],
    x: Array,
    window: tuple[int, ...],
    stride: tuple[int, ...],
) -> Array:
    axes = tuple(range(1, len(window) + 1))
    if math.prod(window) <= _AT_ONCE:
        return pool(x, _Window(axes, window, stride))
    # The last axis first: the first winner along each axis in turn is then the first one of the
    # whole window in reading order, which is the one that XLA's own gradient picks.
    for axis, pixels, step in reversed(list(zip(axes, window, stride, strict=True))):
        x = pool(x, _Window((axis,), (pixels,), (step,)))
    return x


def prepare(
    x: Array, window: PerAxis, stride: PerAxis | None, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...], Pairs]:
    """Checks a pool's arguments; returns window, stride and padding, one entry for each axis."""
    axes = x.ndim - 2
    if axes < 1:
        raise ValueError(f"x.shape={x.shape}: expected (batch, *space, channels)")
    windows = per_axis("window", window, axes)
    strides = windows if stride is None else per_axis("stride", stride, axes)
    pairs = explicit_padding(x.shape[1:-1], windows, stride=strides, dilation=1, padding=padding)
    for size, pixels, step, pair in zip(x.shape[1:-1], windows, strides, pairs, strict=True):
        output_size(size, pixels, stride=step, padding=(pair,))
    return windows, strides, pairs


def max_pool(
    x: Float[Array | np.ndarray, "batch *space channels"],
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out channels"]:
    """Keeps the largest pixel of each window.

    The gradient goes to the winner alone; among equals, to the first in reading order. It is exact
    and of reverse mode only (a `jax.custom_vjp`); a window with a NaN gives NaN and no gradient.

    Args:
      x: Images or signals, channels last.
      window: The window's pixels, for all axes or one for each.
      stride: Pixels between neighbouring windows; None stands for `window`.
      padding: As in `cross_correlate`, but zeros are −∞ here: pixels outside never win.

    Returns:
      The maxima; sizes as `output_size` says.

    Raises:
      ValueError: An argument is out of range, or no window fits.

    >>> import numpy as np
    >>> max_pool(np.array([1, 3, 2, 2], np.float32).reshape(1, 4, 1), 2).ravel().tolist()
    [3.0, 2.0]
    """
    x = floats(x, "x")
    windows, strides, pairs = prepare(x, window, stride, padding)
    wide = pad(x, pairs, padding, fill=-np.inf)
    return _over_windows(_maximum, wide, windows, strides)


def _counts(
    size: int, window: int, stride: int, pair: tuple[int, int], padding: Padding
) -> np.ndarray:
    """How many of each window's pixels are the image's own, along one axis."""
    low, high = pair
    outputs = (size + low + high - window) // stride + 1
    if isinstance(padding, str) and padding in ("CIRCULAR", "REFLECT"):
        return np.full(outputs, window)
    start = np.arange(outputs) * stride - low
    inside = np.minimum(start + window, size) - np.maximum(start, 0)
    # A window wholly outside sums to 0, and its mean is 0.
    return np.maximum(inside, 1)


def average_pool(
    x: Float[Array | np.ndarray, "batch *space channels"],
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out channels"]:
    """Takes the mean of each window.

    Zero padding does not count: at the borders the mean is that of the pixels that are there, so a
    constant image stays what it is. (It is `flax.linen.avg_pool(…, count_include_pad=False)`.)

    Args:
      x: Images or signals, channels last.
      window: The window's pixels, for all axes or one for each.
      stride: Pixels between neighbouring windows; None stands for `window`.
      padding: As in `cross_correlate`.

    Returns:
      The means; sizes as `output_size` says.

    Raises:
      ValueError: An argument is out of range, or no window fits.

    >>> import numpy as np
    >>> average_pool(np.array([1, 3, 2, 2], np.float32).reshape(1, 4, 1), 2).ravel().tolist()
    [2.0, 2.0]
    """
    x = floats(x, "x")
    windows, strides, pairs = prepare(x, window, stride, padding)
    total = _over_windows(_total, pad(single(x), pairs, padding), windows, strides)
    space = x.shape[1:-1]
    every = (
        _counts(size, pixels, step, pair, padding)
        for size, pixels, step, pair in zip(space, windows, strides, pairs, strict=True)
    )
    share = 1 / reduce(np.multiply.outer, every)
    return (total * jnp.asarray(share[..., None], total.dtype)).astype(x.dtype)


def l2_pool(
    x: Float[Array | np.ndarray, "batch *space channels"],
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out channels"]:
    """Takes the Euclidean length of each window, √Σ x².

    The gradient x / √Σ x² has no limit where a window is all zeros; it is 0 there.

    Args:
      x: Images or signals, channels last.
      window: The window's pixels, for all axes or one for each.
      stride: Pixels between neighbouring windows; None stands for `window`.
      padding: As in `cross_correlate`.

    Returns:
      The lengths; sizes as `output_size` says.

    Raises:
      ValueError: An argument is out of range, or no window fits.

    Reference: Sermanet, Chintala and LeCun, Convolutional neural networks applied to house numbers
    digit classification, 2012 (Lp pooling with p = 2, an unweighted window).

    >>> import numpy as np
    >>> l2_pool(np.array([3, 4, 0, 0], np.float32).reshape(1, 4, 1), 2).ravel().tolist()
    [5.0, 0.0]
    """
    x = floats(x, "x")
    windows, strides, pairs = prepare(x, window, stride, padding)
    total = _over_windows(_total, jnp.square(pad(single(x), pairs, padding)), windows, strides)
    # The square root is kept away from 0, where its slope is infinite, on both sides of the choice.
    positive = total > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, total, 1)), 0).astype(x.dtype)


def subsample(
    x: Float[Array | np.ndarray, "batch *space channels"],
    coefficient: Float[Array | np.ndarray, " channels"],
    bias: Float[Array | np.ndarray, " channels"],
    *,
    window: PerAxis,
) -> Float[Array, "batch *out channels"]:
    """LeNet-5's pooling: coefficient · (sum of each window) + bias, one of each per channel.

    Args:
      x: Images or signals, channels last.
      coefficient: What the sums are multiplied by.
      bias: What is added.
      window: The window's pixels, which are also its stride, for all axes or one for each.

    Returns:
      One number for each window and channel.

    Raises:
      ValueError: The window does not fit.

    Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document
    recognition, 1998, section II.B.

    >>> import numpy as np
    >>> signal = np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1)
    >>> subsample(signal, np.array([0.5]), np.array([1.0]), window=2).ravel().tolist()
    [2.5, 4.5]
    """
    elements = math.prod(per_axis("window", window, x.ndim - 2))
    total = elements * average_pool(jnp.asarray(x), window)
    return jnp.asarray(coefficient) * total + jnp.asarray(bias)


def global_average_pool(
    x: Float[Array | np.ndarray, "batch *space channels"],
) -> Float[Array, "batch channels"]:
    """Takes the mean over all positions, y[b, c] = (1 / positions) · Σ_p x[b, p, c].

    Args:
      x: Images or signals, channels last, with at least one spatial axis.

    Returns:
      One number for each image and channel.

    Raises:
      ValueError: There is no spatial axis, or one of size 0.

    Reference: Lin, Chen and Yan, Network in network, 2013.

    >>> import numpy as np
    >>> global_average_pool(np.array([1, 2, 6], np.float32).reshape(1, 3, 1)).tolist()
    [[3.0]]
    """
    return jnp.mean(jnp.asarray(x), _spatial_axes(x))


def global_max_pool(
    x: Float[Array | np.ndarray, "batch *space channels"],
) -> Float[Array, "batch channels"]:
    """Takes the largest value over all positions, y[b, c] = max_p x[b, p, c].

    Of equals the first in row-major order takes the gradient, as in `max_pool`.

    Args:
      x: Images or signals, channels last, with at least one spatial axis.

    Returns:
      One number for each image and channel.

    Raises:
      ValueError: There is no spatial axis, or one of size 0.
    """
    x = jnp.asarray(x)
    flat = x.reshape(x.shape[0], math.prod(x.shape[a] for a in _spatial_axes(x)), x.shape[-1])
    return jnp.take_along_axis(flat, jnp.argmax(flat, axis=1, keepdims=True), axis=1)[:, 0]


def _spatial_axes(x: Array | np.ndarray) -> tuple[int, ...]:
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ValueError(f"x.shape={x.shape}: expected (batch, *space, channels), no space empty")
    return tuple(range(1, x.ndim - 1))
