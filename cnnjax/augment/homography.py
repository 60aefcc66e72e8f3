"""Random perspectives of one image, key first.

It comes twice: `perspective` moves an image, `draw_perspective` gives the same key's motion, to be
composed with others and applied to masks, points and boxes by `cnnjax.augment.motion`.
"""

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar, Size
from cnnjax.augment.geometry import canvas_corners, perspective_matrix
from cnnjax.augment.motion import Motion, move_image

# Beyond this fraction of the size, corners could fold the canvas.
LARGEST_CORNER = 0.24


def draw_perspective(
    key: PRNGKeyArray, size: Size, *, inward: Range = (-0.1, 0.1), strength: Scalar = 1.0
) -> Motion:
    """Draws what `perspective` does.

    Args:
      key: The random key.
      size: (height, width) of the image, in pixels.
      inward: As in `perspective`.
      strength: As in `perspective`.

    Returns:
      The motion; exactly the identity at strength 0.

    Raises:
      ValueError: A parameter is outside its range.
    """
    draw.check_size(size)
    drawn = draw.several(8, key, "inward", inward, 0, strength, -LARGEST_CORNER, LARGEST_CORNER)
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
    motion = draw_perspective(key, draw.size_of(image), inward=inward, strength=strength)
    return move_image(image, motion, order=order, border=border, fill=fill)
