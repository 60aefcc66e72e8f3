"""Policies that a configuration composes: operations of the catalogue by name, with their options.

{"rotate": {"degrees": (-10, 10)}, "translate_x": {}, "jpeg": {"quality": (30, 90)}}

Other policies may stand among them, composed in their turn or named; "elastic" is the operation.

{"crop": {"padding": 4}, "one_of": {"brighten": {}, "fog": {}}, "randaugment": {}}
"""

import contextlib
import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxtyping import PRNGKeyArray

from cnnjax.augment import (
    affine,
    blur,
    colour,
    compression,
    cropping,
    homography,
    noise,
    occlusion,
    scenes,
    signals,
    weather,
)
from cnnjax.augment.draw import Image, NewImage, Number, Range, Size
from cnnjax.augment.elastic import draw_elastic, elastic
from cnnjax.augment.photographs import photographs
from cnnjax.augment.policies import OneOf, Sequence, SomeOf, move
from cnnjax.errors import UserError, choose

COMPOSED = ("sequence", "one_of", "some_of")

OPERATIONS: dict[str, Callable] = {
    operation.__name__: operation
    for operation in (
        blur.gaussian_blur,
        blur.motion_blur,
        colour.autocontrast,
        colour.brighten,
        colour.channel_shuffle,
        colour.contrast,
        colour.equalise,
        colour.gamma_contrast,
        colour.grey,
        colour.hue,
        colour.invert,
        colour.posterise,
        colour.saturation,
        colour.sharpen,
        colour.solarise,
        compression.jpeg,
        noise.additive_gaussian_noise,
        noise.coarse_salt,
        noise.pepper,
        noise.salt,
        occlusion.cutout,
        occlusion.emboss,
        occlusion.superpixel,
        scenes.in_scene,
        signals.additive_noise,
        signals.gain,
        signals.pitch,
        signals.shift,
        signals.speed,
        signals.time_mask,
        cropping.crop,
        cropping.crop_and_pad,
        elastic,
        affine.horizontal_flip,
        homography.perspective,
        affine.rotate,
        affine.scale,
        affine.shear_x,
        affine.shear_y,
        affine.translate_x,
        affine.translate_y,
        affine.vertical_flip,
        weather.clouds,
        weather.fast_snowy_landscape,
        weather.fog,
        weather.rain,
        weather.snowflakes,
    )
}
"""All that take one image or one signal; `move` is what neighbouring motions become.

One of them is called as operation(key, image, *, strength=1.0, …), and is in `augment.__all__`.
"""

MOTIONS: dict[str, Callable] = {
    "crop": cropping.draw_crop,
    "crop_and_pad": cropping.draw_crop_and_pad,
    "elastic": draw_elastic,
    "horizontal_flip": affine.draw_horizontal_flip,
    "perspective": homography.draw_perspective,
    "rotate": affine.draw_rotate,
    "scale": affine.draw_scale,
    "shear_x": affine.draw_shear_x,
    "shear_y": affine.draw_shear_y,
    "translate_x": affine.draw_translate_x,
    "translate_y": affine.draw_translate_y,
    "vertical_flip": affine.draw_vertical_flip,
}
"""What draws the motion of an operation that does no more than to move."""

_SAMPLING = ("order", "border", "fill")
_WORDS = {
    Range: "a number or a pair (low, high)",
    Number: "a number",
    str: "a word",
    bool: "true or false",
    int: "a whole number",
    int | None: "a whole number or None",
    Size | None: "a pair of whole numbers or None",
}

Told = dict[str, dict[str, Any]]
"""Options by the name of their operation, in the order in which the operations run."""


def composed(
    name: str, ranges: Mapping[str, Any], policies: Mapping[str, Callable[..., Any]]
) -> Callable:
    """Builds a policy of the operations that `ranges` names, in the order in which it names them.

    In a sequence, neighbours that only move the picture (those of `MOTIONS`) become one
    `move`, with one resample, if those that have an order, a border or a fill agree on it; what the
    first of them moves off the canvas, the next can move back.

    Args:
      name: "sequence": all, one after another; "one_of": one for each image; "some_of": a random
        subset for each image.
      ranges: Options by the name of an operation, {} for its defaults; those of "in_scene" are
        those of `scene`. With "some_of" also `least` and `most`, how many
        operations an image gets at least and at most.
      policies: What else `ranges` may name: the maker of a policy by the policy's name; what
        `ranges` holds of it are the keyword arguments.

    Returns:
      The policy. A number that its operation refuses is a `UserError` of the first call.

    Raises:
      UserError: No operation, one or an option that is not known, or a value of another kind.
    """
    bounds = {}
    if name == "some_of":
        bounds = {key: ranges[key] for key in ("least", "most") if key in ranges}
    told: Told = {}
    for operation, options in ranges.items():
        if operation in bounds:
            continue
        choose("augment.ranges", operation, [*OPERATIONS, *policies, *bounds])
        told[operation] = _checked(operation, options)
    if not told:
        raise UserError(
            f"augment.ranges: expected operations for {name}, such as "
            "augment.ranges.rotate.degrees=15 or, with its defaults, augment.ranges.jpeg={}"
        )
    made = functools.partial(_made, policies)
    if name == "sequence":
        return Sequence(tuple(each for group in _groups(told) for each in _joined(group, made)))
    operations = tuple(made(*each) for each in told.items())
    if name == "one_of":
        return OneOf(operations)
    for key, value in bounds.items():
        if not _fits(value, int):
            raise UserError(f"augment.ranges.{key}={value!r}: expected {_WORDS[int]}")
    try:
        return SomeOf(operations, **bounds)
    except ValueError as error:
        raise UserError(f"augment.ranges: {error}") from None


def scene(options: Mapping[str, Any]) -> Callable:
    """Builds `in_scene` from what a configuration tells of it.

    Args:
      options: The fields of `Randomisation`, where pairs may be lists, `full`, and `photographs`:
        with true, a third of the grounds are windows of a photograph.

    Returns:
      The operation, `(key, image, *, strength)`.

    Raises:
      ValueError: A number is outside its range, or `photographs` is neither true nor false.
    """
    told = {key: _tuple(value) for key, value in options.items()}
    full, with_photographs = told.pop("full", 1.0), told.pop("photographs", False)
    if not isinstance(with_photographs, bool):
        raise ValueError(f"photographs={with_photographs!r}: expected true or false")
    scenes.check_full(full)
    show = _in_photographs if with_photographs else scenes.in_scene
    return functools.partial(show, full=full, randomisation=scenes.Randomisation(**told))


def scene_fields() -> list[str]:
    """Names what `scene` takes."""
    fields = [field.name for field in dataclasses.fields(scenes.Randomisation)]
    return [*fields, "full", "photographs"]


def _in_photographs(key: PRNGKeyArray, image: Image, **options: Any) -> NewImage:
    """As `in_scene`, before a photograph too; its channels are known when the image is."""
    return scenes.in_scene(key, image, pictures=photographs(image.shape[-1]), **options)


def _checked(name: str, options: Any) -> dict[str, Any]:
    """The options of an operation, if it knows them and each is of its kind."""
    where = f"augment.ranges.{name}"
    if not isinstance(options, Mapping):
        raise UserError(f"{where}={options!r}: expected its options, or {{}} for the defaults")
    if name == "in_scene":
        for option in options:
            choose(where, option, scene_fields())
        return dict(options)
    if name not in OPERATIONS:
        return dict(options)  # a policy knows its own
    _, _, *known = inspect.signature(OPERATIONS[name]).parameters
    kinds = typing.get_type_hints(OPERATIONS[name])
    checked = {}
    for option, value in options.items():
        choose(where, option, [each for each in known if each != "strength"])
        # A whole number is a number; of other kinds than these the operation itself must tell.
        kind = Number if kinds.get(option) is float else kinds.get(option)
        checked[option] = _tuple(value)
        if kind in _WORDS and not _fits(checked[option], kind):
            raise UserError(f"{where}.{option}={value!r}: expected {_WORDS[kind]}")
    return checked


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fits(value: Any, kind: Any) -> bool:
    """Says whether a value is of an annotated kind: a type, a pair of types, or one of several."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is types.UnionType:
        return any(_fits(value, part) for part in parts)
    if typing.get_origin(kind) is tuple:
        return (
            isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
        )
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _groups(told: Told) -> list[Told]:
    """Cuts a sequence into runs of motions that one resample can do, and all else one by one."""
    groups: list[Told] = []
    for name, options in told.items():
        longer = {**groups[-1], name: options} if groups else {}
        moving = bool(longer) and longer.keys() <= MOTIONS.keys()
        if moving and all(len(told) <= 1 for told in _samplings(longer).values()):
            groups[-1] = longer
        else:
            groups.append({name: options})
    return groups


def _joined(group: Told, made: Callable[..., Callable]) -> list[Callable]:
    # Flips and crops alone need no resample: they have no order.
    if len(group) == 1 or not (samplings := _samplings(group))["order"]:
        return [made(*each) for each in group.items()]
    draws = []
    for name, options in group.items():
        drawn = {key: value for key, value in options.items() if key not in _SAMPLING}
        draws.append(_named(name, MOTIONS[name], drawn))
    sampling = {option: told.pop() for option, told in samplings.items()}
    return [_named("+".join(group), move, {"draws": tuple(draws), **sampling})]


def _samplings(group: Told) -> dict[str, set]:
    """What the operations of a group that know an option of sampling have for it."""
    found: dict[str, set] = {option: set() for option in _SAMPLING}
    for name, options in group.items():
        known = inspect.signature(OPERATIONS[name]).parameters
        for option in found.keys() & known:
            found[option].add(options.get(option, known[option].default))
    return found


def _made(
    policies: Mapping[str, Callable[..., Any]], name: str, options: Mapping[str, Any]
) -> Callable:
    if name in policies:
        return _nested(name, policies[name], options)
    return _operation(name, options)


def _operation(name: str, options: Mapping[str, Any]) -> Callable:
    if name == "in_scene":
        try:
            return scene(options)
        except ValueError as error:
            raise UserError(f"augment.ranges.in_scene: {error}") from None
    return _named(name, OPERATIONS[name], options)


def _nested(name: str, make: Callable[..., Any], options: Mapping[str, Any]) -> Callable:
    """A policy among operations; what it refuses is told with its name before it."""
    with _inside(name):
        policy = make(**options)

    def nested(key: PRNGKeyArray, images: Any, labels: Any, strength: Any = 1.0) -> Any:
        with _inside(name):
            return policy(key, images, labels, strength)

    nested.__name__ = name
    return nested


@contextlib.contextmanager
def _inside(name: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        here, told = f"augment.ranges.{name}", str(error)
        known = "augment.ranges" in told
        raise UserError(
            told.replace("augment.ranges", here) if known else f"{here}: {told}"
        ) from None


def _named(name: str, operation: Callable, options: Mapping[str, Any]) -> Callable:
    """The operation with its options; what it refuses is told with its name."""

    @functools.wraps(operation)
    def named(*args: Any, **strength: Any) -> Any:
        try:
            return operation(*args, **options, **strength)
        except ValueError as error:
            words = str(error).partition("\n")[0]
            raise UserError(f"augment.ranges.{name}: {words}") from error

    return named
