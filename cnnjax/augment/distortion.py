"""Random distortions of whole batches, with one strength for all of them.

They are motions like those of the catalogue, and are applied by the same `move_image`. Drawn for a
batch at once, they know the labels, and cost a small network's step less than a chain of operations
that each draw for one image.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from cnnjax.augment.draw import Number, Range, Scalar, between
from cnnjax.augment.elastic import displacement_field
from cnnjax.augment.geometry import SMALLEST_SCALE, affine_matrix
from cnnjax.augment.motion import Motion, move_image
from cnnjax.errors import UserError
from cnnjax.ops.pixels import floats


class Draw(NamedTuple):
    """The numbers that one batch drew; every one has the batch as its only or last axis.

    Attributes:
      rotation: Degrees, counter-clockwise.
      shear: Tangent of the slant, top to the right.
      scale: Factors (vertical, horizontal).
      translation: Pixels (down, right).
      alpha: Factor on the smoothed displacement noise.
      sigma: Standard deviation of its smoothing, in pixels.
    """

    rotation: Float[Array, " batch"]
    shear: Float[Array, " batch"]
    scale: tuple[Float[Array, " batch"], Float[Array, " batch"]]
    translation: tuple[Float[Array, " batch"], Float[Array, " batch"]]
    alpha: Float[Array, " batch"]
    sigma: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class Distortion:
    """Distorts every image of a batch by its own draw; all geometry is one bilinear resample.

    Each range is what is drawn from at strength 1. The strength s multiplies rotation, shear,
    scale, translation and α; σ stays. Strength 0 gives the images back bit for bit. The strength is
    traced: neither another value nor a vmap or lax.map over many compiles anything again.

    The same key gives the same draws, and each property draws the same numbers whatever the ranges
    of the others are. Images continue with zeros outside.

    Attributes:
      rotation: Degrees r: the angle is uniform in ±r·s.
      shear: Tangent h: the shear is uniform in ±h·s.
      scale: Fraction g: the factor of each axis is uniform in 1 ± g·s. A pair (low, high): g itself
        is drawn uniformly between them for each axis of each image.
      translation: Pixels t: the shift along each axis is uniform in ±t·s.
      alpha: Factor on the smoothed displacement noise, pixels; a pair is drawn from uniformly.
      sigma: Standard deviation of its smoothing, pixels, at least 1; a pair is drawn from
        uniformly.
      rotation_or_shear: Instead of a rotation and a shear, one angle β is drawn from the range of
        `rotation`, and is with equal probability a rotation by β or a shear by tan β.
      gentle_labels: Labels whose rotation and shear are multiplied by `gentle`.
      gentle: That factor.

    Raises:
      UserError: A range is negative, upside down or not finite, σ is below 1, a field is of another
        kind, or `rotation_or_shear` is combined with a shear of its own.

    Reference:
      Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual
      document analysis. ICDAR 2003. Cireşan, Meier, Gambardella, Schmidhuber: Deep, big, simple
      neural nets for handwritten digit recognition. Neural Computation 22(12), 2010,
      arXiv 1003.0358.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> policy = augment.Distortion(rotation=15.0, translation=2.0)
    >>> images = jnp.ones((4, 28, 28, 1))
    >>> policy(jax.random.key(0), images, jnp.zeros(4, int), 0.5).shape
    (4, 28, 28, 1)
    """

    rotation: Number = 0.0
    shear: Number = 0.0
    scale: Range = 0.0
    translation: Number = 0.0
    alpha: Range = 0.0
    sigma: Range = 4.0
    rotation_or_shear: bool = False
    gentle_labels: tuple[int, ...] = ()
    gentle: Number = 0.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, valid_field(field.name, getattr(self, field.name)))
        if _low(self.sigma) < 1:
            raise UserError(f"sigma={self.sigma}: expected at least 1 pixel")
        if self.rotation_or_shear and self.shear:
            raise UserError(
                f"shear={self.shear}: expected 0 with rotation_or_shear, which shears by rotation"
            )

    @property
    def deforms(self) -> bool:
        """Whether the policy has an elastic part."""
        return _high(self.alpha) > 0

    def draw(
        self,
        key: PRNGKeyArray,
        labels: Int[Array | np.ndarray, " batch"],
        strength: Number | Float[Array, ""] | Float[Array, " batch"] = 1.0,
    ) -> Draw:
        """Draws one number of each kind for each label: what the geometry of a batch is made from.

        Args:
          key: The random key.
          labels: The images' classes.
          strength: Factor on the ranges, at least 0, may be traced; one for all images or one for
            each.

        Returns:
          The draws: what `motions` makes its matrices and fields from.
        """
        labels = jnp.asarray(labels)
        # Rows 7 and 8 are spare: without them the rows behind would draw other numbers.
        u = jax.random.uniform(key, (13, len(labels)))
        signed = 2 * u - 1
        angle = self.rotation * strength * signed[0]
        shear = self.shear * strength * signed[1]
        if self.rotation_or_shear:
            turns = u[2] < 0.5
            shear = jnp.where(turns, 0, angle)  # an angle until the end
            angle = jnp.where(turns, angle, 0)
        if self.gentle_labels:
            gentle = jnp.isin(labels, jnp.asarray(self.gentle_labels))
            factor = jnp.where(gentle, self.gentle, 1.0)
            angle, shear = angle * factor, shear * factor
        if self.rotation_or_shear:
            shear = jnp.tan(jnp.deg2rad(shear))

        def axis_factor(which: int) -> Array:
            spread = between(self.scale, u[3 + which]) * strength
            return jnp.maximum(1 + spread * signed[5 + which], SMALLEST_SCALE)

        return Draw(
            rotation=angle,
            shear=shear,
            scale=(axis_factor(0), axis_factor(1)),
            translation=(
                self.translation * strength * signed[9],
                self.translation * strength * signed[10],
            ),
            alpha=between(self.alpha, u[11]) * strength,
            sigma=between(self.sigma, u[12]),
        )

    def __call__(
        self,
        key: PRNGKeyArray,
        images: Num[Array | np.ndarray, "batch *space channels"],
        labels: Int[Array | np.ndarray, " batch"] | None = None,
        strength: Scalar | Float[Array, " batch"] = 1.0,
    ) -> Num[Array, "batch *space channels"]:
        """Distorts a batch.

        Args:
          key: The random key.
          images: (batch, height, width, channels) images, floats or bytes, or (batch, length,
            channels) signals, which are shifted, scaled and deformed along their length.
          labels: The images' classes, for `gentle_labels`; None will do without them.
          strength: Factor on all ranges, at least 0, may be traced; one for all images or one for
            each.

        Returns:
          The distorted images.

        Raises:
          ValueError: `images` are neither images nor signals of floats, the policy turns or shears
            signals, or it has `gentle_labels` and there are no labels.
        """
        if labels is None:
            if self.gentle_labels:
                raise ValueError("labels=None: expected the images' classes, for gentle_labels")
            labels = jnp.zeros(len(images), jnp.int32)
        if images.ndim == 3:
            self._check_signal()
            return self(key, floats(images, "signals")[:, None], labels, strength)[:, 0]
        if images.ndim != 4:
            raise ValueError(
                f"images of shape {images.shape}: expected (batch, height, width, channels) or "
                "(batch, length, channels)"
            )
        # A strength of 0 is no other type than one of 0.5, which would be compiled for anew.
        return self._moved(key, images, labels, jnp.asarray(strength, jnp.float32))

    @functools.partial(jax.jit, static_argnames="self")
    def _moved(
        self,
        key: PRNGKeyArray,
        images: Array | np.ndarray,
        labels: Array | np.ndarray,
        strength: Array,
    ) -> Array:
        _, height, width, _ = images.shape
        return jax.vmap(move_image)(images, self.motions(key, labels, (height, width), strength))

    def motions(
        self,
        key: PRNGKeyArray,
        labels: Int[Array | np.ndarray, " batch"],
        size: tuple[int, int],
        strength: Number | Float[Array, ""] | Float[Array, " batch"] = 1.0,
    ) -> Motion:
        """Draws how a batch moves: pixel q of a result shows A·q + d(q), in the image's pixels.

        Args:
          key: The random key; with the same one the images themselves move so.
          labels: The images' classes.
          size: (height, width) of the images, in pixels.
          strength: Factor on the ranges, at least 0, may be traced; one for all images or one for
            each.

        Returns:
          One motion for each image, along the first axis of its steps, for
          `jax.vmap(move_boxes)(boxes, motions)` and its like.
        """
        affine_key, elastic_key = jax.random.split(key)
        draw = self.draw(affine_key, labels, strength)
        down, right = draw.translation
        if size[0] == 1:
            down = jnp.zeros_like(down)

        def matrix(draw: Draw, down: Array, right: Array) -> Array:
            return affine_matrix(
                rotation=draw.rotation,
                shear=draw.shear,
                scale=draw.scale,
                translation=(down, right),
                size=size,
            )

        matrices = jax.vmap(matrix)(draw, down, right)
        if not self.deforms:
            return Motion((matrices,), size, size)
        field = displacement_field(
            elastic_key,
            len(matrices),
            size,
            alpha=draw.alpha,
            sigma=draw.sigma if isinstance(self.sigma, tuple) else self.sigma,
            smallest_sigma=_low(self.sigma),
        )
        # The matrix that follows must leave the field as it is.
        return Motion((jax.vmap(_turned_back)(matrices, field), matrices), size, size)

    def _check_signal(self) -> None:
        for name in ("rotation", "shear"):
            if getattr(self, name):
                value = getattr(self, name)
                raise ValueError(
                    f"{name}={value}: expected 0 for signals, (batch, length, channels); images "
                    "are (batch, height, width, channels)"
                )


def _turned_back(matrix: Array, field: Array) -> Array:
    """The displacements that the linear part of a map turns into those of a field."""
    (a, b), (c, d) = matrix[:, :2]
    down, right = field
    return jnp.stack([d * down - b * right, a * right - c * down]) / (a * d - b * c)


def _low(value: Range) -> Number:
    return value[0] if isinstance(value, tuple) else value


def _high(value: Range) -> Number:
    return value[1] if isinstance(value, tuple) else value


def valid_field(name: str, value: Any) -> Any:
    """Returns the value of a field in its own type, however a configuration spelt it."""
    if name in ("scale", "alpha", "sigma"):
        return _valid_range(name, value)
    if name == "gentle_labels":
        labels = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        if not all(isinstance(label, int) and not isinstance(label, bool) for label in labels):
            raise UserError(f"{name}={value!r}: expected whole numbers, such as (1, 7)")
        return labels
    if name == "rotation_or_shear":
        if not isinstance(value, bool):
            raise UserError(f"{name}={value!r}: expected true or false")
        return value
    return _valid_number(name, value)


def _valid_number(name: str, value: Any) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and value >= 0):
        raise UserError(f"{name}={value!r}: expected a number ≥ 0")
    return float(value)


def _valid_range(name: str, value: Any) -> Range:
    if not isinstance(value, (tuple, list)):
        return _valid_number(name, value)
    if len(value) != 2:
        raise UserError(f"{name}={value!r}: expected a number or a pair (low, high)")
    low, high = (_valid_number(name, end) for end in value)
    if low > high:
        raise UserError(f"{name}={value!r}: expected low ≤ high")
    return low if low == high else (low, high)
