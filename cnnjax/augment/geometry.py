"""Affine and perspective maps of the image plane, as the matrices that resampling needs.

Directions, everywhere in the package, for an image displayed with row 0 at the top:

- a positive rotation turns the picture counter-clockwise;
- a positive shear pushes the top to the right and the bottom to the left, as italics do;
- a scale above 1 enlarges the picture; pairs are (vertical, horizontal);
- a positive translation moves the picture down and to the right; pairs are (down, right).

These keep the centre of the canvas, ((height − 1) / 2, (width − 1) / 2), in place.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.augment.draw import Scalar

# However strong, a distortion shrinks no axis below this factor (and never mirrors it by accident).
SMALLEST_SCALE = 0.1


def affine_matrix(
    *,
    rotation: Scalar = 0.0,
    shear: Scalar = 0.0,
    scale: tuple[Scalar, Scalar] = (1.0, 1.0),
    translation: tuple[Scalar, Scalar] = (0.0, 0.0),
    size: tuple[int, int],
) -> Float[Array, "2 3"]:
    """Composes scale, then shear, then rotation, then translation into one map.

    With positions p = (row, column), c the canvas centre, S, H and R the scale, the shear and the
    rotation and t the translation, the picture moves by p ↦ c + R·H·S·(p − c) + t. The result is
    the inverse of that map, from output to input, as resampling needs it. Everything but the size
    may be traced. The defaults give exactly the identity.

    Args:
      rotation: Degrees, counter-clockwise as displayed.
      shear: Horizontal displacement per pixel of height: the tangent of the slant.
      scale: Factors (vertical, horizontal), not 0; a negative one mirrors the picture.
      translation: Pixels (down, right).
      size: (height, width) of the canvas, in pixels.

    Returns:
      M with input = M[:, :2] · output + M[:, 2], the matrix that scipy.ndimage.affine_transform
      takes.

    >>> from cnnjax.augment import affine_matrix
    >>> affine_matrix(translation=(2.0, 0.0), size=(28, 28)).tolist()
    [[1.0, 0.0, -2.0], [0.0, 1.0, 0.0]]
    """
    angle = jnp.deg2rad(jnp.asarray(rotation, jnp.float32))
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    yy, yx = cosine / scale[0], sine / scale[0]
    xy, xx = (shear * cosine - sine) / scale[1], (shear * sine + cosine) / scale[1]
    centre_y, centre_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    from_y, from_x = centre_y + translation[0], centre_x + translation[1]
    y = centre_y - (yy * from_y + yx * from_x)
    x = centre_x - (xy * from_y + xx * from_x)
    return jnp.stack([jnp.stack([yy, yx, y]), jnp.stack([xy, xx, x])]).astype(jnp.float32)


def perspective_matrix(
    corners: Float[Array | np.ndarray, "4 2"], size: tuple[int, int]
) -> Float[Array, "3 3"]:
    """Gives the homography that moves the corners of the canvas to given places.

    The unit square goes to a quadrilateral (p₀, p₁, p₂, p₃) by (u, v) ↦ (a·u + b·v + p₀) /
    (g·u + h·v + 1), a = p₁ − p₀ + g·p₁, b = p₃ − p₀ + h·p₃, where g and h solve
    g·(p₁ − p₂) + h·(p₃ − p₂) = p₀ − p₁ + p₂ − p₃ (Cramer's rule below). The result is the inverse
    of that map, the adjugate of its matrix, followed by the scaling of the unit square to the
    canvas.

    Args:
      corners: (row, column) where the upper left, upper right, lower right and lower left corner
        go, in pixels: a convex quadrilateral. The corners of the canvas itself lie half a pixel
        outside the centres of its corner pixels, at −½ and size − ½.
      size: (height, width) of the canvas, in pixels.

    Returns:
      M, which sends a position (y, x) of the result to (a / c, b / c), (a, b, c) = M · (y, x, 1);
      exactly the identity where the corners stay.

    Reference:
      Heckbert: Fundamentals of texture mapping and image warping. Master's thesis, Berkeley 1989.
    """
    corners = jnp.asarray(corners, jnp.float32)
    height, width = size
    p0, p3, p2, p1 = corners
    excess, left, right = p0 - p1 + p2 - p3, p1 - p2, p3 - p2
    area = left[0] * right[1] - left[1] * right[0]
    g = (excess[0] * right[1] - excess[1] * right[0]) / area
    h = (left[0] * excess[1] - left[1] * excess[0]) / area
    # The columns of the forward matrix; the cross products are the rows of its adjugate.
    a = jnp.append(p1 - p0 + g * p1, g)
    b = jnp.append(p3 - p0 + h * p3, h)
    c = jnp.append(p0, 1.0)
    u, v, w = jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)
    matrix = jnp.stack([height * u - w / 2, width * v - w / 2, w])
    # The depth is 1 in the middle of the corners, and so above 0 wherever the picture is.
    matrix = matrix / (jnp.sum(w[:2] * jnp.mean(corners, 0)) + w[2])
    stay = jnp.all(corners == canvas_corners(size))
    return jnp.where(stay, jnp.eye(3), matrix)


def canvas_corners(size: tuple[int, int]) -> Float[np.ndarray, "4 2"]:
    """Gives the canvas's corners as `perspective_matrix` takes them: clockwise from upper left.

    Args:
      size: (height, width) of the canvas, in pixels.

    Returns:
      (row, column) of each corner: half a pixel beyond the centres of the outermost pixels.
    """
    bottom, right = size[0] - 0.5, size[1] - 0.5
    return np.array([[-0.5, -0.5], [-0.5, right], [bottom, right], [bottom, -0.5]], np.float32)
