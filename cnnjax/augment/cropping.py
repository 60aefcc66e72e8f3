"""Random crops of one image, key first: cut out in whole pixels, or cropped, padded and resized.

Each comes twice: `crop` cuts an image, `draw_crop` gives the same key's motion, to be composed
with others and applied to masks, points and boxes by `cnnjax.augment.motion`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar, Size
from cnnjax.augment.motion import Motion, move_image
from cnnjax.ops.resample import padded

# Beyond this fraction of the size, sides of a canvas could meet.
LARGEST_CROP = 0.45


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
    drawn = draw.several(2, key, "position", position, 0.5, strength, 0, 1)
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
      new_size: As in `crop`.
      padding: As in `crop`.
      position: As in `crop`.
      strength: As in `crop`.

    Returns:
      The motion; at strength 0 it cuts out the middle.

    Raises:
      ValueError: A parameter is outside its range.
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
    size = draw.size_of(image)
    new_size = size if new_size is None else new_size
    draw.check_fill(fill)
    y, x = _corner(key, size, new_size, padding, position, strength).astype(jnp.int32)
    # The same bits as by the motion, without a resample: thirty times faster.
    rims = [(padding, padding), (padding, padding), (0, 0)]
    image = jnp.asarray(image)
    larger = padded(image, rims, border=border, fill=draw.fill_of(fill, image.dtype))
    return jax.lax.dynamic_slice(larger, (y, x, jnp.int32(0)), (*new_size, image.shape[2]))


def draw_crop_and_pad(
    key: PRNGKeyArray, size: Size, *, fraction: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `crop_and_pad` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      fraction: As in `crop_and_pad`.
      strength: As in `crop_and_pad`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    sides = draw.several(4, key, "fraction", fraction, 0, strength, -LARGEST_CROP)
    top, left, bottom, right = sides

    def axis(first: Array, last: Array, length: int) -> tuple[Array, Array]:
        step = 1 + first + last
        return step, 0.5 * step - 0.5 - first * length

    (down, y), (across, x) = axis(top, bottom, size[0]), axis(left, right, size[1])
    zero = jnp.zeros_like(y)
    matrix = jnp.stack([jnp.stack([down, zero, y]), jnp.stack([zero, across, x])])
    return Motion((matrix,), size, size)


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
    motion = draw_crop_and_pad(key, draw.size_of(image), fraction=fraction, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill, upright=True)
