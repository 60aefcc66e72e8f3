"""Random transformations of one image, key first; batch them with jax.vmap, or use a `Policy`.

Each is a `Policy` of one image at strength 1, so that both do the same thing by the same code.
Positive directions are those of `cnnjax.augment.geometry`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from cnnjax.augment.policy import Number, Policy, Range

Image = Float[Array | np.ndarray, "height width channels"]
NewImage = Float[Array, "height width channels"]


def _one(policy: Policy, key: Array, image: Image) -> Array:
    return policy(key, jnp.asarray(image)[None], jnp.zeros(1, jnp.int32))[0]


def rotate(key: PRNGKeyArray, image: Image, *, degrees: Number = 15.0) -> NewImage:
    """Rotates about the centre by an angle drawn from ±`degrees`.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      degrees: Largest angle, in degrees.

    Returns:
      The rotated image, on a canvas of the same size.

    Raises:
      UserError: `degrees` is negative.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> images = jnp.ones((8, 28, 28, 1))
    >>> jax.vmap(augment.rotate)(jax.random.split(jax.random.key(0), 8), images).shape
    (8, 28, 28, 1)
    """
    return _one(Policy(rotation=degrees), key, image)


def shear(key: PRNGKeyArray, image: Image, *, ratio: Number = 0.2) -> NewImage:
    """Slants horizontally, by a shear drawn from ±`ratio`.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      ratio: Largest horizontal displacement per pixel of height: the tangent of the slant.

    Returns:
      The sheared image, on a canvas of the same size.

    Raises:
      UserError: `ratio` is negative.
    """
    return _one(Policy(shear=ratio), key, image)


def scale(key: PRNGKeyArray, image: Image, *, fraction: Number = 0.15) -> NewImage:
    """Scales each axis about the centre by its own factor, drawn from 1 ± `fraction`.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      fraction: Largest deviation of the factor from 1.

    Returns:
      The scaled image, on a canvas of the same size.

    Raises:
      UserError: `fraction` is negative.
    """
    return _one(Policy(scale=fraction), key, image)


def translate(key: PRNGKeyArray, image: Image, *, pixels: Number = 2.0) -> NewImage:
    """Shifts along both axes by distances drawn from ±`pixels`, fractions of a pixel included.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      pixels: Largest distance along an axis, in pixels.

    Returns:
      The shifted image, on a canvas of the same size.

    Raises:
      UserError: `pixels` is negative.
    """
    return _one(Policy(translation=pixels), key, image)


def elastic(
    key: PRNGKeyArray, image: Image, *, alpha: Range = 34.0, sigma: Range = 4.0
) -> NewImage:
    """Displaces every pixel by smoothed noise: `cnnjax.augment.elastic` has the formula.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      alpha: Factor on the noise, in pixels, or a pair to draw it from.
      sigma: Standard deviation of the Gaussian that smooths it, in pixels, at least 1, or a pair.

    Returns:
      The deformed image.

    Raises:
      UserError: `alpha` is negative or `sigma` is below 1.

    Reference:
      Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual
      document analysis. ICDAR 2003; its σ and α are the defaults.
    """
    return _one(Policy(alpha=alpha, sigma=sigma), key, image)


def affine(
    key: PRNGKeyArray,
    image: Image,
    *,
    rotation: Number = 7.5,
    shear: Number = 0.1,
    scale: Range = 0.075,
    translation: Number = 1.0,
) -> NewImage:
    """Scales, shears, rotates and shifts, in one resample.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      rotation: Largest angle, in degrees.
      shear: Largest shear, as the tangent of the slant.
      scale: Largest deviation of each axis's factor from 1.
      translation: Largest shift along each axis, in pixels.

    Returns:
      The transformed image, on a canvas of the same size.

    Raises:
      UserError: A range is negative.
    """
    policy = Policy(rotation=rotation, shear=shear, scale=scale, translation=translation)
    return _one(policy, key, image)


def affine_elastic(
    key: PRNGKeyArray,
    image: Image,
    *,
    rotation: Number = 7.5,
    shear: Number = 0.1,
    scale: Range = 0.075,
    translation: Number = 1.0,
    alpha: Range = 17.0,
    sigma: Range = 4.0,
) -> NewImage:
    """Applies `affine` and `elastic` together, in one resample.

    Args:
      key: The random key.
      image: The image; it continues with zeros outside.
      rotation: Largest angle, in degrees.
      shear: Largest shear, as the tangent of the slant.
      scale: Largest deviation of each axis's factor from 1.
      translation: Largest shift along each axis, in pixels.
      alpha: Factor on the displacement noise, in pixels, or a pair to draw it from.
      sigma: Standard deviation of its smoothing, in pixels, at least 1, or a pair.

    Returns:
      The transformed image, on a canvas of the same size.

    Raises:
      UserError: A range is negative or `sigma` is below 1.
    """
    policy = Policy(
        rotation=rotation,
        shear=shear,
        scale=scale,
        translation=translation,
        alpha=alpha,
        sigma=sigma,
    )
    return _one(policy, key, image)


def flip_horizontal(key: PRNGKeyArray, image: Image, *, probability: Number = 0.5) -> NewImage:
    """Exchanges left and right, with the given probability.

    Args:
      key: The random key.
      image: The image.
      probability: Between 0 and 1.

    Returns:
      The image or its mirror image, bit for bit.

    Raises:
      UserError: `probability` is outside [0, 1].
    """
    return _one(Policy(flip_horizontal=probability), key, image)


def flip_vertical(key: PRNGKeyArray, image: Image, *, probability: Number = 0.5) -> NewImage:
    """Exchanges top and bottom, with the given probability.

    Args:
      key: The random key.
      image: The image.
      probability: Between 0 and 1.

    Returns:
      The image or its mirror image, bit for bit.

    Raises:
      UserError: `probability` is outside [0, 1].
    """
    return _one(Policy(flip_vertical=probability), key, image)


def gaussian_noise(key: PRNGKeyArray, image: Image, *, deviation: Number = 0.1) -> NewImage:
    """Adds independent normal noise to every value.

    Args:
      key: The random key.
      image: The image.
      deviation: Standard deviation of the noise, on the scale of the values.

    Returns:
      The noisy image, not clipped: it may leave [0, 1].

    Raises:
      UserError: `deviation` is negative.
    """
    return _one(Policy(noise=deviation), key, image)
