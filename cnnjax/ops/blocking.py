"""Several neighbouring outputs at once, and not too many images, for the CPU's sake.

The CPU's convolution copies every output's window into a row of a matrix and multiplies that matrix
by the kernel. With few features, as in the first layers of small networks, the copying costs more
than the multiplying, and the vector units run half empty. So r neighbours of a row are computed as
one output with r times the features: their windows overlap, so one slightly wider window is copied
instead of r, and the kernel, shifted r times, fills the lanes. The values are the same up to
rounding. A whole LeNet-5 step on two cores gained 1.4 to 2 times.

Every weight's gradient reads the whole batch, which does not stay in the cache where it is large.
So it is summed over parts of the batch, one after the other: for 64 to 128 channels of 16×16 to
32×32 pixels and 128 images this took half the time or less.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

# Fitted to measurements on x86 with vectors of 16 floats. The unit is a multiply–add of one lane;
# for each pixel and channel of a window there is also the copy, which cannot be vectorised over few
# channels, and for each weight of a widened kernel the writing of it.
LANES = 16
_COPY, _COPY_FEW, _FEW = 30, 80, 8
_WIDEN = 30
# A block must promise this much before it is worth its extra code.
_GAIN = 1.25

# So many numbers (4 MB of float32) stay in the cache, or are given anew without being felt.
CACHED = 2**20
# More are worth cutting into parts, of at most so many images; fewer than the least would leave the
# vector units half empty.
_MOST_IMAGES, _LEAST_IMAGES = 32, 8


def outputs_at_once(
    outputs: int, others: int, window: int, step: int, channels: int, features: int
) -> int:
    """Returns how many neighbouring outputs to compute together; 1 means none.

    Args:
      outputs: Outputs along the blocked axis.
      others: Outputs along all other axes and the batch, multiplied.
      window: The kernel's pixels along the blocked axis.
      step: Pixels of the window by which neighbouring outputs differ.
      channels: Input channels.
      features: Output features.
    """
    # Other backends have their own ways, and would only do more arithmetic.
    if jax.default_backend() != "cpu" or outputs == 0 or others == 0:
        return 1
    copy = _COPY_FEW if channels < _FEW else _COPY

    def cost(block: int) -> int:
        lanes = math.ceil(block * features / LANES) * LANES
        positions = math.ceil(outputs / block) * others
        widen = _WIDEN * block * features if block > 1 else 0
        return (window + (block - 1) * step) * (positions * (lanes + copy) + widen)

    best = min(range(1, min(outputs, 3 * LANES // max(features, 1), 16) + 1), key=cost, default=1)
    return best if cost(1) > _GAIN * cost(best) else 1


def images_at_once(batch: int, numbers: int) -> int:
    """Returns how many images to sum a kernel's gradient over at once: a divisor of the batch.

    Args:
      batch: The images.
      numbers: The size of the images and of their outputs' gradients together.
    """
    if jax.default_backend() != "cpu" or numbers <= CACHED:
        return batch
    most = max(part for part in range(1, min(batch, _MOST_IMAGES) + 1) if batch % part == 0)
    return most if most >= _LEAST_IMAGES else batch


def widen(kernel: Array, block: int, step: int) -> Array:
    """Lays `block` copies of a kernel side by side, each `step` pixels further along the last axis.

    Args:
      kernel: (*window, channels, features).
      block: How many outputs are computed together.
      step: Pixels of the window by which neighbouring outputs differ.

    Returns:
      (*window but last, window + (block − 1)·step, channels, block·features).
    """
    axis = kernel.ndim - 3
    shifted = []
    for index in range(block):
        amounts = [(0, 0)] * kernel.ndim
        amounts[axis] = (index * step, (block - 1 - index) * step)
        shifted.append(jnp.pad(kernel, amounts))
    return jnp.concatenate(shifted, -1)


def fold(wide: Array, block: int, step: int) -> Array:
    """The adjoint of `widen`: adds the copies up where each weight came from."""
    axis = wide.ndim - 3
    features = wide.shape[-1] // block
    window = wide.shape[axis] - (block - 1) * step
    total = jnp.zeros((), wide.dtype)
    for index in range(block):
        copy = jax.lax.slice_in_dim(wide, index * features, (index + 1) * features, axis=-1)
        total += jax.lax.slice_in_dim(copy, index * step, index * step + window, axis=axis)
    return total
