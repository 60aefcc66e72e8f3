"""Random affine maps of one image, key first: rotation, shear, translation, scale, mirroring.

Each comes twice: `rotate` moves an image, `draw_rotate` gives the same key's motion, to be composed
with others and applied to masks, points and boxes by `cnnjax.augment.motion`.
Positive directions are those of `cnnjax.augment.geometry`. The canvas keeps its size.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar, Size
from cnnjax.augment.geometry import (
    SMALLEST_SCALE,
    affine_matrix,
)
from cnnjax.augment.motion import Motion, move_image


def _affine(matrix: Array, size: Size) -> Motion:
    return Motion((matrix,), size, size)


def draw_rotate(
    key: PRNGKeyArray, size: Size, *, degrees: Range = (-15.0, 15.0), strength: Scalar = 1.0
) -> Motion:
    """Draws what `rotate` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      degrees: As in `rotate`.
      strength: As in `rotate`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    angle = draw.parameter(key, "degrees", degrees, neutral=0, strength=strength)
    return _affine(affine_matrix(rotation=angle, size=size), size)


def rotate(
    key: PRNGKeyArray,
    image: Image,
    *,
    degrees: Range = (-15.0, 15.0),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Rotates about the centre.

    (y, x) ↦ (y·cos θ − x·sin θ, y·sin θ + x·cos θ) about the centre, rows downwards.

    Args:
      key: The random key.
      image: The image.
      degrees: The angle θ in degrees, counter-clockwise as displayed; 0 changes nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the angle, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: An option is not known, or `degrees` is neither a number nor a pair
        low ≤ high.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> images = jnp.ones((8, 28, 28, 1))
    >>> jax.vmap(augment.rotate)(jax.random.split(jax.random.key(0), 8), images).shape
    (8, 28, 28, 1)
    """
    motion = draw_rotate(key, draw.size_of(image), degrees=degrees, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_shear_x(
    key: PRNGKeyArray, size: Size, *, ratio: Range = (-0.2, 0.2), strength: Scalar = 1.0
) -> Motion:
    """Draws what `shear_x` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      ratio: As in `shear_x`.
      strength: As in `shear_x`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    h = draw.parameter(key, "ratio", ratio, neutral=0, strength=strength)
    return _affine(affine_matrix(shear=h, size=size), size)


def shear_x(
    key: PRNGKeyArray,
    image: Image,
    *,
    ratio: Range = (-0.2, 0.2),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Slants horizontally: the top to the right, as italics.

    (y, x) ↦ (y, x − h·y) about the centre.

    Args:
      key: The random key.
      image: The image.
      ratio: h, pixels to the right per pixel of height: the tangent of the slant; 0 changes
        nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the ratio, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: An option is not known, or `ratio` is neither a number nor a pair
        low ≤ high.
    """
    motion = draw_shear_x(key, draw.size_of(image), ratio=ratio, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_shear_y(
    key: PRNGKeyArray, size: Size, *, ratio: Range = (-0.2, 0.2), strength: Scalar = 1.0
) -> Motion:
    """Draws what `shear_y` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      ratio: As in `shear_y`.
      strength: As in `shear_y`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    h = draw.parameter(key, "ratio", ratio, neutral=0, strength=strength)
    matrix = jnp.eye(2, 3).at[0, 1].set(h).at[0, 2].set(-h * (size[1] - 1) / 2)
    return _affine(matrix, size)


def shear_y(
    key: PRNGKeyArray,
    image: Image,
    *,
    ratio: Range = (-0.2, 0.2),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Slants vertically: the right side upwards, the left downwards.

    (y, x) ↦ (y − h·x, x) about the centre.

    Args:
      key: The random key.
      image: The image.
      ratio: h, pixels upwards per pixel of width: the tangent of the slant; 0 changes nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the ratio, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: An option is not known, or `ratio` is neither a number nor a pair
        low ≤ high.
    """
    motion = draw_shear_y(key, draw.size_of(image), ratio=ratio, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_translate_x(
    key: PRNGKeyArray, size: Size, *, fraction: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `translate_x` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      fraction: As in `translate_x`.
      strength: As in `translate_x`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    f = draw.parameter(key, "fraction", fraction, neutral=0, strength=strength)
    return _affine(affine_matrix(translation=(0.0, f * size[1]), size=size), size)


def translate_x(
    key: PRNGKeyArray,
    image: Image,
    *,
    fraction: Range = (-0.1, 0.1),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Shifts to the right.

    (y, x) ↦ (y, x + f·width); parts of a pixel are not rounded off.

    Args:
      key: The random key.
      image: The image.
      fraction: f, as a fraction of the width; 0 changes nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the fraction, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: An option is not known, or `fraction` is neither a number nor a pair
        low ≤ high.
    """
    motion = draw_translate_x(key, draw.size_of(image), fraction=fraction, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill, upright=True)


def draw_translate_y(
    key: PRNGKeyArray, size: Size, *, fraction: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `translate_y` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      fraction: As in `translate_y`.
      strength: As in `translate_y`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    f = draw.parameter(key, "fraction", fraction, neutral=0, strength=strength)
    return _affine(affine_matrix(translation=(f * size[0], 0.0), size=size), size)


def translate_y(
    key: PRNGKeyArray,
    image: Image,
    *,
    fraction: Range = (-0.1, 0.1),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Shifts downwards.

    (y, x) ↦ (y + f·height, x); parts of a pixel are not rounded off.

    Args:
      key: The random key.
      image: The image.
      fraction: f, as a fraction of the height; 0 changes nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the fraction, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: An option is not known, or `fraction` is neither a number nor a pair
        low ≤ high.
    """
    motion = draw_translate_y(key, draw.size_of(image), fraction=fraction, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill, upright=True)


def draw_scale(
    key: PRNGKeyArray,
    size: Size,
    *,
    factor: Range = (0.85, 1.15),
    each_axis: bool = False,
    strength: Scalar = 1.0,
) -> Motion:
    """Draws what `scale` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      factor: As in `scale`.
      each_axis: As in `scale`.
      strength: As in `scale`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    drawn = draw.several(1 + each_axis, key, "factor", factor, 1, strength, SMALLEST_SCALE)
    return _affine(affine_matrix(scale=(drawn[0], drawn[-1]), size=size), size)


def scale(
    key: PRNGKeyArray,
    image: Image,
    *,
    factor: Range = (0.85, 1.15),
    each_axis: bool = False,
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Enlarges about the centre, or shrinks.

    (y, x) ↦ (f·y, f·x) about the centre.

    Args:
      key: The random key.
      image: The image.
      factor: f, at least 0.1; 1 changes nothing, more enlarges.
      each_axis: Whether the two axes draw factors of their own.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on f − 1, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: `factor` is neither a number nor a pair low ≤ high from 0.1 up,
        or an option is not known.
    """
    motion = draw_scale(
        key, draw.size_of(image), factor=factor, each_axis=each_axis, strength=strength
    )
    return move_image(image, motion, order=order, border=border, fill=fill, upright=True)


def _flips(key: Array, probability: Number, strength: Scalar) -> Bool[Array, ""]:
    draw.check_probability(probability)
    return jax.random.uniform(key) < probability * strength


def draw_horizontal_flip(
    key: PRNGKeyArray, size: Size, *, probability: Number = 0.5, strength: Scalar = 1.0
) -> Motion:
    """Draws what `horizontal_flip` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      probability: As in `horizontal_flip`.
      strength: As in `horizontal_flip`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    sign = jnp.where(_flips(key, probability, strength), -1.0, 1.0)
    return _affine(affine_matrix(scale=(1.0, sign), size=size), size)


def horizontal_flip(
    key: PRNGKeyArray, image: Image, *, probability: Number = 0.5, strength: Scalar = 1.0
) -> NewImage:
    """Exchanges left and right with the given probability: y[i, j] = x[i, width − 1 − j].

    Args:
      key: The random key.
      image: The image.
      probability: Of the exchange, within [0, 1]; at 0 nothing changes.
      strength: Factor on the probability, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The image or its mirror image, bit for bit.

    Raises:
      ValueError: `probability` is outside [0, 1].
    """
    image = draw.one_image(image)
    # The same bits as by the motion, without a resample.
    return jnp.where(_flips(key, probability, strength), image[:, ::-1], image)


def draw_vertical_flip(
    key: PRNGKeyArray, size: Size, *, probability: Number = 0.5, strength: Scalar = 1.0
) -> Motion:
    """Draws what `vertical_flip` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      probability: As in `vertical_flip`.
      strength: As in `vertical_flip`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    sign = jnp.where(_flips(key, probability, strength), -1.0, 1.0)
    return _affine(affine_matrix(scale=(sign, 1.0), size=size), size)


def vertical_flip(
    key: PRNGKeyArray, image: Image, *, probability: Number = 0.5, strength: Scalar = 1.0
) -> NewImage:
    """Exchanges top and bottom with the given probability: y[i, j] = x[height − 1 − i, j].

    Args:
      key: The random key.
      image: The image.
      probability: Of the exchange, within [0, 1]; at 0 nothing changes.
      strength: Factor on the probability, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The image or its mirror image, bit for bit.

    Raises:
      ValueError: `probability` is outside [0, 1].
    """
    image = draw.one_image(image)
    # The same bits as by the motion, without a resample.
    return jnp.where(_flips(key, probability, strength), image[::-1], image)
