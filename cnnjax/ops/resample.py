"""Resampling: reading images between their pixels.

One reading serves every geometric operation of the package. An image continues beyond its border
pixel by pixel, and the interpolation knows it: with zeros outside, a value read half a pixel
outside is half of the border pixel. That is `mode="grid-constant"`, `cval=0`, `order=1` of
scipy.ndimage; it is continuous in the coordinates, whereas scipy's `mode="constant"` drops to 0 at
the border pixel's centre. The two differ only within one pixel outside the border.

Positions are (row, column): row 0 is the top one, rows grow downwards, and whole numbers are the
centres of pixels.
"""

import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Shaped

from cnnjax.ops.pixels import floats, whole
from cnnjax.ops.stored import on_stored

Images = Float[Array | np.ndarray, "*batch height width channels"]
AnyImages = Shaped[Array | np.ndarray, "*batch height width channels"]
Coordinates = Float[Array | np.ndarray, "*#batch 2 new_height new_width"]
Pair = tuple[
    Float[Array | np.ndarray, "*#batch #new_height #new_width"],
    Float[Array | np.ndarray, "*#batch #new_height #new_width"],
]
Matrices = Float[Array | np.ndarray, "*batch 2 3"]

# What numpy.pad calls the four continuations, and how many pixels of each are laid around an image
# so that no pixel that is interpolated needs a test.
_PADDING = {"constant": "constant", "edge": "edge", "reflect": "symmetric", "wrap": "wrap"}
_RIM = {"bilinear": 1, "bicubic": 3}
# Which pixels are mixed, from the one before the position.
_TAPS = {"bilinear": range(2), "bicubic": range(-1, 3)}


@functools.partial(jax.jit, static_argnames=("order", "border", "fill"))
def resample(
    images: AnyImages,
    coordinates: Coordinates | Pair | list,
    *,
    order: str = "bilinear",
    border: str = "constant",
    fill: float | int = 0.0,
) -> Shaped[Array, "*batch new_height new_width channels"]:
    """Reads images at given positions.

    out[i, j] = Σ image[⌊y⌋ + a, ⌊x⌋ + b] · w(a − {y}) · w(b − {x}) over whole a and b, where
    (y, x) = coordinates[:, i, j] and {·} is the fractional part. Whole coordinates give the pixels
    back bit for bit, whatever the options, where all of them are finite. All channels of a position
    are fetched at once. What is interpolated of bytes (uint8) is computed in single precision,
    rounded, and clipped to 0..255; they take a third less time than floats on large images, of
    which a CPU waits for the memory.

    - order "nearest": w(t) = 1 for −½ < t ≤ ½; halves go down and to the right. Any dtype.
    - order "bilinear": w(t) = max(0, 1 − |t|).
    - order "bicubic": Keys' w with a = −½: 1.5·|t|³ − 2.5·t² + 1 up to |t| = 1, then
      −0.5·|t|³ + 2.5·t² − 4·|t| + 2 up to 2. It is sharper, and may leave the range of the values.
    - border "constant": every pixel outside is `fill`.
    - border "edge": a a a | a b c | c c c; scipy calls it "nearest".
    - border "reflect": c b a | a b c | c b a; scipy's "reflect", numpy's "symmetric".
    - border "wrap": a b c | a b c | a b c; scipy's "grid-wrap".

    Args:
      images: One image or any number of leading batch axes.
      coordinates: The row and the column to read for each pixel of the result, in pixels. Leading
        axes as in `images`, or 1, or none, where all images share their coordinates. A pair may
        stand here, the rows and the columns, (…, height, width) both. Where rows stay rows, as
        under shifts and scalings, they may be (…, height, 1) and (…, 1, width), as numpy.ogrid has
        them: images are then interpolated along one axis after the other, in less time.
      order: The interpolation.
      border: How images continue.
      fill: The value outside, on the scale of the images; only "constant" reads it.

    Returns:
      The resampled images, of the images' type.

    Raises:
      ValueError: `order` or `border` is not known, images that are neither floats nor uint8 are to
        be interpolated, or the coordinates are of another shape.

    Reference:
      Keys: Cubic convolution interpolation for digital image processing. IEEE Transactions on
      Acoustics, Speech, and Signal Processing 29, 1981.

    >>> import jax.numpy as jnp
    >>> from cnnjax.ops import resample
    >>> image = jnp.array([[0.0, 4.0]])[..., None]
    >>> rows, columns = jnp.zeros((1, 3)), jnp.array([[0.25, 1.0, 1.5]])
    >>> resample(image, jnp.stack([rows, columns]))[0, :, 0].tolist()
    [1.0, 4.0, 2.0]
    >>> resample(image, jnp.stack([rows, columns]), border="edge")[0, :, 0].tolist()
    [1.0, 4.0, 4.0]
    """
    images = jnp.asarray(images)
    if order not in ("nearest", *_RIM):
        raise ValueError(f"order={order!r}: expected one of nearest, {', '.join(_RIM)}")
    of_bytes = images.dtype == np.uint8
    if order != "nearest" and not (of_bytes or jnp.issubdtype(images.dtype, jnp.floating)):
        raise ValueError(
            f"images of type {images.dtype}: expected floats or uint8, or order='nearest'"
        )
    _check_border(border)

    def with_batch_axes(positions: Array, own: int) -> Array:
        return positions[(None,) * (images.ndim - 3 - (positions.ndim - own))]

    if isinstance(coordinates, tuple | list):
        rows, columns = _checked_pair(coordinates)
        # Bytes wait for the memory that positions of their own would take, floats do not.
        if order != "nearest" and (of_bytes or _is_mesh(rows, columns)):
            pair = with_batch_axes(rows, 2), with_batch_axes(columns, 2)
            return _reader(_read_pair, order, border, fill)(images, *pair)
        coordinates = jnp.stack(jnp.broadcast_arrays(rows, columns), -3)
    coordinates = jnp.asarray(coordinates)
    if coordinates.ndim < 3 or coordinates.shape[-3] != 2:
        raise ValueError(
            f"coordinates of shape {coordinates.shape}: expected (…, 2, height, width)"
        )
    return _reader(_read, order, border, fill)(images, with_batch_axes(coordinates, 3))


def padded(
    images: AnyImages, rims: Sequence[tuple[int, int]], *, border: str, fill: float | int
) -> Shaped[Array, "*batch new_height new_width channels"]:
    """Lays rims around images, as `resample` continues them.

    Args:
      images: One image or any number of leading batch axes.
      rims: How much is laid before and after each axis.
      border: "constant", "edge", "reflect" or "wrap": see `resample`.
      fill: The value outside, on the scale of the images; only "constant" reads it.

    Returns:
      The larger images, of the images' type.

    Raises:
      ValueError: `border` is not known.
    """
    _check_border(border)
    images = jnp.asarray(images)
    options = {"constant_values": jnp.asarray(fill, images.dtype)} if border == "constant" else {}
    return jnp.pad(images, rims, mode=_PADDING[border], **options)


def _check_border(border: str) -> None:
    if border not in _PADDING:
        raise ValueError(f"border={border!r}: expected one of {', '.join(_PADDING)}")


def _checked_pair(coordinates: Sequence) -> tuple[Array, Array]:
    if len(coordinates) == 2:
        rows, columns = map(jnp.asarray, coordinates)
        same = rows.shape[-2:] == columns.shape[-2:]
        if min(rows.ndim, columns.ndim) >= 2 and (same or _is_mesh(rows, columns)):
            return rows, columns
    shapes = ", ".join(str(jnp.shape(each)) for each in coordinates)
    raise ValueError(
        f"coordinates of shapes {shapes}: expected (…, height, width) twice, or (…, height, 1) and "
        "(…, 1, width)"
    )


def _is_mesh(rows: Array, columns: Array) -> bool:
    return rows.shape[-1] == columns.shape[-2] == 1


@functools.cache
def _reader(read: Callable, order: str, border: str, fill: float | int) -> Callable[..., Array]:
    """Gives `_read` or `_read_pair`, such that a vmap over it becomes one more batch axis.

    What jax.vmap itself makes of a gather takes half as long again on the CPU. A rule for vmap
    cannot be differentiated backwards, hence the derivative is told to use `read` as it is.
    """
    plain = functools.partial(read, order=order, border=border, fill=fill)
    batched = custom_vmap(plain)

    @batched.def_vmap
    def as_batch(
        count: int, mapped: Sequence[bool], images: Array, *positions: Array
    ) -> tuple[Array, bool]:
        if not mapped[0]:
            images = jnp.broadcast_to(images, (count, *images.shape))
        each = zip(positions, mapped[1:], strict=True)
        own = [position if is_mapped else position[None] for position, is_mapped in each]
        return batched(images, *own), True

    reader = jax.custom_jvp(batched)
    reader.defjvp(functools.partial(jax.jvp, plain))
    return reader


def _read(
    images: Array, coordinates: Array, *, order: str, border: str, fill: float | int
) -> Array:
    batch, channels = images.shape[:-3], images.shape[-1]
    size = coordinates.shape[-2:]
    positions = _flat(coordinates, batch, 3)
    if order == "nearest":
        result = _nearest(images, positions, border, fill)
    else:
        result = _interpolated(images, positions[:, 0], positions[:, 1], order, border, fill)
    return result.reshape(*batch, *size, channels)


def _read_pair(
    images: Array, rows: Array, columns: Array, *, order: str, border: str, fill: float | int
) -> Array:
    batch, channels = images.shape[:-3], images.shape[-1]
    size = rows.shape[-2], columns.shape[-1]
    y, x = _flat(rows, batch, 2), _flat(columns, batch, 2)
    interpolated = _interpolated_along_axes if _is_mesh(rows, columns) else _interpolated
    return interpolated(images, y, x, order, border, fill).reshape(*batch, *size, channels)


def _flat(positions: Array, batch: tuple[int, ...], own: int) -> Array:
    """Positions for each image of the batch, which becomes one axis."""
    shape = positions.shape[-own:]
    positions = jnp.broadcast_to(positions, (*batch, *shape)).reshape(math.prod(batch), *shape)
    # The pixel and its weight come from one coordinate. Were the compiler to simplify the two uses
    # apart, they could round differently and disagree by a whole pixel; the barrier forbids it.
    return jax.lax.optimization_barrier(positions)


def _nearest(images: Array, positions: Array, border: str, fill: float | int) -> Array:
    # Without a rim: where it is read only once, the CPU compiler does not lay it, but tests at each
    # pixel that is fetched whether it is of the rim, which took up to eight times as long.
    *_, height, width, channels = images.shape
    pixels = images.reshape(-1, channels)
    # Rounded before it is mirrored, which would turn halves the other way.
    positions = jnp.floor(positions + 0.5)
    y = _folded(positions[:, 0], height, border)
    x = _folded(positions[:, 1], width, border)
    row, column = jnp.clip(y, 0, height - 1), jnp.clip(x, 0, width - 1)
    first = jnp.arange(len(positions), dtype=jnp.uint32) * (height * width)
    index = first[:, None, None] + whole(row) * width + whole(column)
    result = pixels.at[index].get(mode="promise_in_bounds")
    if border != "constant":
        return result
    outside = jnp.minimum(jnp.abs(y - row) + jnp.abs(x - column), 1)[..., None]
    around = jnp.asarray(fill, result.dtype)
    if jnp.issubdtype(result.dtype, jnp.inexact):  # which need not be finite
        return jnp.where(outside == 1, around, result)
    # Products with 0 and 1: of a choice the compiler makes a branch around the fetching, which
    # takes up to three times as long.
    inside, outside = (1 - outside).astype(result.dtype), outside.astype(result.dtype)
    return inside * result + outside * around


def _interpolated(
    images: Array, y: Array, x: Array, order: str, border: str, fill: float | int
) -> Array:
    rim = _with_rim(images, order, border, fill)
    count, row = rim.shape[1:3]
    pixels = rim.reshape(-1, rim.shape[-1])
    top, down = _between(y, images.shape[-3], count, order, border)
    left, right = _between(x, images.shape[-2], row, order, border)
    first = jnp.arange(len(rim), dtype=jnp.uint32) * (count * row)
    corner = first[:, None, None] + whole(top) * row + whole(left)
    right, down = _weight(right[..., None], images), _weight(down[..., None], images)
    # Each corner is fetched once and named: with the expression written out twice, what the CPU
    # compiler made of the whole was fourteen times slower.
    lines = [
        _mixed(right, [_fetched(pixels, corner + (i * row + j)) for j in _TAPS[order]])
        for i in _TAPS[order]
    ]
    return _as_images(_mixed(down, lines), images, order)


def _interpolated_along_axes(
    images: Array, y: Array, x: Array, order: str, border: str, fill: float | int
) -> Array:
    """As `_interpolated` for a mesh of rows y and columns x: two taps a pixel in place of four."""
    rim = _with_rim(images, order, border, fill)
    top, down = _between(y[..., 0], images.shape[-3], rim.shape[1], order, border)
    left, right = _between(x[..., 0, :], images.shape[-2], rim.shape[2], order, border)
    # Here, where a place is of a whole column, vmap's gather is the faster one.
    columns = jax.vmap(lambda lines, place: _fetched(lines.swapaxes(0, 1), place).swapaxes(0, 1))
    right = _weight(right[:, None, :, None], images)
    across = _mixed(right, [columns(rim, whole(left) + j) for j in _TAPS[order]])

    @on_stored
    def along_columns(across: Array, top: Array, down: Array) -> Array:
        lines = across.reshape(*across.shape[:2], across.shape[2] * across.shape[3])
        return _mixed(down, [jax.vmap(_fetched)(lines, whole(top) + i) for i in _TAPS[order]])

    result = along_columns(across, top, _weight(down[..., None], images))
    return _as_images(result, images, order)


def _with_rim(images: Array, order: str, border: str, fill: float | int) -> Array:
    """The images of the batch with a rim around each, which stands for everything outside."""
    before = _RIM[order]
    # A bilinear read at the very end of the rim takes all of its value from the second of two
    # pixels, p + 1·(q − p), which rounds unless q is 0 or p. Otherwise it gets one pixel more.
    after = before + (order == "bicubic" or (border == "constant" and fill != 0))
    rims = [(0, 0)] * (images.ndim - 3) + [(before, after), (before, after), (0, 0)]
    rim = padded(images, rims, border=border, fill=fill)
    return rim.reshape(-1, *rim.shape[-3:])


def _between(
    position: Array, length: int, with_rim: int, order: str, border: str
) -> tuple[Array, Array]:
    """The pixel of the rim before a position, and how far it is behind it."""
    position = _inside(position, length, border, _RIM[order])
    pixel = jnp.minimum(jnp.floor(position), with_rim - 2)
    return pixel, position - pixel


def _fetched(pixels: Array, place: Array) -> Array:
    taken = pixels.at[place].get(mode="promise_in_bounds")
    # Converted here, so that what is waited for, the memory, holds bytes.
    return taken.astype(jnp.float32) if pixels.dtype == np.uint8 else taken


def _weight(part: Array, images: Array) -> Array:
    return part.astype(jnp.float32 if images.dtype == np.uint8 else images.dtype)


def _mixed(t: Array, taps: Sequence[Array]) -> Array:
    """What is between two pixels at the part t of the way, or between the middle two of four."""
    if len(taps) == 2:
        return taps[0] + t * (taps[1] - taps[0])
    # One whose weight is 1 is given back exactly.
    a, b, c, d = (weight * tap for weight, tap in zip(_keys(t), taps, strict=True))
    return a + b + c + d


def _as_images(result: Array, images: Array, order: str) -> Array:
    if images.dtype != np.uint8:
        return result
    result = jnp.clip(result, 0, 255) if order == "bicubic" else result
    return (result + 0.5).astype(np.uint8)


def _folded(position: Array, length: int, border: str) -> Array:
    """Moves positions to where the same is read in an image, where its continuation repeats it."""
    if border == "wrap":
        return _modulo(position, length)
    if border == "reflect":
        position = _modulo(position, 2 * length)
        return jnp.minimum(position, 2 * length - 1 - position)
    return position


def _modulo(position: Array, period: int) -> Array:
    """As jnp.mod, for which the CPU asks the C library number by number: four times as long."""
    rest = position - period * jnp.floor(position / period)
    # The division may have been rounded up to a whole number, or down from one.
    return jnp.where(rest < 0, rest + period, jnp.where(rest < period, rest, rest - period))


def _inside(position: Array, length: int, border: str, rim: int) -> Array:
    """Moves positions to where the same is read within the rim, counted from the rim's start."""
    position = _folded(position, length, border)
    # For bicubic reads the rim of 3 holds the pixel before the clipped position, too.
    shift = min(rim, 2)
    return jnp.clip(position + shift, 0, length - 1 + 2 * shift) + (rim - shift)


def _keys(t: Array) -> list[Array]:
    """The weights of the pixels at −1, 0, 1 and 2 for a position t in [0, 1)."""
    return [
        t * (-0.5 + t * (1 - 0.5 * t)),
        1 + t * t * (1.5 * t - 2.5),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (0.5 * t - 0.5),
    ]


def affine_coordinates(
    matrices: Matrices, size: tuple[int, int]
) -> Float[Array, "*batch 2 new_height new_width"]:
    """Gives the positions that affine maps send the pixels of a canvas to.

    (y, x) = M[:, :2] · (i, j) + M[:, 2] for pixel (i, j) of the result.

    Args:
      matrices: Maps from the result's (row, column) to the input's, in pixels: the matrix that
        scipy.ndimage.affine_transform takes.
      size: (height, width) of the result.

    Returns:
      Coordinates for `resample`.

    Raises:
      ValueError: The matrices are of another shape, as those of perspectives are.
    """
    matrices = jnp.asarray(matrices)
    if matrices.shape[-2:] != (2, 3):
        raise ValueError(f"matrices of shape {matrices.shape}: expected (…, 2, 3)")
    rows = jnp.arange(size[0], dtype=matrices.dtype)[:, None]
    columns = jnp.arange(size[1], dtype=matrices.dtype)[None, :]
    entries = matrices[..., None, None]
    return entries[..., 0, :, :] * rows + entries[..., 1, :, :] * columns + entries[..., 2, :, :]


@jax.jit
def warp(
    images: Images, matrices: Float[Array | np.ndarray, "*#batch 2 3"]
) -> Float[Array, "*batch height width channels"]:
    """Moves images by affine maps, bilinearly, with zeros outside; the canvas keeps its size.

    Args:
      images: One image or any number of leading batch axes.
      matrices: One map for each image, or one for all, from the result's (row, column) to the
        input's, in pixels.

    Returns:
      The moved images; a map that is exactly the identity gives its image back bit for bit.

    Raises:
      ValueError: The images are not of floats, or the maps are no 2 × 3 matrices.

    >>> import jax.numpy as jnp
    >>> from cnnjax.ops import warp
    >>> image = jnp.array([[1.0, 2.0, 3.0]])[..., None]
    >>> one_to_the_left = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    >>> warp(image, one_to_the_left)[0, :, 0].tolist()
    [2.0, 3.0, 0.0]
    """
    height, width = images.shape[-3:-1]
    return resample(floats(images, "images"), affine_coordinates(matrices, (height, width)))
