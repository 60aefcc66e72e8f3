"""Elastic distortion: every pixel displaced by random noise, smoothed.

Simard et al. (2003) draw, for every pixel and direction, a displacement from U(−1, 1), smooth the
field with a Gaussian of standard deviation σ pixels that sums to 1, and multiply it by α. They
publish σ 4, α 34 for digits; Cireşan et al. (2010) σ 5 to 6, α 36 to 38. Beyond the border the
noise is zero, as scipy.ndimage.gaussian_filter has it in mode "constant"; the border of the picture
therefore moves less than its centre, where a displacement has the standard deviation
α / (√12 · √π · σ): 1.4 pixels for σ 4, α 34.

Smoothing an h × w field N is the two-sided matrix product K_h · N · K_wᵀ, where K is the Gaussian's
Toeplitz matrix. A smooth field has few degrees of freedom, so most of N would be drawn to be
averaged away. With the singular value decomposition K = U·S·Vᵀ the field is U·S·(Vᵀ·N·V)·S·Uᵀ, and
only as many columns of V matter as there are noticeable singular values: 9 of 28 for σ 4. What is
drawn is Z = Vᵀ·N·V itself, 81 numbers instead of 784, as independent normal numbers of the noise's
variance, 1/3. The field's mean and covariance are those of the published one (up to the
millionth of the variance that is cut off). Its distribution is exactly normal; the published one is
normal but for an excess kurtosis of −0.6 / (π·σ²) or −0.012 for σ 4, being a sum of some 100 draws.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar, Size
from cnnjax.augment.motion import Motion, move_image

# The share of the noise's variance, per axis, that the reduced basis may lose.
LOST_VARIANCE = 1e-6
# Up to so many pixels, what each distance contributes is tabled: three times as fast for digits,
# but gigabytes for a thousand pixels.
LARGEST_TABLE = 128


@functools.cache
def smoothing_matrix(size: int, sigma: float) -> Float[np.ndarray, "size size"]:
    """Gives the matrix that smooths a column of numbers with a Gaussian, zeros beyond its ends.

    K[i, j] = exp(−(i − j)² / 2σ²) / Σ_d exp(−d² / 2σ²), d over all whole numbers.

    Args:
      size: Length of the column; 1 stands for an axis that is not there, and is left alone.
      sigma: Standard deviation of the Gaussian, in pixels, at least 1.

    Returns:
      K, such that K @ column is scipy.ndimage.gaussian_filter1d(column, σ, mode="constant") with
      an untruncated kernel; not to be written to.
    """
    position = np.arange(size)
    distance = position[:, None] - position[None, :]
    matrix = _gaussian(distance, sigma) if size > 1 else np.ones((1, 1))
    matrix.flags.writeable = False  # all callers are given the same array
    return matrix


def _gaussian(distance: np.ndarray, sigma: float) -> np.ndarray:
    # For σ ≥ 1 the sum over all whole numbers is √(2π)·σ to within 6e-9 of itself (Poisson).
    return np.exp(-(distance**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)


@functools.cache
def _basis(size: int, sigma: float) -> Float[np.ndarray, "size rank"]:
    """The directions V of the noise that survive smoothing with σ, and so with any larger one."""
    _, singular, directions = np.linalg.svd(smoothing_matrix(size, sigma))
    remaining = 1 - np.cumsum(singular**2) / np.sum(singular**2)
    return directions[: 1 + int(np.argmax(remaining <= LOST_VARIANCE))].T


def displacement_field(
    key: PRNGKeyArray,
    batch: int,
    size: tuple[int, int],
    *,
    alpha: Float[Array | np.ndarray, " batch"],
    sigma: float | int | Float[Array | np.ndarray, " batch"],
    smallest_sigma: float | int | None = None,
) -> Float[Array, "batch 2 height width"]:
    """Draws one displacement field for each image.

    Args:
      key: The random key.
      batch: Number of images.
      size: (height, width) of the images. One pixel high or wide is a signal, which moves along its
        length only.
      alpha: Factor on the smoothed noise, one for each image.
      sigma: Standard deviation of the smoothing, in pixels, at least 1: one number for all (fast),
        or one for each image, traced.
      smallest_sigma: A static lower bound of `sigma`, needed where there is one for each image.

    Returns:
      Displacements (down, right) in pixels.

    Raises:
      ValueError: `sigma` is given for each image without `smallest_sigma`, or the number of them is
        below 1.

    Reference:
      Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual
      document analysis. ICDAR 2003.
    """
    least = sigma if isinstance(sigma, int | float | np.number) else smallest_sigma
    if least is not None and not least >= 1:
        raise ValueError(f"sigma={least}: expected at least 1 pixel")
    if isinstance(sigma, int | float | np.number):
        rows, columns = (
            jnp.asarray(smoothing_matrix(n, float(sigma)) @ _basis(n, float(sigma)), jnp.float32)
            for n in size
        )
    elif smallest_sigma is None:
        raise ValueError("smallest_sigma=None: expected a number, for one sigma an image")
    else:
        rows, columns = (
            _smoothed_basis(n, jnp.asarray(sigma), float(smallest_sigma)) for n in size
        )
    # α goes into the left factor, one for each image: as a batch of products whose result lies
    # image by image, what reads the field runs twice as fast on the CPU.
    factor = jnp.asarray(alpha) / math.sqrt(3)
    left = factor[:, None, None, None] * jnp.broadcast_to(
        rows[..., None, :, :], (batch, 2, *rows.shape[-2:])
    )
    # Drawn as one long row for each direction of the basis: faster than many short ones.
    shape = (batch, 2, rows.shape[-1], columns.shape[-1])
    noise = jax.random.normal(key, (shape[2], batch * 2 * shape[3])).reshape(shape)
    product = "bdrs,js->bdrj" if columns.ndim == 2 else "bdrs,bjs->bdrj"
    right = jnp.einsum(product, noise, columns)
    field = jnp.einsum("bdir,bdrj->bdij", left, right)
    for axis in range(2):
        field = field.at[:, axis].set(0) if size[axis] == 1 else field
    return field


def _smoothed_basis(length: int, sigma: Array, smallest: float) -> Array:
    """K(σ)·V for each σ: a sum over distances, each with its weight exp(−d² / 2σ²)."""
    if length == 1:
        return jnp.ones((len(sigma), 1, 1))
    basis = _basis(length, smallest)
    position = np.arange(length)
    apart = np.abs(position[:, None] - position[None, :])
    weights = jnp.exp(-(position**2) / (2 * sigma[:, None] ** 2))
    weights = weights / (math.sqrt(2 * math.pi) * sigma[:, None])
    if length > LARGEST_TABLE:
        return weights[:, apart] @ jnp.asarray(basis, jnp.float32)
    at_distance = np.stack([(apart == d) @ basis for d in range(length)]).astype(np.float32)
    return jnp.tensordot(weights, at_distance, 1)


def draw_elastic(
    key: PRNGKeyArray,
    size: Size,
    *,
    alpha: Range = 34.0,
    sigma: Range = 4.0,
    strength: Scalar = 1.0,
) -> Motion:
    """Draws what `elastic` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      alpha: As in `elastic`.
      sigma: As in `elastic`.
      strength: As in `elastic`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    draw.check_size(size)
    smallest, largest = draw.ends("sigma", sigma, least=1)
    alpha_key, sigma_key, noise_key = jax.random.split(key, 3)
    factor = draw.parameter(alpha_key, "alpha", alpha, neutral=0, strength=strength, least=0)
    width: float | Array = smallest
    if largest > smallest:
        width = draw.parameter(sigma_key, "sigma", sigma, neutral=0)[None]
    field = displacement_field(
        noise_key, 1, size, alpha=factor[None], sigma=width, smallest_sigma=smallest
    )
    return Motion((field[0],), size, size)


def elastic(
    key: PRNGKeyArray,
    image: Image,
    *,
    alpha: Range = 34.0,
    sigma: Range = 4.0,
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Displaces every pixel by smoothed noise.

    out[p] = image[p + d(p)], d = α · (Gaussian of σ pixels ∗ U(−1, 1)): `displacement_field`.

    Args:
      key: The random key.
      image: The image.
      alpha: Factor α on the smoothed noise, in pixels, at least 0; 0 changes nothing.
      sigma: Standard deviation σ of the Gaussian, in pixels, at least 1.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on α, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: An option is not known, `alpha` is neither a number nor a pair low ≤ high from 0
        up, or `sigma` is not one from 1 up.

    Reference:
      Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual
      document analysis. ICDAR 2003; its σ and α are the defaults.
    """
    motion = draw_elastic(key, draw.size_of(image), alpha=alpha, sigma=sigma, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)
