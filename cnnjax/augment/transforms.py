"""Random geometric transformations of one image, key first; batch them with jax.vmap.

Each comes twice: `rotate` moves an image, `draw_rotate` gives the same key's motion, to be composed
with others and applied to masks, points and boxes by `cnnjax.augment.motion`. Positive directions
are those of `cnnjax.augment.geometry`. A parameter that is a number is used as it is; a pair
(low, high) is drawn from evenly.

Images are floats in [0, 1], or bytes, of which 255 is 1, with any number of channels; the results
are of the same type, on a canvas of the same size (but for `crop`).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar
from cnnjax.augment.elastic import displacement_field
from cnnjax.augment.geometry import (
    SMALLEST_SCALE,
    affine_matrix,
    canvas_corners,
    perspective_matrix,
)
from cnnjax.augment.motion import Motion, move_image
from cnnjax.ops.resample import padded

Size = tuple[int, int]

# Beyond these fractions of the size, sides of a canvas could meet and corners fold it.
LARGEST_CROP = 0.45
LARGEST_CORNER = 0.24


def _size(image: Num[Array | np.ndarray, "height width channels"]) -> Size:
    height, width, _ = draw.one_image(image).shape
    return height, width


def _affine(matrix: Array, size: Size) -> Motion:
    return Motion((matrix,), size, size)


def _several(
    count: int,
    key: Array,
    name: str,
    value: Range,
    neutral: Number,
    strength: Scalar,
    least: Number,
    most: Number = np.inf,
) -> Float[Array, " count"]:
    """As many independent draws of one parameter, as `draw.parameter` has it."""

    def one(own_key: Array) -> Array:
        return draw.parameter(
            own_key, name, value, neutral=neutral, strength=strength, least=least, most=most
        )

    return jax.vmap(one)(jax.random.split(key, count))


def draw_rotate(
    key: PRNGKeyArray, size: Size, *, degrees: Range = (-15.0, 15.0), strength: Scalar = 1.0
) -> Motion:
    """Draws what `rotate` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      degrees: The angle θ, counter-clockwise as displayed; 0 changes nothing.
      strength: Factor on the angle, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `degrees` is neither a number nor a pair low ≤ high.
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
    motion = draw_rotate(key, _size(image), degrees=degrees, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_shear_x(
    key: PRNGKeyArray, size: Size, *, ratio: Range = (-0.2, 0.2), strength: Scalar = 1.0
) -> Motion:
    """Draws what `shear_x` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      ratio: h, pixels to the right per pixel of height: the tangent of the slant; 0 changes
        nothing.
      strength: Factor on the ratio, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `ratio` is neither a number nor a pair low ≤ high.
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
    motion = draw_shear_x(key, _size(image), ratio=ratio, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_shear_y(
    key: PRNGKeyArray, size: Size, *, ratio: Range = (-0.2, 0.2), strength: Scalar = 1.0
) -> Motion:
    """Draws what `shear_y` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      ratio: h, pixels upwards per pixel of width: the tangent of the slant; 0 changes nothing.
      strength: Factor on the ratio, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `ratio` is neither a number nor a pair low ≤ high.
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
    motion = draw_shear_y(key, _size(image), ratio=ratio, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_translate_x(
    key: PRNGKeyArray, size: Size, *, fraction: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `translate_x` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      fraction: f, as a fraction of the width; 0 changes nothing.
      strength: Factor on the fraction, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `fraction` is neither a number nor a pair low ≤ high.
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
    motion = draw_translate_x(key, _size(image), fraction=fraction, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_translate_y(
    key: PRNGKeyArray, size: Size, *, fraction: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `translate_y` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      fraction: f, as a fraction of the height; 0 changes nothing.
      strength: Factor on the fraction, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `fraction` is neither a number nor a pair low ≤ high.
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
    motion = draw_translate_y(key, _size(image), fraction=fraction, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


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
      factor: f, at least 0.1; 1 changes nothing, more enlarges.
      each_axis: Whether the two axes draw factors of their own.
      strength: Factor on f − 1, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `factor` is neither a number nor a pair low ≤ high from 0.1 up.
    """
    drawn = _several(1 + each_axis, key, "factor", factor, 1, strength, SMALLEST_SCALE)
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
    motion = draw_scale(key, _size(image), factor=factor, each_axis=each_axis, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_crop_and_pad(
    key: PRNGKeyArray, size: Size, *, fraction: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `crop_and_pad` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      fraction: What each side gains, as a fraction of the image's extent across it, at least −0.45:
        a negative number crops, a positive one pads, with what `border` and `fill` say; 0 changes
        nothing.
      strength: Factor on the fractions, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `fraction` is neither a number nor a pair low ≤ high from −0.45 up.
    """
    sides = _several(4, key, "fraction", fraction, 0, strength, -LARGEST_CROP)
    top, left, bottom, right = sides

    def axis(first: Array, last: Array, length: int) -> tuple[Array, Array]:
        step = 1 + first + last
        return step, 0.5 * step - 0.5 - first * length

    (down, y), (across, x) = axis(top, bottom, size[0]), axis(left, right, size[1])
    zero = jnp.zeros_like(y)
    return _affine(jnp.stack([jnp.stack([down, zero, y]), jnp.stack([zero, across, x])]), size)


def crop_and_pad(
    key: PRNGKeyArray,
    image: Image,
    *,
    fraction: Range = (-0.1, 0.1),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Crops or pads each side by its own draw, and resizes to the canvas.

    Row i of the result reads r·(i + ½) − ½ − top·height, r = 1 + top + bottom; columns likewise.
    Nothing is rounded to whole pixels.

    Args:
      key: The random key.
      image: The image.
      fraction: What each side gains, as a fraction of the image's extent across it, at least −0.45:
        a negative number crops, a positive one pads, with what `border` and `fill` say; 0 changes
        nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the fractions, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: `fraction` is neither a number nor a pair low ≤ high from −0.45 up,
        or an option is not known.

    Reference:
      imgaug's CropAndPad with keep_size=True.
    """
    motion = draw_crop_and_pad(key, _size(image), fraction=fraction, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def draw_perspective(
    key: PRNGKeyArray, size: Size, *, inward: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `perspective` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      inward: How far each corner goes towards the middle, along each axis by its own draw, as a
        fraction of the image's extent, within ±0.24: a negative one goes outward; 0 changes
        nothing.
      strength: Factor on the distances, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `inward` is neither a number nor a pair low ≤ high within ±0.24.
    """
    draw.check_size(size)
    drawn = _several(8, key, "inward", inward, 0, strength, -LARGEST_CORNER, LARGEST_CORNER)
    distances = drawn.reshape(4, 2)
    towards = jnp.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * jnp.array(size)
    matrix = perspective_matrix(canvas_corners(size) + distances * towards, size)
    return Motion((matrix,), size, size)


def perspective(
    key: PRNGKeyArray,
    image: Image,
    *,
    inward: Range = (-0.1, 0.1),
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> NewImage:
    """Moves each corner by its own draw, as if the picture were seen from aside.

    The homography that sends the four corners there: `augment.geometry.perspective_matrix`.

    Args:
      key: The random key.
      image: The image.
      inward: How far each corner goes towards the middle, along each axis by its own draw, as a
        fraction of the image's extent, within ±0.24: a negative one goes outward; 0 changes
        nothing.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      strength: Factor on the distances, at least 0, may be traced. At 0 the image is given back.

    Returns:
      The moved image, in [0, 1], of the image's type.

    Raises:
      ValueError: `inward` is neither a number nor a pair low ≤ high within ±0.24,
        or an option is not known.
    """
    motion = draw_perspective(key, _size(image), inward=inward, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


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
      alpha: Factor α on the smoothed noise, in pixels, at least 0; 0 changes nothing.
      sigma: Standard deviation σ of the Gaussian, in pixels, at least 1.
      strength: Factor on α, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `alpha` is neither a number nor a pair low ≤ high from 0 up, or `sigma` is not
        one from 1 up.
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

    out[p] = image[p + d(p)], d = α · (Gaussian of σ pixels ∗ U(−1, 1)): `cnnjax.augment.elastic`.

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
    motion = draw_elastic(key, _size(image), alpha=alpha, sigma=sigma, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)


def _corner(
    key: Array, size: Size, new_size: Size, padding: int, position: Range, strength: Scalar
) -> Float[Array, "2"]:
    """The upper left pixel, of the padded image, of the part that a crop cuts out."""
    draw.whole_number("padding", padding, least=0)
    if not isinstance(new_size, tuple | list) or len(new_size) != 2:
        raise ValueError(f"new_size={new_size}: expected a pair (height, width)")
    whole = (size[0] + 2 * padding, size[1] + 2 * padding)
    if not all(1 <= new <= most for new, most in zip(new_size, whole, strict=True)):
        raise ValueError(f"new_size={new_size}: expected lengths from 1 to those of {whole}")
    room = jnp.array([most - new for most, new in zip(whole, new_size, strict=True)])
    drawn = _several(2, key, "position", position, 0.5, strength, 0, 1)
    # Whole pixels, each offset as likely as another.
    return jnp.clip(jnp.floor(drawn * (room + 1)), 0, room)


def draw_crop(
    key: PRNGKeyArray,
    size: Size,
    *,
    new_size: Size | None = None,
    padding: int = 0,
    position: Range = (0.0, 1.0),
    strength: Scalar = 1.0,
) -> Motion:
    """Draws what `crop` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      new_size: (height, width) of the part, in pixels, at most those of the padded image; None
        stands for `size`.
      padding: What is laid around the image first, in pixels on each side: what `border` and `fill`
        say.
      position: Where the part lies in the padded image, within [0, 1], drawn for each axis: 0 is at
        the top or left, 1 at the bottom or right, ½ in the middle.
      strength: Factor on how far the part is from the middle, at least 0, may be traced.

    Returns:
      The motion; at strength 0 it cuts out the middle.

    Raises:
      ValueError: `new_size` is not within the padded image, `padding` is negative, or `position`
        is neither a number nor a pair low ≤ high within [0, 1].
    """
    new_size = size if new_size is None else new_size
    y, x = _corner(key, size, new_size, padding, position, strength) - padding
    matrix = jnp.eye(2, 3).at[0, 2].set(y).at[1, 2].set(x)
    return Motion((matrix,), size, new_size)


def crop(
    key: PRNGKeyArray,
    image: Num[Array | np.ndarray, "height width channels"],
    *,
    new_size: Size | None = None,
    padding: int = 0,
    position: Range = (0.0, 1.0),
    border: str = "constant",
    fill: Number = 0.0,
    strength: Scalar = 1.0,
) -> Num[Array, "new_height new_width channels"]:
    """Cuts a part out of the image or of the padded image, at a place in whole pixels.

    Padded by 4 and cut back to its own size, an image of 32 × 32 is shifted by up to an eighth: the
    crop of He et al. (2016).

    Args:
      key: The random key.
      image: The image, floats or whole numbers.
      new_size: (height, width) of the part, in pixels, at most those of the padded image; None
        stands for those of the image.
      padding: What is laid around the image first, in pixels on each side.
      position: Where the part lies in the padded image, within [0, 1], drawn for each axis: 0 is at
        the top or left, 1 at the bottom or right, ½ in the middle.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1]; of whole numbers 1 is the largest, 255.
      strength: Factor on how far the part is from the middle, at least 0, may be traced. At 0 the
        middle is cut out, which is the image itself if `new_size` is its size.

    Returns:
      The part, bit for bit.

    Raises:
      ValueError: `new_size` is not within the padded image, `padding` is negative, `border` is
        not known, `fill` is outside [0, 1], or `position` is neither a number nor a pair
        low ≤ high within [0, 1].

    Reference:
      He, Zhang, Ren, Sun: Deep residual learning for image recognition. CVPR 2016, section 4.2.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> augment.crop(jax.random.key(0), jnp.ones((32, 32, 3)), new_size=(28, 28)).shape
    (28, 28, 3)
    >>> augment.crop(jax.random.key(0), jnp.ones((32, 32, 3)), padding=4).shape
    (32, 32, 3)
    """
    size = _size(image)
    new_size = size if new_size is None else new_size
    draw.check_fill(fill)
    y, x = _corner(key, size, new_size, padding, position, strength).astype(jnp.int32)
    # The same bits as by the motion, without a resample: thirty times faster.
    rims = [(padding, padding), (padding, padding), (0, 0)]
    image = jnp.asarray(image)
    larger = padded(image, rims, border=border, fill=draw.fill_of(fill, image.dtype))
    return jax.lax.dynamic_slice(larger, (y, x, jnp.int32(0)), (*new_size, image.shape[2]))


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
      probability: Of the exchange, within [0, 1]; at 0 nothing changes.
      strength: Factor on the probability, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `probability` is outside [0, 1].
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
      probability: Of the exchange, within [0, 1]; at 0 nothing changes.
      strength: Factor on the probability, at least 0, may be traced.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: `probability` is outside [0, 1].
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
