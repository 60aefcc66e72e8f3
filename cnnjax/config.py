"""What a launch can be told: every field with its default, and the check of a filled-in one.

An experiment file builds its answer to `get_config(arg)` on `default()`. The result is locked, so
that a misspelt field in the file is an error where it stands; only the sections of `FREE_SECTIONS`
take keys of their own choosing.

A configuration is handled here in two shapes: as an `ml_collections.ConfigDict`, and flattened to
`{"optimizer.learning_rate": 0.001, …}`, in which shape the file, a route, a point of the sweep and
the command line are laid over each other by `overlay`.
"""

import ast
import difflib
import functools
import importlib.util
import inspect
import itertools
import json
import math
import pathlib
import re
import traceback
import types
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict, config_dict

from cnnjax.errors import UserError, choose

NORMALISATIONS = ("standard", "signed")
TRAIN_ON = ("train", "train+validation")
MEASURE_ON = ("test", "validation")
OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "constant", "exponential")
LAYOUTS = ("auto", "map", "vmap")
FAMILIES = ("none", "features", "structure", "training", "combined")

FREE_SECTIONS = (
    "model.options",
    "augment.ranges",
    "invariance.transformations",
    "invariance.corruptions",
    "routes",
)
"""Sections whose keys the package that reads them knows, not this one."""

LAUNCH_WIDE = (
    "name",
    "title",
    "question",
    "published",
    "choose",
    "measure_on",
    "dataset.test_on",
    "layout",
    "checkpoint_seconds",
    "invariance",
)
"""Fields, or whole sections, that hold for a launch: neither a route nor an axis may set them."""

WORDS_ONLY = ("name", "title", "question", "published", "checkpoint_seconds")
"""Fields that change no number of the results, so that a workdir may be resumed with others."""

_REPLACES = {
    "epochs": ("steps",),
    "steps": ("epochs",),
    "model.name": ("model.options",),
    "augment.name": ("augment.ranges",),
}
"""Setting the one makes what was said of the other meaningless: it falls back to its default."""

_LARGEST = 3.4e38  # just within 32 bits

_SERIES = ("invariance.transformations.", "invariance.corruptions.")

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def default() -> ConfigDict:
    """Returns a fresh configuration with every field at its default.

    The duration is the one thing that has no default: set exactly one of `epochs` and `steps`.

    >>> config = default()
    >>> config.optimizer.learning_rate
    0.001
    >>> config.epochs = 10.0
    """
    config = ordered(
        {
            "name": "",  # of the experiment: its file and argument; launch.py fills it in
            "title": "",
            "question": "",
            "published": (),  # figures beside ours: label, dataset, error or accuracy in %, source
            "seed": 0,
            "dataset": {
                "name": "digits",
                "canvas": 0,  # side in pixels that images are padded to; 0 keeps their own size
                "normalise": "standard",  # or "signed": pixels in [-1, 1]
                "train_size": 0,  # how many training examples are used; 0 is all of them
                "label_noise": 0.0,  # share of the training labels that is drawn at random
                "train_on": "train",  # or "train+validation"
                "test_on": "",  # another set, whose test split is measured in place of the own one
            },
            "model": {"name": "lenet5_modern", "options": {}},
            "features": (),
            "augment": {
                "name": "none",
                "mix": "none",  # or "mixup", "cutmix": the batch with itself, after the distortion
                "strength": 1.0,
                "ranges": {},
            },
            "optimizer": {
                "name": "adamw",
                "learning_rate": 1e-3,
                "weight_decay": 1e-4,
                "momentum": 0.9,
                "schedule": "cosine",
                "warmup": 0,  # steps
                "final": 0.0,  # learning rate at the end as a fraction of the peak
                "label_smoothing": 0.0,
            },
            "batch_size": 128,
            "epochs": 0.0,
            "steps": 0,
            "choose": (),
            "measure_on": "test",  # or "validation": what tuning looks at
            "layout": "auto",
            "checkpoint_seconds": 30.0,
            "invariance": {
                # name -> magnitudes; empty is the package's own choice, or none beside corruptions
                "transformations": {},
                "corruptions": {},  # name -> severities, of 1 to 5
                "examples": 0,  # how many test examples are measured; 0 is all of them
                "initial": True,
                "equivariance": True,
            },
            "routes": {},
            "sweep": "",
        }
    )
    config.lock()
    for section in FREE_SECTIONS:
        _at(config, section).unlock()
    return config


def load(source: str) -> ConfigDict:
    """Runs an experiment file.

    Args:
      source: Path of a file that defines `get_config(arg)`, with `:ARG` behind it or without.

    Returns:
      Its configuration; `name`, where the file leaves it empty, is FILE or FILE-ARG.

    Raises:
      UserError: There is no such file, it defines no experiment, or it sets a field that does not
        exist. Other errors in the file keep their traceback.
    """
    where, colon, argument = source.partition(":")
    path = pathlib.Path(where)
    if not path.is_file():
        scripts = path.parent.glob("*.py")  # some are no experiments, but measure speed, say
        names = sorted(each.name for each in scripts if "def get_config(" in each.read_text())
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "--list shows the experiments."
        raise UserError(f"--config={source}: there is no file {where}; {hint}")
    spec = importlib.util.spec_from_file_location(f"experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"--config={source}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise UserError(f"--config={source}: {where} does not define get_config(arg)")
        arguments = [argument] if colon else []
        try:
            inspect.signature(module.get_config).bind(*arguments)
        except TypeError:
            takes = "takes no argument" if colon else f"expects an argument, as in {where}:ARG"
            raise UserError(f"--config={source}: {where} {takes}") from None
        config = module.get_config(*arguments)
    except (AttributeError, KeyError, TypeError) as error:
        _explain(error, path)
        raise
    if not isinstance(config, ConfigDict):
        raise UserError(f"--config={source}: get_config gave {config!r}; expected a ConfigDict")
    if "name" in config and not config.name:
        config.name = re.sub(r"[^\w.=+,-]", "_", path.stem + (f"-{argument}" if argument else ""))
    return config


def ordered(fields: Mapping[str, Any]) -> ConfigDict:
    """Returns a ConfigDict that keeps the order in which its fields are written.

    A plain ConfigDict sorts them; use this for `routes`, whose order is the order of tables.

    >>> list(ordered({"mlp": {"label": "MLP"}, "lenet": {"label": "LeNet-5"}}))
    ['mlp', 'lenet']
    """
    config = ConfigDict(sort_keys=False)
    for name, value in fields.items():
        config[name] = ordered(value) if isinstance(value, ConfigDict | Mapping) else value
    return config


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
    fields = list(_defaults())
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
    fields = _defaults()
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
    inside = [each for each in _defaults() if each.startswith(f"{field}.")]
    if inside:
        return f"one of its fields to be set, as in --config.{name}{inside[0][len(field) :]}=VALUE"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a word"}
    return words.get(type(_defaults().get(field)), "names, as in a+b or none")


def steps(config: ConfigDict, examples: int) -> int:
    """Returns the number of updates of a run, equal for all members of a group.

    `epochs` counts passes over the `examples` that the training split holds, also for a member that
    trains on a part of them (`dataset.train_size`): it sees its part more often, and every member
    gets the same budget, steps = max(1, round(epochs · examples / batch_size)).

    Args:
      config: A run's configuration.
      examples: Size of the whole training split.

    >>> steps(unflatten({"epochs": 2.0, "batch_size": 100}), 1000)
    20
    """
    return config.steps or max(1, round(config.epochs * examples / config.batch_size))


def augmentation(section: ConfigDict) -> str:
    """Returns the words of an `augment` section: the policy, what it is composed of, the mixture.

    >>> augmentation(ConfigDict({"name": "affine", "mix": "cutmix", "ranges": {}}))
    'affine+cutmix'
    >>> ranges = {"rotate": {"degrees": 3}, "jpeg": {}}
    >>> augmentation(ConfigDict({"name": "sequence", "mix": "none", "ranges": ranges}))
    'sequence(rotate,jpeg)'
    >>> ranges = {"crop": {}, "one_of": {"fog": {}, "jpeg": {}}}
    >>> augmentation(ConfigDict({"name": "sequence", "mix": "none", "ranges": ranges}))
    'sequence(crop,one_of(fog,jpeg))'
    """
    policy = f"{section.name}{_in_brackets(section.ranges)}"
    return "+".join(word for word in (policy, section.mix) if word != "none") or "none"


def _in_brackets(ranges: Any) -> str:
    """The sections of a section, and theirs, in the order in which they were written."""
    told = ",".join(
        f"{key}{_in_brackets(inner)}"
        for key, inner in _as_written(ranges)
        if isinstance(inner, ConfigDict | Mapping)
    )
    return f"({told})" if told else ""


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


def validate(config: ConfigDict) -> None:
    """Checks one run's configuration before anything is loaded or compiled.

    Args:
      config: The configuration of a run, with its route and its axes applied.

    Raises:
      UserError: A value that no run can have, with its field and what was expected.
    """
    _check_duration(config)
    _check_published(config.published)
    for name in ("batch_size", "checkpoint_seconds"):
        _check_number(config, name, above=0)
    for name in (
        "seed",
        "dataset.canvas",
        "dataset.train_size",
        "augment.strength",
        "optimizer.learning_rate",
        "optimizer.weight_decay",
        "optimizer.momentum",
        "optimizer.warmup",
        "optimizer.final",
        "invariance.examples",
    ):
        _check_number(config, name, least=0)
    # Traced in 32 bits, or the size of something that is.
    for name in ("seed", "batch_size", "steps", "dataset.train_size", "optimizer.warmup"):
        _check_number(config, name, most=2**31 - 1)
    for name in ("optimizer.learning_rate", "optimizer.weight_decay", "augment.strength"):
        _check_number(config, name, most=_LARGEST)
    _check_number(config, "dataset.canvas", most=4096)
    for name in ("dataset.label_noise", "optimizer.label_smoothing", "optimizer.final"):
        _check_number(config, name, least=0, most=1)
    if config.optimizer.momentum >= 1:
        raise UserError(f"optimizer.momentum={config.optimizer.momentum}: expected a number < 1")
    for name, options in (
        ("dataset.normalise", NORMALISATIONS),
        ("dataset.train_on", TRAIN_ON),
        ("measure_on", MEASURE_ON),
        ("optimizer.name", OPTIMIZERS),
        ("optimizer.schedule", SCHEDULES),
        ("layout", LAYOUTS),
    ):
        choose(name, _at(config, name), options)
    if config.measure_on == "validation" and config.dataset.train_on == "train+validation":
        raise UserError(
            "measure_on='validation': expected dataset.train_on='train', or what is measured was "
            "trained on"
        )
    if config.choose and config.dataset.train_on == "train+validation":
        raise UserError(
            f"choose={', '.join(config.choose)}: expected dataset.train_on='train', or validation, "
            "which chooses, was trained on"
        )
    _check_names(config)


def to_json(config: ConfigDict) -> str:
    """Returns a configuration as the text of config.json, one field a line."""
    text = json.dumps(config.to_dict(), indent=2, ensure_ascii=False, default=ConfigDict.to_dict)
    return text + "\n"


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


def _as_written(section: ConfigDict | Mapping[str, Any]) -> list[tuple[str, Any]]:
    # A ConfigDict made of a plain dict shows its fields sorted, but holds them as written.
    held = section._fields if isinstance(section, ConfigDict) else section
    return [(key, section[key]) for key in held]


def _flat(config: ConfigDict | Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in _as_written(config):
        name = f"{prefix}{key}"
        if not isinstance(value, ConfigDict | Mapping):
            yield name, value
        elif len(value):
            yield from _flat(value, f"{name}.")
        elif any(name.startswith(section + ".") for section in FREE_SECTIONS):
            yield name, {}


@functools.cache
def _defaults() -> Mapping[str, Any]:
    return types.MappingProxyType(flatten(default()))


def _explain(error: Exception, path: pathlib.Path) -> None:
    """Raises what a ConfigDict has against a line of an experiment file in the words of a user."""
    frames = traceback.extract_tb(error.__traceback__)
    if pathlib.Path(config_dict.__file__).parent not in pathlib.Path(frames[-1].filename).parents:
        return
    here = path.resolve()
    lines = [frame.lineno for frame in frames if pathlib.Path(frame.filename).resolve() == here]
    where = f"{path}:{lines[-1] if lines else 1}"
    # A ConfigDict wraps its errors in one another; the innermost has the plain words.
    words: Any = error
    while isinstance(words, BaseException) and words.args:
        words = words.args[0]
    words = str(words).splitlines()[0]
    if not (missing := re.match(r'Key "(\w+)" does not exist', words)):
        raise UserError(f"{where}: {words}") from None
    fields = {field.split(".")[-1]: field for field in _defaults()}
    near = difflib.get_close_matches(missing[1], fields, n=1)
    hint = f"; did you mean {fields[near[0]]!r}?" if near else ""
    raise UserError(f"{where}: there is no field {missing[1]!r}{hint}") from None


def _shown(value: Any) -> str:
    return value if value == "(not set)" else repr(value)


def _at(config: ConfigDict, name: str) -> Any:
    for key in name.split("."):
        config = config[key]
    return config


def _check_duration(config: ConfigDict) -> None:
    for name in ("epochs", "steps"):
        _check_number(config, name, least=0)
    if (config.epochs > 0) == (config.steps > 0):
        raise UserError(
            f"epochs={config.epochs:g}, steps={config.steps}: expected exactly one of the two > 0"
        )


def _check_number(
    config: ConfigDict,
    name: str,
    *,
    above: int | None = None,
    least: int | None = None,
    most: int | float | None = None,
) -> None:
    value = _at(config, name)
    kind = "an integer" if isinstance(value, int) else "a number"
    if above is not None and not (value > above and math.isfinite(value)):
        raise UserError(f"{name}={value}: expected {kind} > {above}")
    if least is not None and not (value >= least and math.isfinite(value)):
        raise UserError(f"{name}={value}: expected {kind} ≥ {least}")
    if most is not None and not value <= most:
        raise UserError(f"{name}={value}: expected {kind} ≤ {most}")


def _check_published(items: Any) -> None:
    for item in items:
        figure: list[Any] = []
        if isinstance(item, ConfigDict | Mapping) and "label" in item:
            figure = [item[name] for name in ("error", "accuracy") if name in item]
        if not figure or not all(isinstance(each, int | float) for each in figure):
            raise UserError(
                f"published={item!r}: expected entries of an experiment file, each with a label "
                "and an error or an accuracy in %"
            )


def _check_names(config: ConfigDict) -> None:
    """Asks the packages for the names they know; imported late because they bring JAX."""
    from cnnjax import augment, features, invariance, models
    from cnnjax.augment.composed import OPERATIONS

    choose("model.name", config.model.name, models.NAMES)
    if config.augment.name not in augment.NAMES and config.augment.name in OPERATIONS:
        name = config.augment.name
        raise UserError(
            f"augment.name={name!r}: is one operation; expected augment.name='sequence' and "
            f"augment.ranges.{name}={{}}"
        )
    choose("augment.name", config.augment.name, augment.NAMES)
    choose("augment.mix", config.augment.mix, augment.MIXTURES)
    for name in config.features:
        if not isinstance(name, str):
            raise UserError(f"features={config.features!r}: expected names, as in deskew+hog")
        if "," in name:
            several = tuple(each.strip() for each in name.split(","))
            raise UserError(f"features={name!r}: expected a tuple of names, {several!r}")
        choose("features", name, features.NAMES)
    known = dict.fromkeys([*invariance.NAMES, *invariance.SIGNAL_NAMES])
    for name, magnitudes in config.invariance.transformations.items():
        choose("invariance.transformations", name, known)
        if not isinstance(magnitudes, tuple | list) or not all(
            isinstance(m, int | float) and math.isfinite(m) for m in magnitudes
        ):
            raise UserError(
                f"invariance.transformations.{name}={magnitudes!r}: "
                "expected numbers, such as (1, 2)"
            )
    for name, severities in config.invariance.corruptions.items():
        choose("invariance.corruptions", name, invariance.CORRUPTIONS)
        if not isinstance(severities, tuple | list) or not (
            severities
            and all(type(each) is int and each in invariance.SEVERITIES for each in severities)
            and len(set(severities)) == len(severities)
        ):
            raise UserError(
                f"invariance.corruptions.{name}={severities!r}: expected some of "
                f"{', '.join(map(str, invariance.SEVERITIES))}"
            )
