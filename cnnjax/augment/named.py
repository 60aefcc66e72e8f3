"""Policies by the names that a configuration knows."""

import dataclasses
import functools
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from cnnjax.augment.affine import (
    draw_horizontal_flip,
    draw_rotate,
    draw_scale,
    rotate,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
from cnnjax.augment.colour import (
    autocontrast,
    brighten,
    contrast,
    equalise,
    posterise,
    saturation,
    sharpen,
    solarise,
)
from cnnjax.augment.composed import COMPOSED, OPERATIONS, composed, scene, scene_fields
from cnnjax.augment.cropping import draw_crop
from cnnjax.augment.distortion import Distortion, valid_field
from cnnjax.augment.draw import Image, NewImage, Scalar, Size
from cnnjax.augment.motion import Motion
from cnnjax.augment.policies import AugMix, OneOf, RandAugment, Sequence, TrivialAugment, move
from cnnjax.augment.signals import additive_noise, gain, shift, speed, time_mask
from cnnjax.errors import UserError, choose

_AFFINE = {"rotation": 7.5, "shear": 0.1, "scale": 0.075, "translation": 1.0}
_ELASTIC = {"alpha": 17.0, "sigma": 4.0}
_CIRESAN = {
    "rotation": 15.0,
    "rotation_or_shear": True,
    "gentle_labels": (1, 7),
    "gentle": 0.5,
    "scale": (0.15, 0.20),
    "alpha": (36.0, 38.0),
    "sigma": (5.0, 6.0),
}
_RANGES: dict[str, dict] = {
    "none": {},
    "affine": _AFFINE,
    "elastic": _ELASTIC,
    "affine_elastic": {**_AFFINE, **_ELASTIC},
    "ciresan": _CIRESAN,
}
_partial = functools.partial

# The ranges are RandAugment's largest, M = 30.
_FACTOR = (0.1, 1.9)
_GEOMETRY: tuple[Callable, ...] = (
    _partial(rotate, degrees=(-30.0, 30.0)),
    _partial(shear_x, ratio=(-0.3, 0.3)),
    _partial(shear_y, ratio=(-0.3, 0.3)),
    _partial(translate_x, fraction=(-0.45, 0.45)),
    _partial(translate_y, fraction=(-0.45, 0.45)),
)
_HISTOGRAM: tuple[Callable, ...] = (
    _partial(posterise, bits=4.0),
    _partial(solarise, threshold=(0.0, 1.0)),
    _partial(equalise, amount=1.0),
    _partial(autocontrast, amount=1.0),
)


def identity(key: PRNGKeyArray, image: Image, *, strength: Scalar = 1.0) -> NewImage:
    """Gives the image back; one of RandAugment's fourteen."""
    return jnp.asarray(image)


_FOURTEEN: tuple[Callable, ...] = (
    identity,
    *_GEOMETRY,
    _partial(brighten, offset=0.0, factor=_FACTOR),
    _partial(contrast, factor=_FACTOR),
    _partial(saturation, factor=_FACTOR),
    _partial(sharpen, amount=(-0.9, 0.9)),  # the amount is Pillow's factor less 1
    *_HISTOGRAM,
)
# AugMix leaves out what robustness is usually measured on: brightness, contrast and their like.
_NINE = (*_GEOMETRY, *_HISTOGRAM)


def _draw_padded_crop(key: PRNGKeyArray, size: Size, *, strength: Scalar) -> Motion:
    """The usual crop, 4 pixels around 32 × 32, for images of any size."""
    return draw_crop(key, size, padding=-(-min(size) // 8), strength=strength)


_CROP_AND_COLOUR = Sequence(
    (
        _partial(
            move,
            draws=(
                draw_horizontal_flip,
                _partial(draw_rotate, degrees=(-10.0, 10.0)),
                _partial(draw_scale, factor=(0.9, 1.1)),
                _draw_padded_crop,
            ),
            border="reflect",
        ),
        OneOf((_partial(brighten, offset=(-0.2, 0.2)), contrast, saturation)),
    )
)
_SIGNALS = Sequence(
    (
        _partial(gain, decibels=(-3.0, 3.0)),
        _partial(shift, fraction=(-0.1, 0.1)),
        _partial(speed, factor=(0.9, 1.1)),
        _partial(time_mask, fraction=(0.0, 0.1)),
        _partial(additive_noise, deviation=(0.0, 0.1)),
    )
)
_CATALOGUE: dict[str, Callable] = {
    "standard": _CROP_AND_COLOUR,
    "signals": _SIGNALS,
    "randaugment": RandAugment(_FOURTEEN),
    "trivialaugment": TrivialAugment(_FOURTEEN),
    "augmix": AugMix(_NINE),
}
NAMES = (*_RANGES, *_CATALOGUE, "scenes", *COMPOSED)


def build(name: str, /, **ranges) -> Callable | None:
    """Builds a named policy.

    - none: no distortion; the result is None, so that a training step can leave it out.
    - affine: rotation ±7.5°, shear ±0.1, scale 1 ± 0.075 per axis, translation ±1 pixel.
    - elastic: displacement noise smoothed with σ 4, times α 17: half of what Simard et al. use.
    - affine_elastic: both. On MNIST, validation chose strength 1 for a plain network of 800 units:
      `experiments/mnist_errors.py`.
    - ciresan: elastic with σ in [5, 6] and α in [36, 38]; with equal probability a rotation or a
      horizontal shear by an angle within ±15°, within ±7.5° for the digits 1 and 7; a factor
      within 1 ± γ for each axis, γ in [15, 20] %. σ, α and γ are drawn anew for each image.
    - standard: for photographs: flip, rotation ±10°, scale 1 ± 0.1 and a crop, which cuts the size
      of the image out of it with an eighth of the shorter side around it, in one resample; then
      brightness, contrast or saturation.
    - randaugment, trivialaugment: the policies of `augment.policies` over the fourteen operations
      of Cubuk et al. (2020), at strength 1 with the largest ranges of the paper; augmix: over
      Hendrycks et al.'s nine, without brightness, contrast, saturation and sharpness. Amounts are
      drawn up to what the strength says, to both sides, where the papers take that much itself; and
      equalise and autocontrast, which know no amount there, are blended in by the strength.
    - signals: for signals of a few dozen samples and of deviation 1: gain ±3 dB, a shift of up to a
      tenth of the length, speed 1 ± 0.1, a gap of up to a tenth, noise of deviation up to 0.1.
    - scenes: domain randomisation: each object, bright on black, in a random scene: `in_scene`.
      Its ranges are the fields of `Randomisation`, `full`, and `photographs`: with true, a third of
      the grounds are windows of a photograph.
    - sequence, one_of, some_of: of any operations of the catalogue, named by the ranges, which hold
      the options of each, and of these policies themselves (but for none; elastic is the operation
      there): `augment.composed`.

    Args:
      name: One of `NAMES`.
      **ranges: Values for fields that differ from the named policy's: of `Distortion` for
        the distortions of the study, of `Randomisation` for "scenes"; operations with their
        options for "sequence", "one_of" and "some_of". The others take none.

    Returns:
      The policy, to be called as `policy(key, images, labels, strength)`, or None for "none". It is
      a frozen dataclass: `dataclasses.replace(build("randaugment"), rounds=3)` gives another.

    Raises:
      UserError: The name or a range is not known, or a range is not valid.

    >>> from cnnjax import augment
    >>> augment.build("affine", translation=2.0).translation
    2.0
    >>> soft = augment.build("one_of", gaussian_blur={"sigma": (0, 2)}, jpeg={})
    >>> [operation.__name__ for operation in soft.operations]
    ['gaussian_blur', 'jpeg']
    >>> usual = augment.build("sequence", crop={"padding": 4}, randaugment={}, one_of={"fog": {}})
    >>> [operation.__name__ for operation in usual.operations]
    ['crop', 'randaugment', 'one_of']
    >>> augment.build("affine", rotatoin=2.0)
    Traceback (most recent call last):
      ...
    cnnjax.errors.UserError: augment.ranges='rotatoin': did you mean 'rotation'? Known: rotation, \
shear, scale, translation, alpha, sigma, rotation_or_shear, gentle_labels, gentle.
    """
    choose("augment.name", name, NAMES)
    if name in COMPOSED:
        others = {
            other: functools.partial(build, other)
            for other in NAMES
            if other != "none" and other not in OPERATIONS
        }
        return composed(name, ranges, others)
    if name == "none":
        if ranges:
            raise UserError(f"augment.ranges={ranges}: expected none with augment.name='none'")
        return None
    if name in _CATALOGUE:
        if ranges:
            raise UserError(
                f"augment.ranges={ranges}: expected none for {name}, whose "
                "operations have ranges of their own; sequence, one_of and some_of take any"
            )
        return _CATALOGUE[name]
    scenes = name == "scenes"
    fields = scene_fields() if scenes else [field.name for field in dataclasses.fields(Distortion)]
    for key in ranges:
        choose("augment.ranges", key, fields)
    if scenes:
        try:
            return Sequence((scene(ranges),))
        except ValueError as error:
            raise UserError(f"augment.ranges: {error}") from None
    given = {key: valid_field(key, value) for key, value in ranges.items()}
    return Distortion(**{**_RANGES[name], **given})
