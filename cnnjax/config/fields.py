"""A configuration flattened to `{"optimizer.learning_rate": 0.001, …}`, and back.

In this shape the file, a route, a point of the sweep and the command line are laid over each other
by `overlay`.
"""

import ast
import difflib
import functools
import itertools
import json
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from cnnjax.config.schema import FREE_SECTIONS, WORDS_ONLY, as_written, default, ordered
from cnnjax.errors import UserError

_REPLACES = {
    "epochs": ("steps",),
    "steps": ("epochs",),
    "model.name": ("model.options",),
    "augment.name": ("augment.ranges",),
}
"""Setting the one makes what was said of the other meaningless: it falls back to its default."""

_SERIES = ("invariance.transformations.", "invariance.corruptions.")

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def flatten(config: ConfigDict | Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a configuration by their dotted names, in the order they were written.

    Sections without a field vanish, but for those inside a free section, where {} says something:
    an operation with its defaults. A tuple is one field.

    Args:
      config: Sections within sections.

    Returns:
      The leaves by their dotted names; `unflatten` is the way back.

    >>> flatten({"batch_size": 64, "model": {"name": "linear", "options": {}}})
    {'batch_size': 64, 'model.name': 'linear'}
    >>> flatten({"augment": {"ranges": {"rotate": {"degrees": 3}, "jpeg": {}}}})
    {'augment.ranges.rotate.degrees': 3, 'augment.ranges.jpeg': {}}
    """
    return dict(_flat(config, ""))


def unflatten(fields: Mapping[str, Any]) -> ConfigDict:
    """Returns a complete, locked configuration: the defaults with `fields` set.

    Args:
      fields: Values by dotted name. Each takes the type of its field.

    Returns:
      A configuration as `default()` gives it.

    Raises:
      UserError: A name is not a field, or a value is not of its field's type.
    """
    config = default()
    for name, value in fields.items():
        value = coerce(name, value)
        holder, key = holder_of(config, name)
        holder[key] = ordered(value) if isinstance(value, Mapping) else value
    return config


def holder_of(config: ConfigDict, name: str) -> tuple[ConfigDict, str]:
    """Finds the section that holds a field, making what is missing of it in a free section.

    Args:
      config: A configuration; sections may be added to it.
      name: The dotted name of a field.

    Returns:
      The section and the field's own name in it.

    Raises:
      UserError: What should be a section is a value.
    """
    *path, last = name.split(".")
    for place, key in enumerate(path):
        if key not in config and not config.is_locked:
            config[key] = ordered({})
        config = config[key]
        if not isinstance(config, ConfigDict):
            above = ".".join(path[: place + 1])
            raise UserError(f"{name}: {above} is {config!r}, not a section")
    return config, last


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lays one set of fields over another.

    `above` wins field by field. Besides, what it makes meaningless falls away: a new `steps` an old
    `epochs` and the reverse, another `model.name` the old `model.options`, another `augment.name`
    the old `augment.ranges`, unless `above` sets those too.

    Args:
      below: Values by dotted name.
      above: Values by dotted name, which win.

    Returns:
      The fields of both; neither argument is changed.

    >>> overlay({"epochs": 5.0, "seed": 1}, {"steps": 100})
    {'seed': 1, 'steps': 100}
    """
    fields = dict(below)
    for name, value in above.items():
        if name in ("epochs", "steps") and not value:
            continue
        if fields.get(name) != value:
            for victim in _REPLACES.get(name, ()):
                fields = {key: old for key, old in fields.items() if not within(key, victim)}
    return {**fields, **above}


def within(name: str, section: str) -> bool:
    """Says whether a field is a section or lies inside it.

    >>> within("model.options.width", "model.options"), within("steps", "step")
    (True, False)
    """
    return name == section or name.startswith(section + ".")


def replaced_by(name: str) -> tuple[str, ...]:
    """Returns the field and the sections of which `overlay` keeps nothing when the field is set."""
    return (name, *_REPLACES.get(name, ()))


def check_name(name: str, *, shown: str | None = None) -> str:
    """Returns `name` when it is the dotted name of a field.

    Args:
      name: Such as "optimizer.learning_rate" or, in a free section, "model.options.width".
      shown: What the user wrote, for the message; default `name`.

    Raises:
      UserError: There is no such field; the nearest is suggested.
    """
    fields = list(defaults())
    shown = name if shown is None else shown
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"{shown}: expected names of letters, digits and _, with dots between them")
    if name in fields or any(name.startswith(section + ".") for section in FREE_SECTIONS):
        return name
    inside = [field for field in fields if field.startswith(name + ".")]
    if inside:
        raise UserError(f"{shown}: is a section; set one of its fields: {', '.join(inside)}.")
    if name in FREE_SECTIONS:
        raise UserError(f"{shown}: is a section; set a field of it, as in {name}.KEY=VALUE.")
    # A correct last word in the wrong section is as common as a typing error.
    near = difflib.get_close_matches(name, fields, n=1, cutoff=0.75)
    near = near or [field for field in fields if field.split(".")[-1] == name.split(".")[-1]]
    near = near or difflib.get_close_matches(name, fields, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(fields)}."
    raise UserError(f"{shown}: there is no such field; {hint}")


def coerce(name: str, value: Any) -> Any:
    """Returns `value` in the type of the field `name`.

    Whole numbers become floats where a float is expected; "a+b" and "none" become tuples where a
    tuple of names is. In free sections lists become tuples, and "0.1+0.5", as an axis of a sweep
    writes it, a tuple of numbers, as is a single magnitude or severity; other values stay as they
    are.

    Args:
      name: Dotted name of a field.
      value: What a file, a sweep or the command line gave it.

    Returns:
      The value as the field holds it.

    Raises:
      UserError: There is no such field, or the value does not fit it.

    >>> coerce("optimizer.learning_rate", 1), coerce("features", "deskew+hog")
    (1.0, ('deskew', 'hog'))
    """
    check_name(name)
    fields = defaults()
    if name not in fields:
        if isinstance(value, str) and re.fullmatch(rf"{_NUMBER}(\+{_NUMBER})+", value):
            return tuple(ast.literal_eval(number) for number in re.findall(_NUMBER, value))
        if name.startswith(_SERIES) and isinstance(value, int | float):
            return (value,)
        return tuple(value) if isinstance(value, list) else value
    kind = type(fields[name])
    if kind is tuple:
        if isinstance(value, str | tuple | list):
            items = [value] if isinstance(value, str) else value
            parts = [item.split("+") if isinstance(item, str) else [item] for item in items]
            return tuple(part for part in itertools.chain(*parts) if part not in ("", "none"))
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif kind is int:
        whole = isinstance(value, float) and value.is_integer()
        if (isinstance(value, int) and not isinstance(value, bool)) or whole:
            return int(value)
    elif isinstance(value, kind):
        return value
    raise UserError(f"{name}={value!r}: expected {expected(name)}")


def expected(name: str) -> str:
    """Says in words which type a field takes.

    >>> expected("batch_size")
    'an integer'
    """
    field = re.sub(r"^routes\.\w+\.", "", name)
    inside = [each for each in defaults() if each.startswith(f"{field}.")]
    if inside:
        return f"one of its fields to be set, as in --config.{name}{inside[0][len(field) :]}=VALUE"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a word"}
    return words.get(type(defaults().get(field)), "names, as in a+b or none")


def operations_of(fields: Mapping[str, Any]) -> list[str]:
    """Returns the operations and policies that `augment.ranges` names: part of the program.

    Args:
      fields: Values by dotted name.

    Returns:
      The names of the sections, in the order in which they were written; outer ones first.

    >>> operations_of({"augment.ranges.rotate.degrees": 3, "augment.ranges.one_of.jpeg": {}})
    ['augment.ranges.rotate', 'augment.ranges.one_of', 'augment.ranges.one_of.jpeg']
    """
    found = []
    for name, value in fields.items():
        section, ranges, inside = name.rpartition("augment.ranges.")
        words = inside.split(".") if ranges else []
        for depth in range(1, len(words) + (value == {})):
            found.append(f"{section}{ranges}{'.'.join(words[:depth])}")
    return list(dict.fromkeys(found))


def difference(old: Mapping[str, Any], new: ConfigDict) -> str | None:
    """Returns the first field in which two launches differ, with both values, or None.

    Fields that change no result (`WORDS_ONLY`) are not compared.

    Args:
      old: The parsed config.json of a workdir.
      new: The configuration of this launch.

    >>> difference({"seed": 1}, ConfigDict({"seed": 2}))
    'seed=1 there, 2 here'
    """
    before, after = (
        {k: v for k, v in flatten(side).items() if k not in WORDS_ONLY}
        for side in (old, json.loads(to_json(new)))
    )
    for name in [*after, *(name for name in before if name not in after)]:
        there, here = (side.get(name, "(not set)") for side in (before, after))
        if there != here:
            return f"{name}={_shown(there)} there, {_shown(here)} here"
    there, here = (", ".join(operations_of(side)) for side in (before, after))
    return f"{there} there, {here} here" if there != here else None


def to_json(config: ConfigDict) -> str:
    """Returns a configuration as the text of config.json, one field a line."""
    text = json.dumps(config.to_dict(), indent=2, ensure_ascii=False, default=ConfigDict.to_dict)
    return text + "\n"


def _flat(config: ConfigDict | Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in as_written(config):
        name = f"{prefix}{key}"
        if not isinstance(value, ConfigDict | Mapping):
            yield name, value
        elif len(value):
            yield from _flat(value, f"{name}.")
        elif any(name.startswith(section + ".") for section in FREE_SECTIONS):
            yield name, {}


@functools.cache
def defaults() -> Mapping[str, Any]:
    """Returns every field with its default, by dotted name; not to be written to."""
    return types.MappingProxyType(flatten(default()))


def _shown(value: Any) -> str:
    return value if value == "(not set)" else repr(value)
