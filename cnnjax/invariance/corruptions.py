"""Corruptions of a test set at five severities, and the errors they cause.

In the manner of MNIST-C and ImageNet-C, but with operations and severities of our own, so that the
figures are not theirs: every corruption is an operation of `cnnjax.augment` whose parameter takes
five values. All five severities of an image share its random draws, so that only their strength
differs. The values were chosen by looking at them, and at plain networks on validation images.

References:
  N. Mu and J. Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019, arXiv
  1906.02337.
  D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
  Perturbations", ICLR 2019, arXiv 1903.12261.
"""

import functools
import operator
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num, PRNGKeyArray, UInt8

from cnnjax import augment, errors, ops
from cnnjax.augment.draw import Image, NewImage
from cnnjax.invariance.checks import check_images

SEVERITIES = (1, 2, 3, 4, 5)

Apply = Callable[[PRNGKeyArray, Image, Array], NewImage]
"""apply(key, image, value) -> image, with the parameter's value traced."""


class Corruption(NamedTuple):
    """One way to spoil an image.

    Attributes:
      apply: The operation.
      values: Its parameter at the severities 1 to 5.
      parameter: What the parameter is, with its unit.
    """

    apply: Apply
    values: tuple[float, float, float, float, float]
    parameter: str


def _side(key: PRNGKeyArray) -> Array:
    """−1 or 1, as likely."""
    return jax.random.rademacher(key, (), jnp.float32)


def _strengthened(operation: Callable[..., NewImage], **fixed: Any) -> Apply:
    """An operation whose strength is the value, everything else being fixed."""
    return lambda key, image, value: operation(key, image, strength=value, **fixed)


def _salt_and_pepper(key: PRNGKeyArray, image: Image, share: Array) -> NewImage:
    white, black = jax.random.split(key)
    salted = augment.salt(white, image, fraction=1.0, strength=share / 2)
    return augment.pepper(black, salted, fraction=1.0, strength=share / 2)


def _motion_blur(key: PRNGKeyArray, image: Image, length: Array) -> NewImage:
    longest = CORRUPTIONS["motion_blur"].values[-1]
    return augment.motion_blur(key, image, length=longest, strength=length / longest)


def _gaussian_blur(key: PRNGKeyArray, image: Image, sigma: Array) -> NewImage:
    widest = CORRUPTIONS["gaussian_blur"].values[-1]
    return augment.gaussian_blur(key, image, sigma=widest, strength=sigma / widest)


def _contrast(key: PRNGKeyArray, image: Image, factor: Array) -> NewImage:
    return augment.contrast(key, image, factor=0.0, strength=1 - factor)


def _solarise(key: PRNGKeyArray, image: Image, threshold: Array) -> NewImage:
    return augment.solarise(key, image, threshold=0.0, strength=1 - threshold)


def _jpeg(key: PRNGKeyArray, image: Image, quality: Array) -> NewImage:
    return augment.jpeg(key, image, quality=1, strength=(100 - quality) / 99)


def _translation(key: PRNGKeyArray, image: Image, fraction: Array) -> NewImage:
    angle = jax.random.uniform(key, (), maxval=2 * np.pi)
    down, right = jnp.sin(angle) * image.shape[0], jnp.cos(angle) * image.shape[1]
    return _moved(image, translation=(fraction * down, fraction * right))


def _rotation(key: PRNGKeyArray, image: Image, degrees: Array) -> NewImage:
    return _moved(image, rotation=_side(key) * degrees)


def _shear(key: PRNGKeyArray, image: Image, tangent: Array) -> NewImage:
    return _moved(image, shear=_side(key) * tangent)


def _shrink(_: PRNGKeyArray, image: Image, factor: Array) -> NewImage:
    return _moved(image, scale=(factor, factor))


def _moved(image: Image, **motion) -> NewImage:
    height, width, _ = image.shape
    return ops.warp(image, augment.affine_matrix(size=(height, width), **motion))


def _perspective(key: PRNGKeyArray, image: Image, inward: Array) -> NewImage:
    farthest = CORRUPTIONS["perspective"].values[-1]
    reach = (-farthest, farthest)
    return augment.perspective(key, image, inward=reach, strength=inward / farthest)


CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian_noise": Corruption(
        _strengthened(augment.additive_gaussian_noise, deviation=1.0),
        (0.1, 0.2, 0.3, 0.4, 0.55),
        "standard deviation",
    ),
    "salt_and_pepper": Corruption(
        _salt_and_pepper,
        (0.04, 0.08, 0.14, 0.22, 0.32),
        "share of the pixels, half of each, pepper over salt",
    ),
    "coarse_salt": Corruption(
        _strengthened(augment.coarse_salt, fraction=1.0, size_fraction=0.25),
        (0.04, 0.07, 0.1, 0.14, 0.18),
        "share of the cells",
    ),
    "gaussian_blur": Corruption(_gaussian_blur, (0.7, 1.1, 1.6, 2.2, 3.0), "σ in pixels"),
    "motion_blur": Corruption(_motion_blur, (2.0, 4.0, 6.0, 8.0, 10.0), "length in pixels"),
    "brightness": Corruption(
        _strengthened(augment.brighten, offset=1.0), (0.08, 0.16, 0.25, 0.35, 0.5), "offset"
    ),
    "contrast": Corruption(_contrast, (0.4, 0.3, 0.22, 0.15, 0.1), "factor"),
    "solarise": Corruption(_solarise, (0.95, 0.85, 0.75, 0.6, 0.4), "threshold"),
    "jpeg": Corruption(_jpeg, (30.0, 15.0, 8.0, 4.0, 2.0), "quality"),
    "cutout": Corruption(
        _strengthened(augment.cutout, fraction=1.0, value=0.5),
        (0.15, 0.22, 0.3, 0.4, 0.5),
        "side as a fraction",
    ),
    "fog": Corruption(
        _strengthened(augment.fog, density=1.0, unevenness=0.6),
        (0.1, 0.2, 0.32, 0.45, 0.6),
        "opacity",
    ),
    "snow": Corruption(
        _strengthened(augment.snowflakes, density=0.12, flake_size=(0.05, 0.1), speed=(0.04, 0.1)),
        (0.25, 0.4, 0.6, 0.8, 1.0),
        "opacity",
    ),
    "rain": Corruption(
        _strengthened(augment.rain, density=0.03, intensity=0.9, opacity=1.0, darkening=0.3),
        (0.25, 0.4, 0.6, 0.8, 1.0),
        "opacity",
    ),
    "translation": Corruption(
        _translation, (0.03, 0.06, 0.09, 0.12, 0.16), "distance as a fraction of the side"
    ),
    "rotation": Corruption(_rotation, (8.0, 16.0, 24.0, 34.0, 45.0), "degrees"),
    "shear": Corruption(_shear, (0.1, 0.2, 0.35, 0.5, 0.7), "tangent"),
    "shrinking": Corruption(_shrink, (0.92, 0.84, 0.76, 0.68, 0.6), "factor"),
    "elastic": Corruption(
        _strengthened(augment.elastic, alpha=1.0, sigma=3.0),
        (8.0, 14.0, 20.0, 27.0, 35.0),
        "α in pixels",
    ),
    "perspective": Corruption(
        _perspective, (0.06, 0.1, 0.14, 0.19, 0.24), "reach of the corners as a fraction"
    ),
}
"""Every corruption by name, in the order of reports; random directions are drawn image by image."""

NAMES = tuple(CORRUPTIONS)


def corrupt(key: PRNGKeyArray, image: Image, name: str, severity: int | Int[Array, ""]) -> NewImage:
    """Corrupts one image: apply(key, image, values[severity − 1]).

    Args:
      key: What is random about it; all severities make the same draws.
      image: The image, in [0, 1].
      name: One of `NAMES`.
      severity: 1 to 5; may be traced, so that the severities share a program.

    Returns:
      The corrupted image, in [0, 1].

    Raises:
      UserError: There is no such corruption.
      ValueError: A severity that is not traced is none of 1 to 5.

    >>> import jax, jax.numpy as jnp
    >>> corrupt(jax.random.key(0), jnp.zeros((1, 2, 1)), "brightness", 3).ravel().tolist()
    [0.25, 0.25]
    """
    errors.choose("invariance.corruptions", name, NAMES)
    if not isinstance(severity, jax.core.Tracer):
        _check(severity)
    corruption = CORRUPTIONS[name]
    value = jnp.asarray(corruption.values, jnp.float32)[severity - 1]
    return corruption.apply(key, image, value)


def corrupted(
    key: PRNGKeyArray,
    images: Num[Array | np.ndarray, "examples height width channels"],
    name: str,
    *,
    severities: Sequence[int] = SEVERITIES,
) -> UInt8[Array, "severities examples height width channels"]:
    """Corrupts a test set, severity by severity.

    Image i draws from the key folded with the corruption's name and with i: neither the other
    corruptions nor the images that come after it change what happens to it.

    Args:
      key: The launch's key.
      images: uint8 pixels, or floats in [0, 1].
      name: One of `NAMES`.
      severities: Some of 1 to 5.

    Returns:
      The corrupted sets, rounded to pixels as they would be stored.

    Raises:
      UserError: There is no such corruption.
      ValueError: A severity is none of 1 to 5, or there is none, or the images are not what
        `images` says.
    """
    severities = chosen(name, severities)
    check_images(images)
    own = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return _spoil(name, _keys(own, images.shape[0]), images, jnp.asarray(severities))


def chosen(name: str, severities: Sequence[int]) -> tuple[int, ...]:
    """The severities at which a corruption is wanted, checked.

    Args:
      name: One of `NAMES`.
      severities: Some of 1 to 5.

    Returns:
      The severities as integers, in the same order.

    Raises:
      UserError: There is no such corruption.
      ValueError: A severity is none of 1 to 5, or there is none.
    """
    errors.choose("invariance.corruptions", name, NAMES)
    if np.ndim(severities) != 1 or len(severities) == 0:
        raise ValueError(f"severities={severities!r} of {name}: expected some of 1 to 5")
    return tuple(map(_check, severities))


def _check(severity: int | Int[Array, ""]) -> int:
    try:
        number = operator.index(severity)  # of integers only, those of numpy and jax among them
    except TypeError:
        number = 0
    if number not in SEVERITIES:
        raise ValueError(f"severity={severity!r}: expected 1, 2, 3, 4 or 5")
    return number


@functools.partial(jax.jit, static_argnames="count")
def _keys(key: PRNGKeyArray, count: int) -> Key[Array, " examples"]:
    # A program of its own: a random generator takes long to compile, and this one serves all.
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(count))


@functools.partial(jax.jit, static_argnames="name")
def _spoil(
    name: str,
    keys: Key[Array, " examples"],
    images: Num[Array | np.ndarray, "examples height width channels"],
    severities: Int[Array, " severities"],
) -> UInt8[Array, "severities examples height width channels"]:
    unspoilt = ops.unit(images)

    def at(severity: Array) -> Array:
        spoilt = jax.vmap(lambda key, image: corrupt(key, image, name, severity))(keys, unspoilt)
        return jnp.round(255 * spoilt).astype(jnp.uint8)

    return jax.lax.map(at, severities)


def corruption_errors(
    errors: Float[np.ndarray, "*networks corruptions severities"],
    plain: Float[np.ndarray, "corruptions severities"],
    *,
    clean: Float[np.ndarray, "*networks"] | Sequence[float] | float = 0.0,
    plain_clean: float = 0.0,
) -> Float[np.ndarray, "*networks corruptions"]:
    """Errors of networks under each corruption, relative to those of the plain one.

    CE_c = Σ_s E_s,c / Σ_s E^plain_s,c, of which the mean over c is the mean corruption error, mCE.
    With the error rates on the untouched images, E_clean, it is what corruption adds:
    relative CE_c = Σ_s (E_s,c − E_clean) / Σ_s (E^plain_s,c − E^plain_clean).

    Args:
      errors: Error rates E of the networks; not a number where a severity was not measured.
      plain: Those of the plain network.
      clean: Error rates of the networks on the untouched images.
      plain_clean: That of the plain network.

    Returns:
      1 for as many errors as the plain network, over the severities that both were measured at;
      not a number where there are none, or the plain network makes (or corruption adds to its
      errors) none.

    Reference:
      Hendrycks and Dietterich (2019), section 4.2, with AlexNet as the plain network.

    >>> import numpy as np
    >>> corruption_errors(np.array([[0.1, 0.2], [0.3, 0.3]]), np.array([[0.2, 0.4], [0.3, 0.5]]))
    array([0.5 , 0.75])
    """
    added = np.asarray(errors, np.float64) - np.asarray(clean, np.float64)[..., None, None]
    reference = np.asarray(plain, np.float64) - plain_clean
    # Both sums go over the severities that both were measured at.
    known = np.isfinite(added) & np.isfinite(reference)
    reference = np.where(known, reference, 0).sum(axis=-1)
    # Error rates are multiples of 1 / examples: what is smaller than any such is rounding.
    reference = np.where(reference > 1e-9, reference, np.nan)
    return np.where(known, added, 0).sum(axis=-1) / reference
