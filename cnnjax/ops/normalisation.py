"""Local normalisations: each activation measured against its neighbours'."""

from collections.abc import Sequence
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.ops.pixels import floats, single
from cnnjax.ops.pooling import strided_slices
from cnnjax.ops.windows import Pairs, PerAxis, pad, per_axis


def local_response_normalise(
    x: Float[Array | np.ndarray, "batch *space channels"],
    *,
    size: int = 5,
    bias: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
) -> Float[Array, "batch *space channels"]:
    """Divides each activation by the energy of the neighbouring channels at its own position.

    y[…, c] = x[…, c] / (bias + alpha · Σ_j x[…, j]²)^beta, j from c − ⌊size/2⌋ to c + ⌊size/2⌋
    where there are such channels. As in the paper, alpha multiplies the sum; frameworks that take
    the mean (torch, Caffe) want alpha · size for the same numbers.

    Args:
      x: Activations, channels last.
      size: Neighbouring channels that count, the middle one included; odd.
      bias: k in the paper; above 0.
      alpha: The weight of the energy.
      beta: The exponent.

    Returns:
      Normalised activations of the same shape.

    Raises:
      ValueError: `size` is even or below 1, `bias` is not above 0, or `x` is not of floats.

    Reference: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional
    neural networks, 2012, section 3.3.

    >>> import numpy as np
    >>> x = np.full((1, 1, 3), 2, np.float32)
    >>> local_response_normalise(x, size=3, bias=1.0, alpha=1.0, beta=1.0).ravel().round(3).tolist()
    [0.2220..., 0.1540..., 0.2220...]
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size={size}: expected an odd integer ≥ 1")
    if bias <= 0:
        raise ValueError(f"bias={bias}: expected a number > 0")
    x = floats(x, "x")
    half = size // 2
    exact = single(x)  # squares leave half precision
    energy = jnp.pad(jnp.square(exact), ((0, 0),) * (x.ndim - 1) + ((half, half),))
    total = reduce(jnp.add, strided_slices(energy, x.ndim - 1, size, 1))
    return (exact * (bias + alpha * total) ** -beta).astype(x.dtype)


def _gaussian(window: int, deviation: float) -> np.ndarray:
    offsets = np.arange(window) - (window - 1) / 2
    weights = np.exp(-0.5 * (offsets / deviation) ** 2)
    return weights / weights.sum()


def _smooth(x: Array, filters: Sequence[np.ndarray]) -> Array:
    """The weighted mean of each neighbourhood and of all channels, which become one."""
    pairs: Pairs = tuple((len(f) // 2, len(f) // 2) for f in filters)
    x = pad(jnp.mean(x, -1, keepdims=True), pairs, "REFLECT")
    for axis, weights in enumerate(filters):
        slices = strided_slices(x, axis + 1, len(weights), 1)
        terms = (weight * seen for weight, seen in zip(weights.tolist(), slices, strict=True))
        x = reduce(jnp.add, terms)
    return x


def local_contrast_normalise(
    x: Float[Array | np.ndarray, "batch *space channels"],
    *,
    window: PerAxis = 9,
    deviation: float | None = None,
    epsilon: float = 1e-4,
) -> Float[Array, "batch *space channels"]:
    """Subtracts each neighbourhood's mean and divides by its standard deviation.

    v = x − w∗x, then y = v / max(σ, mean(σ), epsilon) with σ = √(w∗v²): w∗ is the
    Gaussian-weighted mean over the window and over all channels (the weights sum to 1), mean(σ) is
    over one image. Where an image is flatter than on average it is not amplified. Borders are
    mirrored ("REFLECT").

    Args:
      x: Activations or images, channels last.
      window: The neighbourhood's pixels, for all axes or one for each; odd.
      deviation: The Gaussian's standard deviation in pixels; None stands for a quarter of each
        window.
      epsilon: The least standard deviation that is divided by, in the units of x; above 0. An
        image without any contrast gives zeros (up to rounding), and a finite gradient.

    Returns:
      Normalised activations of the same shape.

    Raises:
      ValueError: A window is even, below 1 or too large to mirror; `deviation` or `epsilon` is not
        above 0; `x` is not of floats.

    Reference: Jarrett, Kavukcuoglu, Ranzato and LeCun, What is the best multi-stage architecture
    for object recognition?, 2009.

    >>> import numpy as np
    >>> flat = np.full((1, 9, 9, 1), 0.5, np.float32)
    >>> local_contrast_normalise(flat, window=5).round(2).any().item()
    False
    """
    x = floats(x, "x")
    windows = per_axis("window", window, x.ndim - 2)
    if any(pixels % 2 == 0 for pixels in windows):
        raise ValueError(f"window={window}: expected odd integers")
    if deviation is not None and deviation <= 0:
        raise ValueError(f"deviation={deviation}: expected a number > 0")
    if epsilon <= 0:
        raise ValueError(f"epsilon={epsilon}: expected a number > 0")
    filters = [_gaussian(n, n / 4 if deviation is None else deviation) for n in windows]
    # ε² is 0 in half precision.
    exact = single(x)
    centred = exact - _smooth(exact, filters)
    variance = _smooth(jnp.square(centred), filters)
    # The root of 0 has an infinite slope, which must not be reached even where it is not chosen.
    varied = variance > 0
    contrast = jnp.where(varied, jnp.sqrt(jnp.where(varied, variance, 1)), 0)
    typical = jnp.mean(contrast, tuple(range(1, x.ndim - 1)), keepdims=True)
    floor = jnp.maximum(typical, epsilon)
    return (centred / jnp.maximum(contrast, floor)).astype(x.dtype)
