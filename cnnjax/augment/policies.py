"""Policies: which operations a batch goes through, with one strength for all of them.

A policy is called as a training step calls it, `policy(key, images, labels, strength)`. What it is
made of are operations of the catalogue, `operation(key, image, *, strength)` for one image, with
their ranges set by functools.partial, or other policies, known by their parameter `labels`. The
strength is one number or one for each image, at least 0, and traced: another value compiles nothing
again, and 0 gives the images back.
Signals, (batch, length, channels), go through `operation(key, signal, *, strength)` likewise; what
an operation calls its second argument says which of the two it takes. Only AugMix, which clips to
[0, 1], is for images alone.

>>> from functools import partial
>>> import jax, jax.numpy as jnp
>>> from cnnjax import augment
>>> narrower = partial(augment.draw_perspective, inward=(0.0, 0.1))
>>> policy = augment.Sequence((
...     partial(augment.move, draws=(augment.draw_rotate, narrower)),
...     augment.OneOf((augment.brighten, augment.contrast, augment.gamma_contrast)),
... ))
>>> images, labels = jnp.ones((8, 28, 28, 1)), jnp.zeros(8, jnp.int32)
>>> policy(jax.random.key(0), images, labels, 0.5).shape
(8, 28, 28, 1)

Where a policy picks an operation for each image, it does not compute all of them for all images and
throw most away, as `jax.lax.switch` under `jax.vmap` would: it shuffles the batch, gives each
operation its equal share, and puts the images back in order. Each image's operation is distributed
as if it were drawn alone; the operations of a batch are not independent of each other.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from cnnjax.augment.draw import Image, Number, Scalar, one_image, whole_number
from cnnjax.augment.mixing import symmetric_beta
from cnnjax.augment.motion import Motion, compose, move_image
from cnnjax.ops.pixels import as_pixels, floats, unit
from cnnjax.ops.stored import stored

# Images (batch, height, width, channels) or signals (batch, length, channels).
Images = Num[Array | np.ndarray, "batch *size channels"]
NewImages = Num[Array, "batch *new_size channels"]
Labels = Int[Array | np.ndarray, " batch"] | None
Strength = Scalar | Float[Array, " batch"]


def move(
    key: PRNGKeyArray,
    image: Image,
    *,
    draws: tuple[Callable[..., Motion], ...],
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> Num[Array, "new_height new_width channels"]:
    """Moves an image by several drawn motions with one resample.

    Args:
      key: The random key.
      image: The image.
      draws: `draw_rotate` and its like, the first to move the picture first; each is called as
        `draw(key, size, strength=strength)`.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Of every motion; at 0 the image is given back.

    Returns:
      The moved image, in [0, 1].

    Raises:
      ValueError: No draws, or an option is not known.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> draws = (augment.draw_rotate, augment.draw_shear_x, augment.draw_perspective)
    >>> augment.move(jax.random.key(0), jnp.ones((28, 28, 1)), draws=draws).shape
    (28, 28, 1)
    """
    height, width, _ = one_image(image).shape
    motion = draw_move(key, (height, width), draws=draws, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_move(
    key: PRNGKeyArray,
    size: tuple[int, int],
    *,
    draws: tuple[Callable[..., Motion], ...],
    strength: Scalar = 1.0,
) -> Motion:
    """Draws the motion of `move`, for what an image is annotated with.

    Args:
      key: The random key; with the same one `move` moves the image by this motion.
      size: (height, width) of the image.
      draws: As for `move`.
      strength: Of every motion; at 0 nothing moves.

    Returns:
      The motion, for `move_image`, `move_boxes`, `move_mask` and `move_points`.

    Raises:
      ValueError: No draws, or something else among them.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> draws = (augment.draw_rotate, augment.draw_horizontal_flip)
    >>> motion = augment.draw_move(jax.random.key(0), (28, 28), draws=draws)
    >>> augment.move_boxes(jnp.array([[4.0, 4, 9, 12]]), motion).shape
    (1, 4)
    """
    motions: list[Motion] = []
    if not isinstance(draws, tuple | list):
        raise ValueError(f"draws={draws!r}: expected a tuple of `draw_rotate` and its like")
    for each, draw in zip(jax.random.split(key, max(len(draws), 1)), draws, strict=False):
        if "size" not in inspect.signature(draw).parameters:
            raise ValueError(f"draws: expected `draw_rotate` and its like; got {_name(draw)}")
        motions.append(draw(each, size, strength=strength))
        size = motions[-1].new_size
    return compose(motions)


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Applies every operation, in order.

    Attributes:
      operations: Operations or policies, at least one.
    """

    operations: tuple

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", _checked(self.operations))

    def __call__(
        self, key: PRNGKeyArray, images: Images, labels: Labels = None, strength: Strength = 1.0
    ) -> NewImages:
        """Distorts a batch.

        Args:
          key: The random key.
          images: Floats in [0, 1], or bytes, of which 255 is 1; or signals, of any amplitude.
          labels: The images' classes, or None: operations do not look at them, and of the named
            policies only `ciresan` does.
          strength: One for all images or one for each.

        Returns:
          The distorted images.

        Raises:
          ValueError: An operation on images meets signals, or the other way round, or makes another
            type of its images.
        """
        keys, strengths = _keys(key, self.operations), [strength] * len(self.operations)
        return _in_turn(self.operations, keys, images, labels, strengths)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Applies one operation to each image, every one as often as the others.

    Attributes:
      operations: Operations or policies, at least one, none of which changes the size.
    """

    operations: tuple

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", _checked(self.operations))

    def __call__(
        self, key: PRNGKeyArray, images: Images, labels: Labels = None, strength: Strength = 1.0
    ) -> NewImages:
        """Distorts a batch; see `Sequence` for the arguments.

        The batch is filled up to a multiple of the number of operations, so that all shares are
        equal, shuffled, cut and, distorted, put in order again. An operation that changes the size
        is a ValueError.
        """
        for operation in self.operations:  # before the batch is cut: its own shape says more
            _check_shape(operation, jnp.shape(images))
        batch, count = len(images), len(self.operations)
        shuffle_key, *keys = _keys(key, self.operations, more=1)
        share = -(-batch // count)
        order = jax.random.permutation(shuffle_key, share * count)
        # Where no image is left, the first one stands in; its second result is dropped.
        taken = jnp.where(order < batch, order, 0).reshape(count, share)
        images = jnp.asarray(images)
        strengths = jnp.broadcast_to(jnp.asarray(strength, jnp.float32), (batch,))
        parts = [
            _apply(operation, each, images[places], _of(labels, places), strengths[places])
            for each, operation, places in zip(keys, self.operations, taken, strict=True)
        ]
        for operation, part in zip(self.operations, parts, strict=True):
            if part.shape[1:] != images.shape[1:]:
                raise ValueError(
                    f"{_name(operation)} makes {part.shape[1:]} of {images.shape[1:]}: expected "
                    "the same size of every operation that an image may get instead of another"
                )
        return jnp.concatenate(parts)[jnp.argsort(order)[:batch]]


@dataclasses.dataclass(frozen=True)
class SomeOf:
    """Applies to each image a random subset of the operations, in their order.

    Every operation is computed for every image, at strength 0 where it was not picked.

    Attributes:
      operations: Operations or policies.
      least: The smallest number of them that an image gets.
      most: The largest number; every number between is as likely.
    """

    operations: tuple
    least: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", _checked(self.operations))
        most = len(self.operations) if self.most is None else self.most
        whole_number("least", self.least, least=0)
        whole_number("most", most, least=0)
        if not 0 <= self.least <= most <= len(self.operations):
            raise ValueError(
                f"least={self.least}, most={self.most}: expected 0 ≤ least ≤ most ≤ "
                f"{len(self.operations)}, the number of operations"
            )

    def __call__(
        self, key: PRNGKeyArray, images: Images, labels: Labels = None, strength: Strength = 1.0
    ) -> NewImages:
        """Distorts a batch; see `Sequence` for the arguments."""
        batch, count = len(images), len(self.operations)
        pick_key, *keys = _keys(key, self.operations, more=1)
        draws = jax.random.uniform(pick_key, (batch, count + 1))
        most = count if self.most is None else self.most
        picked = self.least + jnp.floor(draws[:, -1:] * (most - self.least + 1))
        rank = jnp.argsort(jnp.argsort(draws[:, :-1], axis=1), axis=1)
        strengths = jnp.where(rank < picked, _column(strength), 0.0)
        return _in_turn(self.operations, keys, images, labels, list(strengths.T))


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """Applies `rounds` operations to each image, each drawn evenly from all, at one strength.

    Attributes:
      operations: Operations or policies.
      rounds: N of the paper, at least 1; the strength of the call stands for its M, on a scale on
        which 1 is the operations' ranges.

    Reference:
      Cubuk, Zoph, Shlens, Le (2020), RandAugment, arXiv 1909.13719.
    """

    operations: tuple
    rounds: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", _checked(self.operations))
        object.__setattr__(self, "rounds", whole_number("rounds", self.rounds, least=1))

    def __call__(
        self, key: PRNGKeyArray, images: Images, labels: Labels = None, strength: Strength = 1.0
    ) -> NewImages:
        """Distorts a batch; see `Sequence` for the arguments."""
        one_round = OneOf(self.operations)

        def step(images: Array, key: Array) -> tuple[Array, None]:
            return one_round(key, images, labels, strength), None

        # A loop, so that the operations are compiled once, however many rounds.
        return jax.lax.scan(step, jnp.asarray(images), jax.random.split(key, self.rounds))[0]


@dataclasses.dataclass(frozen=True)
class TrivialAugment:
    """Applies one operation to each image, at a strength drawn evenly between 0 and the call's.

    Attributes:
      operations: Operations or policies.

    Reference:
      Müller, Hutter (2021), TrivialAugment, arXiv 2103.10158.
    """

    operations: tuple

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", _checked(self.operations))

    def __call__(
        self, key: PRNGKeyArray, images: Images, labels: Labels = None, strength: Strength = 1.0
    ) -> NewImages:
        """Distorts a batch; see `Sequence` for the arguments."""
        strength_key, key = jax.random.split(key)
        drawn = strength * jax.random.uniform(strength_key, (len(images),))
        return OneOf(self.operations)(key, images, labels, drawn)


@dataclasses.dataclass(frozen=True)
class AugMix:
    """Mixes each image with several differently distorted copies of it.

    (1 − m)·x + m·Σᵢ wᵢ·chainᵢ(x), with w ~ Dirichlet(α, …, α), m ~ Beta(α, α), and each chain of
    one to `depth` operations.

    Attributes:
      operations: Operations or policies.
      width: Number of chains, at least 1.
      depth: The largest number of operations in a chain, at least 1.
      alpha: α, above 0.

    Reference:
      Hendrycks et al. (2020), AugMix, arXiv 1912.02781, whose defaults these are.
    """

    operations: tuple
    width: int = 3
    depth: int = 3
    alpha: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", _checked(self.operations))
        for name in ("width", "depth"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least=1))
        if not 0 < self.alpha < np.inf:
            raise ValueError(f"alpha={self.alpha!r}: expected a number above 0")

    def __call__(
        self, key: PRNGKeyArray, images: Images, labels: Labels = None, strength: Strength = 1.0
    ) -> NewImages:
        """Distorts a batch; see `Sequence` for the arguments."""
        if images.dtype == np.uint8:
            return as_pixels(self(key, unit(images), labels, strength), np.uint8)
        images, batch = floats(images, "images"), len(images)
        if images.ndim != 4:
            raise ValueError(
                f"images of shape {images.shape}: expected (batch, height, width, channels)"
            )
        share_key, mix_key, depth_key, key = jax.random.split(key, 4)
        shares = _shares(share_key, batch, self.width, self.alpha)
        mixed = symmetric_beta(mix_key, batch, self.alpha)
        depths = jax.random.randint(depth_key, (self.width * batch,), 1, self.depth + 1)
        # All chains are one large batch, and its steps a loop: the operations are compiled once.
        strengths = jnp.tile(jnp.broadcast_to(jnp.asarray(strength), (batch,)), self.width)
        copies = jnp.tile(images, (self.width, 1, 1, 1))
        classes = _of(labels, jnp.arange(self.width * batch) % batch)
        one = OneOf(self.operations)

        def step(chains: Array, place_and_key: tuple[Array, Array]) -> tuple[Array, None]:
            place, key = place_and_key
            return one(key, chains, classes, jnp.where(place < depths, strengths, 0.0)), None

        places = jnp.arange(self.depth), jax.random.split(key, self.depth)
        chains = jax.lax.scan(step, copies, places)[0].reshape(self.width, *images.shape)
        # The sum of the changes, not of the images: without a change the image keeps its bits.
        weights = (mixed[:, None] * shares).T[..., None, None, None]
        mixed_images = images + jnp.sum(weights * (chains - images), axis=0)
        return jnp.clip(mixed_images, 0.0, 1.0).astype(images.dtype)


def _shares(key: PRNGKeyArray, batch: int, width: int, alpha: Number) -> Array:
    """Draws from Dirichlet(α, …, α): shares of one, (batch, width)."""
    if alpha != 1:
        return jax.random.dirichlet(key, jnp.full(width, alpha), (batch,))
    # Normalised exponentials: the same distribution, without a loop that takes seconds to compile.
    parts = jax.random.exponential(key, (batch, width))
    return parts / jnp.sum(parts, 1, keepdims=True)


def _in_turn(
    operations: tuple, keys: list, images: Images, labels: Labels, strengths: list
) -> Array:
    """Applies operations one after another, each with a key and a strength of its own."""
    for index, (operation, key, strength) in enumerate(
        zip(operations, keys, strengths, strict=True)
    ):
        # An operation may read each value several times.
        seen = stored(images) if index else images
        images = _apply(operation, key, seen, labels, strength)
    return jnp.asarray(images)


def _apply(
    operation: Callable, key: PRNGKeyArray, images: Images, labels: Labels, strength: Strength
) -> Array:
    _check_shape(operation, jnp.shape(images))
    images = jnp.asarray(images)
    if _is_policy(operation):
        made = operation(key, images, labels, strength)
    else:
        one = lambda key, image, strength: operation(key, image, strength=strength)  # noqa: E731
        axis = 0 if jnp.ndim(strength) else None
        keys = jax.random.split(key, len(images))
        made = jax.vmap(one, (0, 0, axis))(keys, images, strength)
    # The next one would take 255ths that are floats for whites.
    if made.dtype != images.dtype:
        raise ValueError(
            f"{_name(operation)} makes {made.dtype} of {images.dtype}: expected the images' own "
            "type; `draw.float_image` and `ops.pixels.as_pixels` convert bytes"
        )
    return made


def _is_policy(operation: Callable) -> bool:
    return "labels" in inspect.signature(operation).parameters


def _check_shape(operation: Callable, shape: tuple[int, ...]) -> None:
    """Refuses images for an operation on signals, and the reverse: many would take them wrongly."""
    if _is_policy(operation):
        return  # it looks for itself
    images, signals = "(batch, height, width, channels)", "(batch, length, channels)"
    taken = {"image": {4: images}, "signal": {3: signals}}
    _, subject, *_ = inspect.signature(operation).parameters
    if subject == "size":
        raise ValueError(f"{_name(operation)} draws a motion: expected it among `draws` of `move`")
    expected = taken.get(subject, {4: images, 3: signals})
    if len(shape) not in expected:
        kinds = " or ".join(expected.values())
        one = images in kinds and len(shape) == 3 and shape[-1] == 3
        hint = "; one image is a batch as images[None]" if one else ""
        raise ValueError(f"images of shape {shape}: expected {kinds} for {_name(operation)}{hint}")


def _of(labels: Array | np.ndarray | None, places: Array) -> Array | None:
    """The labels at these places, if there are any: only `Distortion` may ask for them."""
    return None if labels is None else jnp.asarray(labels)[places]


def _name(operation: Callable) -> str:
    while isinstance(operation, functools.partial):
        operation = operation.func
    return getattr(operation, "__name__", repr(operation))


def _keys(key: PRNGKeyArray, operations: tuple, more: int = 0) -> list[Array]:
    return list(jax.random.split(key, len(operations) + more))


def _checked(operations: tuple) -> tuple:
    if not isinstance(operations, tuple | list) or not operations:
        raise ValueError(f"operations={operations!r}: expected a tuple of at least one")
    return tuple(operations)  # a list has no hash


def _column(strength: Strength) -> Array:
    """The strength as an array that broadcasts against (batch, operations)."""
    return jnp.asarray(strength, jnp.float32)[..., None]
