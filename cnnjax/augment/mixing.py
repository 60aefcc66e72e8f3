"""Mixtures of two images of a batch, and of their targets: mixup and CutMix.

A training step applies them by name (`MIXTURES`) after everything else. Every example gets a
partner by a random permutation of the batch (which may give an example to itself), and a share of
it. At strength 0 all shares are 0 and everything is given back bit for bit.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from cnnjax.augment.draw import Number, Scalar
from cnnjax.augment.occlusion import covered
from cnnjax.ops.pixels import floats

Batch = Float[Array | np.ndarray, "batch *space channels"]
Images = Float[Array | np.ndarray, "batch height width channels"]
Targets = Float[Array | np.ndarray, "batch classes"]
Mixed = tuple[Float[Array, "batch *space channels"], Float[Array, "batch classes"]]


def mixup(
    key: PRNGKeyArray,
    images: Batch,
    targets: Targets,
    *,
    alpha: Number = 0.2,
    strength: Scalar = 1.0,
) -> Mixed:
    """Averages every example with a partner: λ · own + (1 − λ) · partner's, image and target alike.

    λ ~ Beta(α, α), drawn for each example; 1 − λ is multiplied by the strength.

    Args:
      key: The random key.
      images: The images, or signals.
      targets: The targets, one-hot or any other distribution over the classes.
      alpha: α, above 0: near 0 one of the two nearly vanishes, 1 makes all λ equally likely.
      strength: Factor on the partner's share 1 − λ, which ends at 1; may be traced.

    Returns:
      Images and targets between the two that were mixed: in [0, 1] where they were, and each target
      with the sum it had where all have the same.

    Raises:
      ValueError: `alpha` is not above 0, or there are not as many targets as images.

    Reference:
      Zhang, Cissé, Dauphin, Lopez-Paz: mixup: beyond empirical risk minimization. ICLR 2018
      (arXiv 1710.09412). One λ for each example, as their code for one batch has only one.

    >>> import jax, jax.numpy as jnp
    >>> mixed, targets = mixup(jax.random.key(0), jnp.ones((4, 8, 8, 1)), jnp.eye(4))
    >>> mixed.shape, targets.shape
    ((4, 8, 8, 1), (4, 4))
    """
    images, targets = _checked(images, targets, alpha)
    partner_key, share_key = jax.random.split(key)
    partner = jax.random.permutation(partner_key, len(images))
    share = _shares(share_key, len(images), alpha, strength)
    return (
        _blend(images, images[partner], share.reshape(-1, *[1] * (images.ndim - 1))),
        _blend(targets, targets[partner], share[:, None]),
    )


def cutmix(
    key: PRNGKeyArray,
    images: Images,
    targets: Targets,
    *,
    alpha: Number = 1.0,
    strength: Scalar = 1.0,
) -> Mixed:
    """Puts a box of a partner's pixels into every image, and mixes the targets by its share.

    The box has the shape of the image and the share 1 − λ of its area, λ ~ Beta(α, α), drawn for
    each example: its sides are √(1 − λ) of the image's, rounded to whole pixels. Its centre is any
    pixel; what lies outside is cut off. The partner's target counts by the share of the pixels that
    are really the partner's.

    Args:
      key: The random key.
      images: The images.
      targets: The targets, one-hot or any other distribution over the classes.
      alpha: α, above 0; 1 makes all λ equally likely.
      strength: Factor on the area 1 − λ, which ends at 1; may be traced.

    Returns:
      Images, every pixel bit for bit one of two; targets, each with the sum it had where all have
      the same.

    Raises:
      ValueError: `alpha` is not above 0, there are not as many targets as images, or the images
        have not two axes of space.

    Reference:
      Yun et al.: CutMix: regularization strategy to train strong classifiers with localizable
      features. ICCV 2019 (arXiv 1905.04899). One box for each example instead of one for a batch.
    """
    images, targets = _checked(images, targets, alpha)
    if images.ndim != 4:
        raise ValueError(
            f"images of shape {images.shape}: expected (batch, height, width, channels)"
        )
    batch, height, width, _ = images.shape
    partner_key, share_key, place_key = jax.random.split(key, 3)
    partner = jax.random.permutation(partner_key, batch)
    side = jnp.sqrt(_shares(share_key, batch, alpha, strength))
    place = jax.random.uniform(place_key, (2, batch))
    rows = covered(place[0], side * height, height)
    columns = covered(place[1], side * width, width)
    box = rows[:, :, None, None] & columns[:, None, :, None]
    share = jnp.sum(rows, 1) * jnp.sum(columns, 1) / (height * width)
    mixed = jnp.where(box, images[partner], images)
    return mixed, _blend(targets, targets[partner], share[:, None])


def _checked(images: Batch, targets: Targets, alpha: Number) -> tuple[Array, Array]:
    if not alpha > 0:
        raise ValueError(f"alpha={alpha!r}: expected a number above 0")
    if len(images) != len(targets):
        raise ValueError(f"targets: expected {len(images)}, one for each image; got {len(targets)}")
    targets = jnp.asarray(targets)
    if targets.ndim != 2 or not jnp.issubdtype(targets.dtype, jnp.floating):
        raise ValueError(
            f"targets of type {targets.dtype} and shape {targets.shape}: expected distributions "
            "over the classes, such as jax.nn.one_hot(labels, classes)"
        )
    return floats(images, "images"), targets


MIXTURES: dict[str, Callable[..., Mixed] | None] = {
    "none": None,
    "mixup": mixup,
    "cutmix": cutmix,
}
"""By the names that a configuration knows: `mix(key, images, targets, strength=…)`."""


def _shares(key: Array, batch: int, alpha: Number, strength: Scalar) -> Array:
    """Draws the partners' shares, 1 − λ times the strength, at most 1."""
    return jnp.clip(strength * symmetric_beta(key, batch, alpha), 0, 1)


def symmetric_beta(key: Array, count: int, alpha: Number) -> Float[Array, " count"]:
    """Draws numbers of the distribution Beta(α, α).

    They come from two uniform numbers U and V: T = √(U^(−1/α) − 1) · cos(2πV) is √(2α) times
    smaller than a variable of Student's distribution of 2α degrees of freedom (Bailey: Polar
    generation of random variates with the t-distribution, Mathematics of Computation 62, 1994), and
    so (1 + T / √(1 + T²)) / 2 is of the distribution Beta(α, α). Exact, and without the loops of
    jax.random.beta, which take seconds to compile.

    Args:
      key: The random key.
      count: How many.
      alpha: α, above 0.

    Returns:
      The numbers, in [0, 1].
    """
    u, v = jax.random.uniform(key, (2, count))
    # q = U^(1/α) with U in (0, 1], and T / √(1 + T²) with its fraction expanded by √q, so that
    # nothing overflows where q is small.
    exponent = jnp.log1p(-u) / alpha
    q, rest = jnp.exp(exponent), -jnp.expm1(exponent)
    cosine = jnp.cos(2 * jnp.pi * v)
    balance = cosine * jnp.sqrt(rest / (q + rest * cosine**2))
    # The balance may be rounded to just above 1.
    return jnp.clip((1 - balance) / 2, 0, 1)


def _blend(own: Array, other: Array, share: Array) -> Array:
    # Written so that a share of 0 gives `own` bit for bit.
    return own + share.astype(own.dtype) * (other - own)
