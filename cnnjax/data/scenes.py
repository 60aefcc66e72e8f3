"""Synthetic scenes with their ground truth: boxes, masks and labels, made on the device from a key.

    digits = load("digits").train
    make = lambda key: scene(key, digits.images, digits.labels, size=(64, 64), most=4)
    scenes = jax.jit(jax.vmap(make))(jax.random.split(key, 128))

How the picture is composed is `augment.compose_scene`; here objects are drawn from a set of images,
and what can be seen of each is turned into what a detector learns from.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Num, PRNGKeyArray, Shaped

from cnnjax.augment import Motion, Randomisation, compose_scene, mask_of, move_points
from cnnjax.augment.draw import check_size, whole_number
from cnnjax.ops import unit

LEAST_VISIBLE = 0.25
"""An object of whose mask less than this share is seen, on the canvas, is not annotated."""


class Scene(NamedTuple):
    """A picture and its objects, as many as may be drawn at most, the farthest back first.

    Attributes:
      image: Floats in [0, 1].
      boxes: (y0, x0, y1, x1) in pixels, whole numbers on the canvas: the smallest box around what
        is seen of the object, as in PASCAL VOC, and not around what is hidden behind others or off
        the canvas. An object is where its mask is above half of its own opacity's highest value.
      labels: Its class.
      masks: The share of each pixel in which the object is seen, in [0, 1].
      valid: Whether the object is there and at least `LEAST_VISIBLE` of its mask is seen. Where
        not, box and mask are zeros and the label is −1: it is an object that cannot be found.
      motion: How each object got where it is: a motion with the objects as its first axis, for the
        key points of one. An object that was not drawn has one as well.
    """

    image: Float[Array, "height width channels"]
    boxes: Float[Array, "objects 4"]
    labels: Int[Array, " objects"]
    masks: Float[Array, "objects height width"]
    valid: Bool[Array, " objects"]
    motion: Motion


def scene(
    key: PRNGKeyArray,
    images: Num[Array | np.ndarray, "examples old_height old_width old_channels"],
    labels: Integer[Array | np.ndarray, " examples"],
    *,
    size: tuple[int, int],
    masks: Shaped[Array | np.ndarray, "examples old_height old_width"] | None = None,
    full: float = 1.0,
    least: int = 1,
    most: int = 1,
    channels: int | None = None,
    pictures: Num[Array | np.ndarray, "pictures picture_height picture_width channels"]
    | None = None,
    randomisation: Randomisation = Randomisation(),  # noqa: B008
    strength: float | Float[Array, ""] = 1.0,
) -> Scene:
    """Makes a scene of objects drawn from a set of images.

    Args:
      key: The random key; the same key gives the same bits. Batch with jax.vmap over keys.
      images: Objects, uint8 or floats in [0, 1], on a black ground; with `masks` any ground.
      labels: Their classes.
      size: (height, width) of the scene, in pixels.
      masks: The objects' opacities: uint8, booleans, or floats in [0, 1]. None takes their
        brightness: `augment.mask_of`.
      full: The brightness from which on an object hides everything; read where `masks` is None.
      least: The smallest number of objects, 0 or more.
      most: The largest number, at least 1; every number between is as likely. With 1, strength 0
        shows the plain object in the middle; with more, they are spread at any strength.
      channels: Of the scene; grey objects can be put into a coloured one. None keeps the images'.
      pictures: Grounds to choose from besides noise and gradients, uint8 or floats in [0, 1], at
        least as large as the scene, of its channels; such as `augment.photographs`.
      randomisation: What varies, and how far.
      strength: Amount of randomisation, at least 0; may be traced.

    Returns:
      The scene. Its arrays have the shapes of `most` objects, however many there are.

    Raises:
      ValueError: There is no image, or not one label, a whole number, or mask of its size, for
        each; the size is no pair; the numbers of objects are no whole numbers with 0 ≤ least ≤ most
        and 1 ≤ most; the channels do not fit the images, or the pictures the scene, or there are no
        pictures.

    >>> import jax, numpy as np
    >>> from cnnjax.data import scenes
    >>> images, labels = np.full((2, 4, 4, 1), 255, np.uint8), np.array([3, 5])
    >>> plain = scenes.scene(jax.random.key(0), images, labels, size=(8, 8), strength=0.0)
    >>> plain.boxes.tolist(), plain.valid.tolist()
    ([[2.0, 2.0, 6.0, 6.0]], [True])
    """
    if not len(images):
        raise ValueError("no images: expected at least one to draw objects from")
    for name, each in (("labels", labels), ("masks", masks)):
        if each is not None and len(each) != len(images):
            raise ValueError(f"{len(each)} {name} for {len(images)} images: expected as many")
    if masks is not None and masks.shape != images.shape[:3]:
        raise ValueError(f"masks of shape {masks.shape}: expected {images.shape[:3]}, the images'")
    # Others would be broadcast, or cut off to whole numbers, without a word.
    if labels.ndim != 1 or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} and type {labels.dtype}: expected whole "
            f"numbers of shape ({len(images)},)"
        )
    if pictures is not None and not len(pictures):
        raise ValueError("no pictures: expected at least one ground to choose from, or None")
    own = images.shape[-1]
    channels = own if channels is None else channels
    check_size(size)
    least, most = whole_number("least", least, least=0), whole_number("most", most, least=1)
    if least > most:
        raise ValueError(f"least={least}, most={most}: expected least ≤ most")
    if own not in (1, channels):
        raise ValueError(f"channels={channels}: expected {own}, as many as the images have")
    key, which_key, count_key = jax.random.split(key, 3)
    which = jax.random.randint(which_key, (most,), 0, len(images))
    there = jnp.arange(most) < jax.random.randint(count_key, (), least, most + 1)

    objects = unit(jnp.asarray(images)[which])
    if masks is None:
        opacities = jax.vmap(lambda each: mask_of(each, full=full))(objects)
    else:
        opacities = unit(jnp.asarray(masks)[which])
        objects = objects * opacities[..., None]
    shown = there[:, None, None]
    objects = jnp.broadcast_to(objects * shown[..., None], (*objects.shape[:3], channels))
    made = compose_scene(
        key,
        objects,
        opacities * shown,
        size=(size[0], size[1]),
        pictures=pictures,
        randomisation=randomisation,
        strength=jnp.asarray(strength, jnp.float32),
    )

    seen = jnp.sum(made.masks, (1, 2))
    whole = jnp.sum(opacities * shown, (1, 2)) * jax.vmap(_enlargement)(made.motion)
    inside = made.masks > 0.5 * jnp.max(made.opacities, (1, 2), keepdims=True)
    valid = jnp.any(inside, (1, 2)) & (seen >= LEAST_VISIBLE * whole)
    return Scene(
        image=made.image,
        boxes=jnp.where(valid[:, None], boxes_of(inside), 0.0),
        labels=jnp.where(valid, jnp.asarray(labels, jnp.int32)[which], -1),
        masks=jnp.where(valid[:, None, None], made.masks, 0.0),
        valid=valid,
        motion=made.motion,
    )


def _enlargement(motion: Motion) -> Float[Array, ""]:
    """How much larger the motion makes an area in the middle of its canvas."""
    y, x = ((length - 1) / 2 for length in motion.old_size)
    around = jnp.array([[y - 0.5, x], [y + 0.5, x], [y, x - 0.5], [y, x + 0.5]])
    above, below, left, right = move_points(around, motion)
    down, along = below - above, right - left
    return jnp.abs(down[0] * along[1] - down[1] * along[0])


def boxes_of(masks: Bool[Array | np.ndarray, "objects height width"]) -> Float[Array, "objects 4"]:
    """Gives the smallest box around each mask.

    Args:
      masks: Where each object is.

    Returns:
      (y0, x0, y1, x1) in pixels: the object lies in [y0:y1, x0:x1]. Zeros for an empty mask.

    >>> import jax.numpy as jnp
    >>> boxes_of(jnp.zeros((1, 5, 6), bool).at[0, 1:3, 2:5].set(True)).tolist()
    [[1.0, 2.0, 3.0, 5.0]]
    """
    masks = jnp.asarray(masks)
    ends = []
    for other in (2, 1):
        line = jnp.any(masks, axis=other)
        first = jnp.argmax(line, axis=1)
        last = line.shape[1] - jnp.argmax(line[:, ::-1], axis=1)
        ends.append((first, jnp.where(jnp.any(line, axis=1), last, 0)))
    (y0, y1), (x0, x1) = ends
    return jnp.stack([y0, x0, y1, x1], -1).astype(jnp.float32)
