"""Domain randomisation: a picture composed of objects, a random ground, distractors and light.

A scene is made of layers, from the back to the front: the ground, distractors, the objects, more
distractors. Each object has a place, a scale, a rotation and a texture of its own; the viewpoint
moves all layers alike, and each pixel is resampled once. Then it is lit.

An object is a picture on a black ground with a mask α, its opacity. Black where α is 0, it is
already multiplied by its mask, and is laid over what is behind it by x·texture + (1 − α)·behind: a
picture whose mask is its own brightness, as `mask_of` gives it, comes back bit for bit from a white
texture on a black ground.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.colour import gamma_contrast
from cnnjax.augment.draw import Image, NewImage, Number, Range, Scalar, Size
from cnnjax.augment.geometry import SMALLEST_SCALE, affine_matrix
from cnnjax.augment.homography import LARGEST_CORNER, draw_perspective
from cnnjax.augment.motion import Motion, compose, move_image
from cnnjax.augment.weather import octave_noise
from cnnjax.ops.pixels import as_pixels, floats, unit
from cnnjax.ops.stored import stored

Pictures = Num[Array | np.ndarray, "pictures picture_height picture_width channels"]


_RANGES = ("scale", "distractor_size", "gain", "gamma")


@dataclasses.dataclass(frozen=True)
class Randomisation:
    """How much may vary in a scene; the numbers hold at strength 1.

    The strength s multiplies the rotation, the viewpoint, the light and the deviation of the scale
    from 1. Up to s = 1 it also multiplies the shift of a single object and is the probability with
    which a distractor appears, the opacity of the ground, black below it, and of the texture, white
    below it.

    Attributes:
      rotation: Degrees r: an object turns by an angle in ±r.
      scale: Factor on an object's own size, above 0, or a pair (low, high) to draw it from.
      translation: Fraction f of the scene's extent: an object's centre is shifted by up to f from
        the scene's, or by as much more as leaves the whole of its canvas inside.
      viewpoint: Fraction of the scene's extent by which each corner goes in or out, at most 0.24.
      distractors: How many there are at most; half of them fly in front of the objects.
      distractor_size: Half the side of a rectangle and the radius of a disc, as a range of
        fractions of the scene's shorter side. A bar is thrice as long and a quarter as wide.
      relief: How far the ground's noise or gradient departs from its mean, 0 to 1; an object's
        texture departs half as far.
      contrast: The least difference between an object's colour and the ground's mean, in every
        channel, at any strength and before the relief; 0 to 1/3, or at strength 2/3 none might do.
      gain: The light L, or a pair to draw it from, at least 0. Up to 1 it is a factor on the values
        of the scene, x·L; a brighter one gives x·L / (1 + (L − 1)·x), which leaves white and black
        as they are and changes a small difference by a factor between 1/L and L.
      slope: Fraction g: along a random direction the light falls or rises by a factor in 1 ± g.
      gamma: Exponent on the values of the scene, or a pair to draw it from, at least 0.

    Raises:
      ValueError: A number is outside its range.
    """

    rotation: Number = 15.0
    scale: Range = (0.8, 1.2)
    translation: Number = 0.1
    viewpoint: Number = 0.1
    distractors: int = 4
    distractor_size: Range = (0.03, 0.1)
    relief: Number = 0.4
    contrast: Number = 0.3
    gain: Range = (0.7, 1.3)
    slope: Number = 0.3
    gamma: Range = (0.7, 1.4)

    def __post_init__(self) -> None:
        for name, least, most in (
            ("rotation", 0, 180),
            ("scale", SMALLEST_SCALE, np.inf),
            ("translation", 0, 1),
            ("viewpoint", 0, LARGEST_CORNER),
            ("distractor_size", 0, 1),
            ("relief", 0, 1),
            ("contrast", 0, 1 / 3),
            ("gain", 0, np.inf),
            ("slope", 0, 1),
            ("gamma", 0, np.inf),
        ):
            value = getattr(self, name)
            low, high = draw.ends(name, value, least=least, most=most)
            pair = np.ndim(value) > 0
            if name not in _RANGES and pair:
                raise ValueError(f"{name}={value!r}: expected a number")
            if not isinstance(value, int | float | tuple):  # what is compiled in must be hashable
                object.__setattr__(self, name, (low, high) if pair else low)
        count = draw.whole_number("distractors", self.distractors, least=0)
        object.__setattr__(self, "distractors", count)


class Composition(NamedTuple):
    """A scene of one picture, with where its objects are.

    Attributes:
      image: Floats in [0, 1].
      opacities: Each object's mask as it would be with nothing in front of it, in [0, 1].
      masks: The share of each pixel in which the object is seen, in [0, 1]: its opacity times the
        transparency of everything in front of it.
      motion: How each object got where it is, for `move_points`: a motion whose matrices have the
        objects as their first axis.
    """

    image: NewImage
    opacities: Float[Array, "objects height width"]
    masks: Float[Array, "objects height width"]
    motion: Motion


def check_full(full: object) -> None:
    """Refuses what cannot be the brightness from which on an object hides everything.

    Args:
      full: As in `mask_of`.

    Raises:
      ValueError: It is not a number in (0, 1].
    """
    if not isinstance(full, int | float | np.number) or not 0 < full <= 1:
        raise ValueError(f"full={full!r}: expected a number in (0, 1]")


def mask_of(image: Image, *, full: Number = 1.0) -> Float[Array, "height width"]:
    """Gives the opacity of an object on a black ground: α = min(1, max over channels / full).

    Args:
      image: The object, in [0, 1].
      full: The brightness from which on it hides everything, in (0, 1]. 1 suits ink, whose greys
        are thinner; clothes with dark patterns want less.

    Returns:
      The mask, in [0, 1].

    Raises:
      ValueError: `full` is not in (0, 1].

    >>> import jax.numpy as jnp
    >>> mask_of(jnp.array([[[0.0, 0.1], [0.2, 0.3]]]), full=0.2).tolist()
    [[0.5, 1.0]]
    """
    check_full(full)
    return jnp.minimum(jnp.max(draw.float_image(image), axis=-1) / full, 1.0)


def in_scene(
    key: PRNGKeyArray,
    image: Image,
    *,
    full: Number = 1.0,
    pictures: Pictures | None = None,
    randomisation: Randomisation = Randomisation(),
    strength: Scalar = 1.0,
) -> NewImage:
    """Shows the object of an image, bright on black, in a random scene on the image's own canvas.

    Args:
      key: The random key.
      image: The object on a black ground, in [0, 1].
      full: The brightness from which on the object hides the ground, in (0, 1]: see `mask_of`.
      pictures: Grounds to choose from besides noise and gradients, such as `photographs`: see
        `compose_scene`.
      randomisation: What varies, and how far.
      strength: Amount of randomisation, at least 0; may be traced. At 0 the image is given back.

    Returns:
      The scene, in [0, 1]: see `compose_scene`. Beyond the border the ground goes on mirrored, and
      there are no objects.

    Raises:
      ValueError: `full` is not in (0, 1], or the pictures do not fit the image.

    Reference:
      Tobin, Fong, Ray, Schneider, Zaremba, Abbeel (2017), Domain randomization for transferring
      deep neural networks from simulation to the real world, arXiv 1703.06907.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import augment
    >>> augment.in_scene(jax.random.key(0), jnp.ones((28, 28, 1))).shape
    (28, 28, 1)
    """
    image = draw.pixel_image(image)
    values = draw.float_image(image)
    made = compose_scene(
        key,
        values[None],
        mask_of(values, full=full)[None],
        size=(values.shape[0], values.shape[1]),
        pictures=pictures,
        randomisation=randomisation,
        strength=jnp.asarray(strength, jnp.float32),
    )
    return as_pixels(made.image, image.dtype)


# Compiled as a whole also where the caller compiles nothing: piece by piece takes seven times as
# long.
@functools.partial(jax.jit, static_argnames=("size", "randomisation"))
def compose_scene(
    key: PRNGKeyArray,
    objects: Float[Array | np.ndarray, "objects old_height old_width channels"],
    masks: Float[Array | np.ndarray, "objects old_height old_width"],
    *,
    size: Size,
    pictures: Pictures | None = None,
    randomisation: Randomisation = Randomisation(),
    strength: Scalar = 1.0,
) -> Composition:
    """Composes a scene, the first object to lie farthest back.

    A single object starts in the middle of the scene and leaves it with the strength. Several
    objects would hide one another there: their places are drawn from the whole scene whatever the
    strength.

    The ground is one of smooth noise, a gradient and, where there are any, a window of a picture.
    An object's texture is noise about a colour that stands out from the ground. At amount a both
    are on their way from white and from black: the ground's mean m is shown as a·m, and the colour
    is even over what [1 − a, 1] has outside a·m ± c, with c the contrast, in every channel. Where
    the viewpoint shows what is beyond the scene's border, the ground goes on mirrored.

    Args:
      key: The random key.
      objects: Objects on a black ground, in [0, 1], none brighter than its mask.
      masks: Their opacities, in [0, 1]; a mask of zeros leaves its object out.
      size: (height, width) of the scene, in pixels.
      pictures: Grounds to choose from, uint8 or floats in [0, 1], at least as large as the scene,
        such as `photographs`. A third of the grounds are windows of them.
      randomisation: What varies, and how far.
      strength: Amount of randomisation, at least 0; may be traced. At 0 the objects are as they
        are, in whole pixels, a single one centred (an odd row or column goes below and to its
        right), on black.

    Returns:
      The scene and where its objects are.

    Raises:
      ValueError: The pictures are smaller than the scene or have other channels than the objects.
    """
    objects, masks = floats(objects, "objects"), floats(masks, "masks")
    count, old_height, old_width, channels = objects.shape
    if pictures is not None and (
        min(np.subtract(pictures.shape[1:3], size)) < 0 or pictures.shape[3] != channels
    ):
        raise ValueError(
            f"pictures of shape {tuple(pictures.shape)}: expected at least {size[0]} × {size[1]} "
            f"pixels and {channels} channels"
        )
    strength = jnp.asarray(strength, jnp.float32)
    amount = jnp.minimum(strength, 1.0)
    view_key, gamma_key, noise_key, texture_key, key = jax.random.split(key, 5)
    numbers, each, flying = _numbers(
        key, (7 + 2 * channels,), (count, 4 + channels), (8 + channels, randomisation.distractors)
    )

    inward = (-randomisation.viewpoint, randomisation.viewpoint)
    view = draw_perspective(view_key, size, inward=inward, strength=strength)
    noise = octave_noise(noise_key, size)
    ground = _ground(numbers[3:], noise, channels, pictures, randomisation)
    ground = amount * ground
    mean = jnp.mean(ground, (0, 1))
    colours = _standing_out(each[:, 4:], mean, randomisation.contrast, amount)
    relief = amount * randomisation.relief
    texture = _texture(texture_key, colours, (old_height, old_width), relief)

    shapes, in_front = _distractors(flying, size, randomisation, amount)
    behind = _over(shapes * ~in_front)
    ahead = _over(shapes * in_front)
    ground = ground * behind.gap[..., None] + behind.seen
    far_and_near = jnp.concatenate([ground, ahead.seen, 1 - ahead.gap[..., None]], -1)
    far_and_near = stored(move_image(far_and_near, view, border="reflect"))
    ground, near, hidden = jnp.split(far_and_near, [channels, 2 * channels], -1)

    def place(u: Array) -> Motion:
        places = _place(u, (old_height, old_width), size, count > 1, randomisation, strength)
        return compose([places, view])

    motion = jax.vmap(place)(each[:, :4])
    layers = jnp.concatenate([objects * texture, masks[..., None]], -1)
    layers = stored(jax.vmap(move_image)(layers, motion))
    middle = _over(layers)

    image = (ground * middle.gap[..., None] + middle.seen) * (1 - hidden) + near
    return Composition(
        image=_lit(gamma_key, numbers[:3], image, randomisation, strength),
        opacities=layers[..., -1],
        masks=middle.shares * (1 - hidden[..., 0]),
        motion=motion,
    )


def _numbers(key: Array, *shapes: tuple[int, ...]) -> list[Array]:
    """Arrays from U(0, 1), in one draw: drawing is most of what there is to be compiled."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    drawn = jnp.split(jax.random.uniform(key, (ends[-1],)), ends[:-1])
    return [part.reshape(shape) for part, shape in zip(drawn, shapes, strict=True)]


def _parameter(u: Array, value: Range, neutral: Number, strength: Array) -> Array:
    """As `draw.parameter` without bounds, of a number already drawn."""
    return draw.moved(draw.between(value, u), neutral=neutral, strength=strength)


class _Stack(NamedTuple):
    """What layers look like together: what is seen of them, through what, and each one's share."""

    seen: Float[Array, "height width channels"]
    gap: Float[Array, "height width"]
    shares: Float[Array, "layers height width"]


def _over(layers: Float[Array, "layers height width channels_and_opacity"]) -> _Stack:
    """Lays layers over each other, the last on top; each holds colour · opacity, and opacity."""
    gap = jnp.ones(layers.shape[1:3])
    seen = jnp.zeros((*layers.shape[1:3], layers.shape[3] - 1))
    shares = []
    for layer in layers[::-1]:
        seen = seen + layer[..., :-1] * gap[..., None]
        shares.append(layer[..., -1] * gap)
        gap = gap * (1 - layer[..., -1])
    return _Stack(seen, gap, jnp.stack(shares[::-1]) if shares else layers[..., -1])


def _place(
    u: Float[Array, "4"],
    old_size: Size,
    size: Size,
    several: bool,
    randomisation: Randomisation,
    strength: Array,
) -> Motion:
    """From an object's canvas to the scene's."""
    factor = _parameter(u[0], randomisation.scale, 1.0, strength)
    factor = jnp.maximum(factor, SMALLEST_SCALE)
    turn = (-randomisation.rotation, randomisation.rotation)
    angle = _parameter(u[1], turn, 0.0, strength)

    extent, old_extent = jnp.array(size, jnp.float32), jnp.array(old_size, jnp.float32)
    reach = jnp.maximum((extent - factor * old_extent) / 2, randomisation.translation * extent)
    middle = (extent - old_extent) / 2
    shift = (2 * u[2:] - 1) * reach
    if several:
        place = middle + shift
        # At strength 0 in whole pixels, or objects would be blurred.
        down, right = jnp.where(strength > 0, place, jnp.floor(place))
    else:
        # The middle in whole pixels, or an object of odd size would be blurred on an even canvas.
        down, right = jnp.floor(middle) + jnp.minimum(strength, 1.0) * shift
    matrix = affine_matrix(
        rotation=angle, scale=(factor, factor), translation=(down, right), size=old_size
    )
    return Motion((matrix,), old_size, size)


def _ramp(u: Array, size: Size) -> Float[Array, "height width"]:
    """A plane that rises from −1 to 1 across the canvas in the direction u, in turns."""
    sine, cosine = jnp.sin(2 * np.pi * u), jnp.cos(2 * np.pi * u)
    rows = jnp.linspace(-1, 1, size[0])[:, None] * sine
    columns = jnp.linspace(-1, 1, size[1])[None] * cosine
    return (rows + columns) / (jnp.abs(sine) + jnp.abs(cosine))


def _ground(
    u: Float[Array, " numbers"],
    noise: Float[Array, "height width"],
    channels: int,
    pictures: Pictures | None,
    randomisation: Randomisation,
) -> Float[Array, "height width channels"]:
    size = (noise.shape[0], noise.shape[1])
    kind, start, mean, swing = jnp.split(u, [1, 4, 4 + channels])
    kind = kind * (2 if pictures is None else 3)
    # The ramp's direction and the window's place are never needed together.
    pattern = jnp.where(kind < 1, 2 * noise - 1, _ramp(start[0], size))
    # The channels swing apart, so that what they make is a change of colour and not of light only.
    ground = mean + randomisation.relief * (2 * swing - 1) * pattern[..., None]
    ground = jnp.clip(ground, 0, 1)
    if pictures is None:
        return ground
    room = np.array([len(pictures), *np.subtract(pictures.shape[1:3], size) + 1])
    corner = jnp.floor(start * room).astype(jnp.int32)
    window = jax.lax.dynamic_slice(jnp.asarray(pictures), (*corner, 0), (1, *size, channels))[0]
    return jnp.where(kind < 2, ground, unit(window))


def _standing_out(
    u: Float[Array, "objects channels"],
    ground: Float[Array, " channels"],
    contrast: Number,
    amount: Array,
) -> Float[Array, "objects channels"]:
    """Colours that are even over what [1 − amount, 1] has outside ground ± contrast."""
    least = 1 - amount
    low, high = (jnp.clip(ground + side, least, 1) for side in (-contrast, contrast))
    below = low - least
    place = u * (below + 1 - high)
    return jnp.where(place < below, least + place, high + place - below)


def _texture(
    key: Array, colours: Float[Array, "objects channels"], size: Size, relief: Array
) -> Float[Array, "objects height width channels"]:
    keys = jax.random.split(key, len(colours))
    noise = jax.vmap(lambda each: octave_noise(each, size))(keys)
    return jnp.clip(colours[:, None, None] + relief * (noise - 0.5)[..., None], 0, 1)


def _distractors(
    u: Float[Array, "numbers distractors"], size: Size, randomisation: Randomisation, amount: Array
) -> tuple[
    Float[Array, "distractors height width channels_and_opacity"],
    Bool[Array, "distractors 1 1 1"],
]:
    """Discs, rectangles and bars with edges as soft as a pixel, and which of them are in front."""
    u = u[..., None, None]
    appears, in_front, kind, row, column, tall, wide, angle = u[:8]
    half_tall, half_wide = (
        min(size) * draw.between(randomisation.distractor_size, side) for side in (tall, wide)
    )
    is_bar = kind > 2 / 3
    half_tall = jnp.where(is_bar, 3 * half_tall, half_tall)
    half_wide = jnp.where(is_bar, half_wide / 4, half_wide)

    down = jnp.arange(size[0])[:, None] - (row * size[0] - 0.5)
    right = jnp.arange(size[1])[None] - (column * size[1] - 0.5)
    cosine, sine = jnp.cos(np.pi * angle), jnp.sin(np.pi * angle)
    along, across = cosine * down + sine * right, cosine * right - sine * down
    box = jnp.maximum(jnp.abs(along) - half_tall, jnp.abs(across) - half_wide)
    disc = jnp.hypot(along, across) - half_tall
    distance = jnp.where(kind < 1 / 3, disc, box)
    opacity = jnp.where(appears < amount, jnp.clip(0.5 - distance, 0, 1), 0.0)[..., None]
    colour = jnp.moveaxis(u[8:], 0, -1)
    return jnp.concatenate([colour * opacity, opacity], -1), (in_front < 0.5)[..., None]


def _lit(
    gamma_key: Array,
    u: Float[Array, "3"],
    image: NewImage,
    randomisation: Randomisation,
    strength: Array,
) -> NewImage:
    """The scene under a light of its own: v = x^γ becomes L·v / (1 + max(L − 1, 0)·v).

    L is gain · (1 + slope · ramp). A dim light multiplies; a bright one cannot, or all that it
    takes beyond 1 would be white, and an object lost on its ground.
    """
    slopes = (-randomisation.slope, randomisation.slope)
    gain = _parameter(u[0], randomisation.gain, 1.0, strength)
    slope = _parameter(u[1], slopes, 0.0, strength)
    light = gain * (1 + slope * _ramp(u[2], (image.shape[0], image.shape[1])))
    light = jnp.maximum(light, 0)[..., None]
    bent = gamma_contrast(gamma_key, image, gamma=randomisation.gamma, strength=strength)
    return jnp.clip(bent * light / (1 + jnp.maximum(light - 1, 0) * bent), 0, 1)
