"""Cross-correlation and true convolution in any number of spatial dimensions, by one routine.

XLA's own gradient of a convolution is a convolution too, but one whose axes are permuted in place;
on the CPU, and worst inside a loop's body, that falls to a kernel many times slower than the
forward pass. Here the gradients are written out as ordinary channels-last convolutions, whose
operands are transposed beforehand. The values are the same.

The general form handled by `_correlate`,

    y[o] = Σ_k x̂[o·s + k·d − low] w[k],   x̂ = x with e − 1 zeros between neighbouring pixels,

is closed under its own gradients, so that gradients of gradients are fast as well:

    ∂x[i] = Σ_k ĝ[i·e − k·d + low] w[k]    (stride e, input dilation s, the kernel flipped)
    ∂w[k] = Σ_o x̂[o·s + k·d − low] g[o]    (stride d, kernel dilation s, the batch summed over)
"""

import math
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnnjax.ops.blocking import fold, images_at_once, outputs_at_once, widen
from cnnjax.ops.groups import each_by_itself, group_by_group, in_turn, seen_by_weights
from cnnjax.ops.pixels import in_one_type, single
from cnnjax.ops.windows import Padding, Pairs, PerAxis, explicit_padding, output_size, pad, span
from cnnjax.ops.windows import per_axis as _per_axis


class _Geometry(NamedTuple):
    """Everything static about a correlation; hashable, as custom_vjp wants it."""

    stride: tuple[int, ...]
    padding: Pairs
    input_dilation: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


def _layout(axes: int) -> lax.ConvDimensionNumbers:
    """Batch, space, channels for images; space, in, out for kernels."""
    image = (0, axes + 1, *range(1, axes + 1))
    kernel = (axes + 1, axes, *range(axes))
    return lax.ConvDimensionNumbers(lhs_spec=image, rhs_spec=kernel, out_spec=image)


def _plain(x: Array, kernel: Array, geometry: _Geometry, batch_groups: int = 1) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=geometry.stride,
        padding=geometry.padding,
        lhs_dilation=geometry.input_dilation,
        rhs_dilation=geometry.dilation,
        dimension_numbers=_layout(x.ndim - 2),
        feature_group_count=geometry.groups,
        batch_group_count=batch_groups,
    )


def _is_dense(kernel: Array, geometry: _Geometry) -> bool:
    """Whether each output pixel is a matrix product of the one input pixel in its place."""
    ones = (1,) * (kernel.ndim - 2)
    return (
        kernel.shape[:-2] == ones
        and geometry.stride == geometry.input_dilation == ones
        and geometry.padding == ((0, 0),) * len(ones)
        and geometry.groups == 1
    )


def _blocked(geometry: _Geometry, block: int, size: int, window: int, outputs: int) -> _Geometry:
    """The geometry in which one output stands for `block` neighbours along the last axis."""
    low = geometry.padding[-1][0]
    ends = (-(-outputs // block) * block - 1) * geometry.stride[-1] + span(
        window, geometry.dilation[-1]
    )
    high = ends - low - span(size, geometry.input_dilation[-1])
    return geometry._replace(
        stride=(*geometry.stride[:-1], geometry.stride[-1] * block),
        padding=(*geometry.padding[:-1], (low, high)),
    )


def _block(
    x_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    out_space: tuple[int, ...],
    geometry: _Geometry,
) -> tuple[int, int]:
    """Chooses how many outputs to compute together; returns that and their step in the window."""
    step, rest = divmod(geometry.stride[-1], geometry.dilation[-1])
    if rest:
        return 1, step
    others = x_shape[0] * math.prod(out_space[:-1])
    *_, window, channels, features = kernel_shape
    return outputs_at_once(out_space[-1], others, window, step, channels, features), step


def _out_space(
    size: tuple[int, ...], window: tuple[int, ...], geometry: _Geometry
) -> tuple[int, ...]:
    every = zip(size, window, *geometry[:4], strict=True)
    return tuple(
        (span(pixels, spread) + low + high - span(taps, dilation)) // step + 1
        for pixels, taps, step, (low, high), spread, dilation in every
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x: Array, kernel: Array, geometry: _Geometry) -> Array:
    size, window = x.shape[1:-1], kernel.shape[:-2]
    out = _out_space(size, window, geometry)
    if each_by_itself(geometry.groups, x.shape[-1], kernel.shape[-1], window):
        met = seen_by_weights(single(x), window, out, *geometry[:4])
        weights = single(kernel.reshape(-1, kernel.shape[-1]))
        total = reduce(jnp.add, (pixels * row for pixels, row in zip(met, weights, strict=True)))
        return total.astype(x.dtype)
    if in_turn(geometry.groups):
        one = geometry._replace(groups=1)
        return group_by_group(lambda x, k: _correlate(x, k, one), geometry.groups, x, kernel)
    block, step = _block(x.shape, kernel.shape, out, geometry)
    if block == 1:
        return _plain(x, kernel, geometry)
    wider = _blocked(geometry, block, size[-1], window[-1], out[-1])
    y = _plain(x, widen(kernel, block, step), wider)
    y = y.reshape(*y.shape[:-2], y.shape[-2] * block, kernel.shape[-1])
    return lax.slice_in_dim(y, 0, out[-1], axis=-2)


def _correlate_forward(
    x: Array, kernel: Array, geometry: _Geometry
) -> tuple[Array, tuple[Array, Array]]:
    return _correlate(x, kernel, geometry), (x, kernel)


def _correlate_backward(
    geometry: _Geometry, residuals: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, kernel = residuals
    return (
        _input_gradient(gradient, kernel, x.shape[1:-1], geometry),
        _kernel_gradient(x, gradient, kernel.shape[:-2], geometry),
    )


_correlate.defvjp(_correlate_forward, _correlate_backward)


def _input_gradient(
    gradient: Array, kernel: Array, size: tuple[int, ...], geometry: _Geometry
) -> Array:
    """The adjoint of the correlation in its input: outputs' gradients to an input of `size`."""
    *window, per_group, features = kernel.shape
    padding = []
    for axis, pixels in enumerate(size):
        reach = span(window[axis], geometry.dilation[axis])
        low = reach - 1 - geometry.padding[axis][0]
        spread = span(gradient.shape[1 + axis], geometry.stride[axis])
        # The end is padded, or cut where windows need not end with the image, to the input's size.
        wanted = span(pixels, geometry.input_dilation[axis]) + reach - 1
        padding.append((low, wanted - low - spread))
    groups = geometry.groups
    flipped = jnp.flip(kernel, tuple(range(len(window))))
    # Within each group the two channel axes change places.
    grouped = flipped.reshape(*window, per_group, groups, features // groups)
    swapped = jnp.moveaxis(grouped, -1, -3).swapaxes(-1, -2)
    back = swapped.reshape(*window, features // groups, groups * per_group)
    return _correlate(
        gradient,
        back,
        _Geometry(
            stride=geometry.input_dilation,
            padding=tuple(padding),
            input_dilation=geometry.stride,
            dilation=geometry.dilation,
            groups=groups,
        ),
    )


def _kernel_gradient(
    x: Array, gradient: Array, window: tuple[int, ...], geometry: _Geometry
) -> Array:
    """The gradient of shared weights, summed over the batch and over every position."""
    count, channels, features = geometry.groups, x.shape[-1], gradient.shape[-1]
    if each_by_itself(count, channels, features, window):
        met = seen_by_weights(x, window, gradient.shape[1:-1], *geometry[:4])
        axes = tuple(range(gradient.ndim - 1))
        exact = single(gradient)
        sums = jnp.stack([jnp.sum(pixels * exact, axes) for pixels in met])
        return sums.reshape(*window, 1, features).astype(x.dtype)
    if in_turn(count):
        one = geometry._replace(groups=1)
        return group_by_group(lambda x, g: _kernel_gradient(x, g, window, one), count, x, gradient)
    images = images_at_once(len(x), x.size + gradient.size)
    if images == len(x):
        return _gradient_at_once(x, gradient, window, geometry)

    # A part of the sum may leave half precision where the whole does not.
    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        x, gradient = map(single, part)
        return total + _gradient_at_once(x, gradient, window, geometry), None

    zero = jnp.zeros((*window, x.shape[-1] // geometry.groups, gradient.shape[-1]), x.dtype)
    cut = lambda array: array.reshape(-1, images, *array.shape[1:])  # noqa: E731
    return lax.scan(add, single(zero), (cut(x), cut(gradient)))[0].astype(x.dtype)


def _gradient_at_once(
    x: Array, gradient: Array, window: tuple[int, ...], geometry: _Geometry
) -> Array:
    """The kernel's gradient, of a batch that is not cut into parts."""
    *out, features = gradient.shape[1:]
    # The windows of the kernel's gradient are as many as the kernel has pixels, and as large as the
    # image: what is copied for each is the batch, in the channels' place.
    block, step = _block(x.shape, (*window, x.shape[0], features), tuple(out), geometry)
    if block == 1:
        return _summed(x, gradient, window, geometry)
    missing = -out[-1] % block
    exact = single(gradient)
    whole = lax.pad(
        exact,
        jnp.zeros((), exact.dtype),
        [(0, missing if axis == gradient.ndim - 2 else 0, 0) for axis in range(gradient.ndim)],
    )
    together = whole.reshape(*whole.shape[:-2], -1, block * features)
    wider = _blocked(geometry, block, x.shape[-2], window[-1], out[-1])
    wide_window = (*window[:-1], window[-1] + (block - 1) * step)
    # The copies are parts of one sum: half precision may not hold each of them.
    return fold(_summed(single(x), together, wide_window, wider), block, step).astype(x.dtype)


def _summed(x: Array, gradient: Array, window: tuple[int, ...], geometry: _Geometry) -> Array:
    """The kernel's gradient as one correlation of the image with the outputs' gradient."""
    axes = len(window)
    padding = []
    for axis, pixels in enumerate(window):
        low = geometry.padding[axis][0]
        reach = span(gradient.shape[1 + axis], geometry.stride[axis])
        spread = span(x.shape[1 + axis], geometry.input_dilation[axis])
        # The end is padded, or cut, so that exactly the kernel's own size comes out.
        padding.append((low, span(pixels, geometry.dilation[axis]) - 1 + reach - low - spread))
    # The batch is what is summed over, so it takes the place of the channels.
    image = x.transpose(axes + 1, *range(1, axes + 1), 0)
    filters = gradient.transpose(*range(1, axes + 1), 0, axes + 1)
    transposed = _Geometry(
        stride=geometry.dilation,
        padding=tuple(padding),
        input_dilation=geometry.input_dilation,
        dilation=geometry.stride,
    )
    if geometry.groups == 1:
        result = _correlate(image, filters, transposed)
    else:
        # Each group of input channels meets its own outputs only: XLA calls that batch groups,
        # which `_correlate` does not carry, so a second derivative here is XLA's own.
        result = _plain(image, filters, transposed, batch_groups=geometry.groups)
    return jnp.moveaxis(result, 0, -2)


def _check(
    x: Array, kernel: Array, stride: PerAxis, dilation: PerAxis, groups: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Checks what all forms share; returns stride and dilation with one integer for each axis."""
    axes = kernel.ndim - 2
    if axes < 1:
        raise ValueError(f"kernel.shape={kernel.shape}: expected (*window, in // groups, out)")
    if x.ndim != kernel.ndim:
        raise ValueError(
            f"x.shape={x.shape}: expected (batch, *space, channels) with the {axes} spatial axes "
            f"of the kernel {kernel.shape}"
        )
    _per_axis("groups", groups, 1)
    if kernel.shape[-1] % groups:
        raise ValueError(f"groups={groups}: expected a divisor of the {kernel.shape[-1]} features")
    return _per_axis("stride", stride, axes), _per_axis("dilation", dilation, axes)


def cross_correlate(
    x: Float[Array | np.ndarray, "batch *space channels"],
    kernel: Float[Array | np.ndarray, "*window per_group features"],
    *,
    stride: PerAxis = 1,
    padding: Padding = "VALID",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Float[Array, "batch *out features"]:
    """Slides a kernel over images: what networks call convolution.

    y[b, o, f] = Σ_k Σ_c x[b, o·stride + k·dilation − low, c] · kernel[k, c, f], for positions o and
    k with any number of spatial axes; pixels outside the image are what `padding` says.

    All values are to be finite: on the CPU several outputs may be computed together, with weights
    of zero between them, and zero times infinity is no number.

    The reverse-mode gradient is this module's own (fast on the CPU, also inside `lax.scan` and
    `lax.map`, of any order) and works under `jit` and `vmap`. Forward mode (`jax.jvp`,
    `jax.linearize`) is not available, except for 1×1 kernels, as for every `jax.custom_vjp`.

    Args:
      x: Images or signals, channels last.
      kernel: One window for each pair of an input channel (of the group) and an output feature.
      stride: Pixels between neighbouring outputs, for all axes or one for each.
      padding: "VALID", "SAME" (zeros), "CIRCULAR", "REFLECT", an integer number of zeros at both
        ends, or one (low, high) pair for each axis; see `explicit_padding`.
      dilation: Pixels between neighbouring pixels of the window.
      groups: The channels and the features are cut into this many parts that do not meet.

    Returns:
      The features at each position; sizes as `output_size` says, in the promoted type of both.

    Raises:
      ValueError: Shapes do not fit each other, or an argument is out of range.

    Reference: LeCun et al., Gradient-based learning applied to document recognition, 1998.

    >>> import numpy as np
    >>> signal = np.array([0, 0, 0, 0, 1, 2, 3, 3], np.float32).reshape(1, 8, 1)
    >>> edge = np.array([-1, 1], np.float32).reshape(2, 1, 1)
    >>> cross_correlate(signal, edge).ravel().tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    """
    x, kernel = in_one_type(x, kernel)
    strides, dilations = _check(x, kernel, stride, dilation, groups)
    if x.shape[-1] != kernel.shape[-2] * groups:
        raise ValueError(
            f"kernel.shape={kernel.shape}: expected in // groups = {x.shape[-1]} // {groups} "
            "in its last axis but one"
        )
    window, space = kernel.shape[:-2], x.shape[1:-1]
    pairs = explicit_padding(space, window, stride=strides, dilation=dilations, padding=padding)
    for size, pixels, step, spread, pair in zip(
        space, window, strides, dilations, pairs, strict=True
    ):
        output_size(size, pixels, stride=step, padding=(pair,), dilation=spread)
    if isinstance(padding, str) and padding in ("CIRCULAR", "REFLECT"):
        x, pairs = pad(x, pairs, padding), ((0, 0),) * len(space)
    geometry = _Geometry(strides, pairs, (1,) * len(space), dilations, groups)
    if _is_dense(kernel, geometry):
        # A product of matrices is several times faster, and so is its gradient.
        return x @ kernel.reshape(kernel.shape[-2:])
    return _correlate(x, kernel, geometry)


def convolve(
    x: Float[Array | np.ndarray, "batch *space channels"],
    kernel: Float[Array | np.ndarray, "*window per_group features"],
    *,
    stride: PerAxis = 1,
    padding: Padding = "VALID",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Float[Array, "batch *out features"]:
    """Convolves in the mathematician's sense: `cross_correlate` with the kernel flipped over space.

    y[b, o, f] = Σ_k Σ_c x[b, o·stride + (K − 1 − k)·dilation − low, c] · kernel[k, c, f].

    Args:
      x: Images or signals, channels last.
      kernel: As in `cross_correlate`, before the flip.
      stride: As in `cross_correlate`.
      padding: As in `cross_correlate`.
      dilation: As in `cross_correlate`.
      groups: As in `cross_correlate`.

    Returns:
      As `cross_correlate`.

    Raises:
      ValueError: Shapes do not fit each other, or an argument is out of range.

    >>> import numpy as np
    >>> impulse = np.array([0, 1, 0], np.float32).reshape(1, 3, 1)
    >>> kernel = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)
    >>> convolve(impulse, kernel, padding="SAME").ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    flipped = jnp.flip(jnp.asarray(kernel), tuple(range(kernel.ndim - 2)))
    return cross_correlate(
        x, flipped, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def depthwise_cross_correlate(
    x: Float[Array | np.ndarray, "batch *space channels"],
    kernel: Float[Array | np.ndarray, "*window 1 features"],
    *,
    stride: PerAxis = 1,
    padding: Padding = "VALID",
    dilation: PerAxis = 1,
) -> Float[Array, "batch *out features"]:
    """Slides kernels over each channel by itself: `cross_correlate` with a group for each channel.

    Args:
      x: Images or signals, channels last.
      kernel: (*window, 1, channels·multiplier); features c·multiplier … belong to channel c.
      stride: As in `cross_correlate`.
      padding: As in `cross_correlate`.
      dilation: As in `cross_correlate`.

    Returns:
      As `cross_correlate`, with channels·multiplier features.

    Raises:
      ValueError: Shapes do not fit each other, or an argument is out of range.

    >>> import numpy as np
    >>> x = np.ones((1, 4, 4, 2), np.float32)
    >>> depthwise_cross_correlate(x, np.ones((3, 3, 1, 2), np.float32)).shape
    (1, 2, 2, 2)
    """
    return cross_correlate(
        x, kernel, stride=stride, padding=padding, dilation=dilation, groups=x.shape[-1]
    )


def transposed_convolve(
    x: Float[Array | np.ndarray, "batch *space channels"],
    kernel: Float[Array | np.ndarray, "*window per_group features"],
    *,
    stride: PerAxis = 1,
    padding: Padding = "VALID",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Float[Array, "batch *out outputs"]:
    """Applies the adjoint of a cross-correlation: each input pixel paints its kernel.

    ⟨transposed_convolve(y, k), x⟩ = ⟨y, cross_correlate(x, k)⟩ with the same keywords, for every x
    of the output's size. That size, for k_span = (k − 1)·dilation + 1, is

    - "VALID", integers and pairs: (i − 1)·stride + k_span − low − high, the smallest size whose
      cross-correlation has i outputs;
    - "SAME", "CIRCULAR" and "REFLECT": i·stride.

    It is `lax.conv_transpose(…, transpose_kernel=True)`, save that the latter adds zeros at the end
    where "VALID" meets a stride larger than the window. Gradients are as in `cross_correlate`.

    Args:
      x: Images or signals, channels last; as many channels as the kernel has features.
      kernel: (*window, outputs // groups, channels), as the adjoint cross-correlation takes it.
      stride: How many output pixels an input pixel's step is, for all axes or one for each.
      padding: That of the cross-correlation; what it would have padded is cut off here.
      dilation: Pixels between neighbouring pixels of the window.
      groups: The channels and the outputs are cut into this many parts that do not meet.

    Returns:
      The painted image.

    Raises:
      ValueError: Shapes do not fit each other, or an argument is out of range.

    Reference: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import numpy as np
    >>> pixels = np.array([1, 2], np.float32).reshape(1, 2, 1)
    >>> brush = np.array([1, 10, 100], np.float32).reshape(3, 1, 1)
    >>> transposed_convolve(pixels, brush, stride=2).ravel().tolist()
    [1.0, 10.0, 102.0, 20.0, 200.0]
    """
    x, kernel = in_one_type(x, kernel)
    strides, dilations = _check(x, kernel, stride, dilation, groups)
    if x.shape[-1] != kernel.shape[-1]:
        raise ValueError(
            f"kernel.shape={kernel.shape}: expected x's {x.shape[-1]} channels in its last axis"
        )
    window, space = kernel.shape[:-2], x.shape[1:-1]
    wide = tuple(size * step for size, step in zip(space, strides, strict=True))
    pairs = explicit_padding(wide, window, stride=strides, dilation=dilations, padding=padding)
    if not isinstance(padding, str) or padding == "VALID":
        wide = tuple(
            (size - 1) * step + span(pixels, spread) - low - high
            for size, step, pixels, spread, (low, high) in zip(
                space, strides, window, dilations, pairs, strict=True
            )
        )
        if min(wide) < 1:
            raise ValueError(f"padding={padding}: expected less than the painted size, got {wide}")
    around = isinstance(padding, str) and padding in ("CIRCULAR", "REFLECT")
    inner = ((0, 0),) * len(space) if around else pairs
    geometry = _Geometry(strides, inner, (1,) * len(space), dilations, groups)
    if not around:
        return _input_gradient(x, kernel, wide, geometry)
    padded = tuple(size + low + high for size, (low, high) in zip(wide, pairs, strict=True))
    painted = _input_gradient(x, kernel, padded, geometry)
    # What was painted beyond the border goes back to the pixels that the padding was copied from.
    image = jax.ShapeDtypeStruct((x.shape[0], *wide, painted.shape[-1]), x.dtype)
    (folded,) = jax.linear_transpose(lambda image: pad(image, pairs, padding), image)(painted)
    return folded
