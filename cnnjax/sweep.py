"""From one configuration to the runs of a launch, and from the runs to groups that train together.

A sweep is the product of axes, such as `seed=0:5;optimizer.learning_rate=1e-3,3e-3`. A route is a
named set of fields with a label, declared in the experiment's `routes`; the axis `route=*` or
`route=a,b` says which ones run.

Who wins where two say something of the same field:

    command line (--config.x.y and --sweep)  >  route (its fields, its own `sweep`)  >  file

A field that wins over an axis turns the axis into that one value. Where routes differ in their
network, features or distortions, and the command line names one itself, it takes the place of the
routes, unless it says which routes run, too; their labels then say what they were given. `resolve`
applies the command line once and for all, so that the configuration it returns stands alone;
config.json holds exactly that.
"""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax.errors import UserError, choose

NUMERIC = (
    "seed",
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.label_smoothing",
    "augment.strength",
    "dataset.train_size",
    "dataset.label_noise",
)
"""Fields that are traced: members of one compiled program may differ in them."""

Axes = dict[str, tuple[Any, ...]]

_STRENGTH = "augment.strength"

# What the labels of routes tell, and what there is none of where a field says so.
_TOLD = {
    "model.name": "network",
    "features": "features",
    "augment.name": "distortions",
    "augment.mix": "mixing",
}


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
      config: Its complete configuration; `routes` and `sweep` are empty.
      route: Name of its route, "" in an experiment without routes.
      label: What people read in tables and figures.
      family: One of `config.FAMILIES`.
    """

    config: ConfigDict
    route: str
    label: str
    family: str

    @property
    def numbers(self) -> dict[str, Any]:
        """Its values on the numeric axes, in the order of `NUMERIC`."""
        fields = configs.flatten(self.config)
        return {name: fields[name] for name in NUMERIC}


@dataclass(frozen=True)
class Group:
    """Runs that one compiled program trains.

    Attributes:
      name: Readable, with a hash of everything that is compiled in; the same in every launch.
      config: What the members share; the fields of `NUMERIC` are taken out.
      members: The runs, in the order of the sweep.
    """

    name: str
    config: ConfigDict
    members: list[Run]


def parse(text: str) -> Axes:
    """Reads the axes of a sweep.

    Axes are separated by `;`, values by `,`. `a:b` counts from a up to and without b, `a:b:c` in
    steps of c. Numbers and true/false are read as such, everything else is a word.

    Args:
      text: As given to --sweep.

    Returns:
      The values of each axis, in the order written.

    Raises:
      UserError: An axis without name or values, or given twice, or a value given twice.

    >>> parse("seed=0:3;optimizer.learning_rate=1e-3,3e-3;model.name=mlp800")
    {'seed': (0, 1, 2), 'optimizer.learning_rate': (0.001, 0.003), 'model.name': ('mlp800',)}
    """
    axes: Axes = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, listed = part.partition("=")
        name = name.strip()
        if not (name and equals and listed.strip()):
            raise UserError(f"sweep {part!r}: expected an axis as in NAME=VALUE,VALUE")
        if name in axes:
            raise UserError(f"sweep {part!r}: the axis {name} is given twice")
        values = tuple(itertools.chain.from_iterable(_values(part, v) for v in listed.split(",")))
        for value in values:
            if values.count(value) > 1:
                raise UserError(f"sweep {part!r}: the value {_written(value)} is given twice")
        axes[name] = values
    return axes


def written(axes: Mapping[str, Sequence[Any]]) -> str:
    """Writes axes as `parse` reads them.

    Args:
      axes: The values of each axis, by its dotted name.

    Returns:
      The text of a sweep, the values of an axis in their order.

    >>> written({"seed": (0, 1), "features": (("deskew", "hog"), ())})
    'seed=0,1;features=deskew+hog,none'
    """
    return ";".join(f"{name}={','.join(map(_written, values))}" for name, values in axes.items())


def resolve(
    config: ConfigDict, *, overrides: Mapping[str, Any] | None = None, sweep: str = ""
) -> ConfigDict:
    """Applies the command line to an experiment's configuration.

    Args:
      config: As the experiment file gives it; it stays as it is.
      overrides: The fields that --config.x.y=… set, by dotted name.
      sweep: The axes of --sweep; they replace the experiment's axes of the same name.

    Returns:
      A configuration that stands alone: `expand` needs nothing else.

    Raises:
      UserError: An unknown field, axis or route, a value of a wrong type, or one field given both
        ways.
    """
    given = {name: configs.coerce(name, value) for name, value in (overrides or {}).items()}
    own = _typed(parse(given.pop("sweep", config.sweep)))
    axes = _typed(parse(sweep))
    for name in axes:
        if name in given:
            raise UserError(f"{name}: given both as --config.{name} and in --sweep; choose one")
        for other in given:
            if any(configs.within(other, gone) for gone in configs.replaced_by(name)):
                raise UserError(
                    f"{other}: --sweep sets {name}, which makes --config.{other} void; make it an "
                    "axis too where all take it, give each a route of its own in an experiment, or "
                    "leave it out"
                )
    # A field that the command line sets in one route concerns that route alone.
    one_route = {name: given.pop(name) for name in list(given) if configs.within(name, "routes")}

    routes = {name: _Route.read(name, section) for name, section in config.routes.items()}
    told = [name for name in _TOLD if name in given or name in axes]
    everywhere = "route" not in axes and not one_route
    data = "dataset.name" in given or "dataset.name" in axes
    if everywhere and data and any("dataset.name" in route.fields for route in routes.values()):
        raise UserError(
            "dataset.name: the routes of this experiment differ in it; name those that are to run "
            f"on another set, as in --sweep='route={next(iter(routes))}'"
        )
    if everywhere and any(name in route.fields for route in routes.values() for name in told):
        # It is what routes differ in: with the same in all of them, each would be trained many
        # times over under labels that are not its own.
        routes = {}
        own.pop("route", None)
    declared = dict(routes)
    own_fields: dict[str, dict[str, Any]] = {}
    for name, value in one_route.items():
        _, which, field = name.split(".", 2)
        choose("route", which, routes)
        if _covered(field, axes):
            raise UserError(f"{name}: --sweep sets {field} for every route; choose one")
        routes[which] = routes[which].set(field, value)
        if field not in ("label", "family", "sweep"):
            own_fields.setdefault(which, {})[field] = value
    fields = {
        name: value
        for name, value in configs.flatten(config).items()
        if name != "sweep" and not configs.within(name, "routes")
    }
    below = configs.overlay(fields, given)
    resolved = configs.unflatten(below)
    resolved.sweep = written(_fixed(own, given, fields) | axes)
    for name, route in routes.items():
        # What is set for one route wins over what is set for all, and over the route's own axes.
        left = route.under(given, axes).over(own_fields.get(name, {}))
        if route.label == declared[name].label:
            before = configs.overlay(fields, declared[name].fields)
            after = configs.overlay(below, left.fields)
            left = replace(left, label=_relabelled(route.label, before, after, axes))
            another = "model.name" in axes or after.get("model.name") != before.get("model.name")
            if another and route.family == declared[name].family:
                left = replace(left, family="")  # it was said of another network
        resolved.routes[name] = left.section()
    return resolved


def expand(config: ConfigDict, *, axes: Mapping[str, Sequence[Any]] | None = None) -> list[Run]:
    """Lists the runs of a launch: every route with every combination of its axes.

    Args:
      config: The experiment's configuration, resolved or not.
      axes: Further axes, as --sweep gives them; they replace those of the same name.

    Returns:
      The runs, routes outermost, the last axis fastest; each passes `config.validate`.

    Raises:
      UserError: An unknown field, axis or route, or a value that no run can have.
    """
    config = resolve(config, sweep=written(axes or {}))
    own = _typed(parse(config.sweep))
    names = _chosen_routes(config, own.pop("route", ("*",)))
    base = {
        name: value
        for name, value in configs.flatten(config).items()
        if name != "sweep" and not configs.within(name, "routes")
    }
    runs = []
    for name in names:
        route = _Route.read(name, config.routes[name]) if name else _Route("", "", "", {}, {})
        route_axes = _fixed(own, route.fields, base) | route.axes
        _check_choose(config.choose, route_axes)
        fields = configs.overlay(base, route.fields)
        for values in itertools.product(*route_axes.values()):
            point = dict(zip(route_axes, values, strict=True))
            run = configs.unflatten(configs.overlay(fields, point))
            configs.validate(run)
            # Where nothing is distorted, its strength changes nothing: one run is enough.
            first = route_axes.get(_STRENGTH, (None,))[0]
            if point.get(_STRENGTH) != first and not _distorted(run):
                continue
            label = _label(route.label, run, route_axes)
            runs.append(Run(run, name, label, _family(route.family, run)))
    if len(own.get(_STRENGTH, ())) > 1 and not any(_distorted(run.config) for run in runs):
        raise UserError(
            f"sweep {_STRENGTH}: nothing is distorted; name what is, as in "
            "--config.augment.name=affine_elastic"
        )
    _check_momentum(runs)
    return runs


def group(runs: Sequence[Run]) -> list[Group]:
    """Gathers the runs that one compiled program can train.

    Runs belong together when they agree on everything but the fields of `NUMERIC` and the names
    that people read (route, label, family).

    Args:
      runs: From `expand`.

    Returns:
      The groups in the order in which their first members come.
    """
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(_group_name(run), []).append(run)
    return [Group(name, _structure(runs[0]), runs) for name, runs in members.items()]


@dataclass(frozen=True)
class _Route:
    """A route as the experiment declares it: names for people, fields and axes of its own."""

    name: str
    label: str
    family: str
    fields: dict[str, Any]
    axes: Axes

    @classmethod
    def read(cls, name: str, section: Any) -> "_Route":
        """Checks a section of `routes`."""
        if not isinstance(section, ConfigDict | Mapping):
            raise UserError(f"routes.{name}={section!r}: expected a section of fields")
        route = cls(name, name, "", {}, {})
        for field, value in configs.flatten(section).items():
            route = route.set(field, value)
        return route

    def set(self, field: str, value: Any) -> "_Route":
        """Returns the route with one field set."""
        shown = f"routes.{self.name}.{field}"
        if field == "label":
            return replace(self, label=str(value))
        if field == "family":
            return replace(self, family=choose(shown, value, configs.FAMILIES))
        if field == "sweep":
            if not isinstance(value, str):
                raise UserError(f"{shown}={value!r}: expected axes, such as 'seed=0:3'")
            return replace(self, axes=_typed(parse(value)))
        if configs.within(field, "routes"):
            raise UserError(f"{shown}: a route has no routes")
        configs.check_name(field, shown=shown)
        _check_not_launch_wide(field, shown)
        return replace(self, fields={**self.fields, field: configs.coerce(field, value)})

    def under(self, given: Mapping[str, Any], axes: Axes) -> "_Route":
        """Returns what is left of the route beneath the command line."""
        given = {k: v for k, v in given.items() if not _launch_wide(k)}
        fields = configs.overlay(self.fields, given)
        fields = {k: v for k, v in fields.items() if not _covered(k, axes)}
        above = {**given, **axes}
        left = {k: v for k, v in self.axes.items() if not _covered(k, above)}
        return replace(self, fields=fields, axes=left)

    def over(self, fields: Mapping[str, Any]) -> "_Route":
        """Returns the route with fields set above everything that it has."""
        left = {k: v for k, v in self.axes.items() if not _covered(k, fields)}
        return replace(self, fields=configs.overlay(self.fields, fields), axes=left)

    def section(self) -> ConfigDict:
        """Returns the route as it stands in a configuration."""
        section: dict[str, Any] = {"label": self.label}
        section |= {"family": self.family} if self.family else {}
        for name, value in self.fields.items():
            *outer, key = name.split(".")
            holder = section
            for part in outer:
                holder = holder.setdefault(part, {})
            holder[key] = value
        if self.axes:
            section["sweep"] = written(self.axes)
        return configs.ordered(section)


def _values(part: str, text: str) -> Sequence[Any]:
    """Reads one value, or the values of one range."""
    text = text.strip()
    if not text:
        raise UserError(f"sweep {part!r}: an empty value; write none for no names")
    ends = [_literal(end) for end in text.split(":")]
    if len(ends) == 1:
        return (ends[0],)
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        return (text,)
    whole = all(isinstance(end, int) for end in ends)
    if len(ends) > 3 or (len(ends) == 2 and not whole):
        raise UserError(f"sweep {part!r}: expected a range as in 0:5 or 0:1:0.25")
    start, stop, step = (*ends, 1)[:3]
    count = math.ceil((stop - start) / step - 1e-9) if step > 0 else 0
    if count < 1:
        raise UserError(f"sweep {part!r}: the range {text} is empty")
    # Rounded, so that 0:1:0.1 gives 0.3 and not 0.30000000000000004.
    return tuple(start + i * step if whole else round(start + i * step, 12) for i in range(count))


def _literal(text: str) -> Any:
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    return text


def _written(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "+".join(map(str, value)) or "none"
    return repr(value) if isinstance(value, float) else str(value)


def _typed(axes: Axes) -> Axes:
    """Checks the names of axes and gives their values the types of the fields."""
    typed = {}
    for name, values in axes.items():
        if name == "route":
            typed[name] = tuple(map(str, values))
            continue
        if "." not in name and name in configs.FREE_SECTIONS:
            raise UserError(f"sweep {name}: an axis is one field; routes are chosen by route=a,b")
        configs.check_name(name, shown=f"sweep {name}")
        if configs.within(name, "routes") or name == "sweep":
            raise UserError(f"sweep {name}: not a field of a run, so it cannot be an axis")
        _check_not_launch_wide(name, f"sweep {name}")
        typed[name] = tuple(configs.coerce(name, value) for value in values)
    return typed


def _launch_wide(field: str) -> bool:
    return any(configs.within(field, wide) for wide in configs.LAUNCH_WIDE)


def _check_not_launch_wide(field: str, shown: str) -> None:
    if _launch_wide(field):
        raise UserError(f"{shown}: holds for the whole launch; set it as --config.{field}=…")


def _covered(field: str, above: Mapping[str, Any]) -> bool:
    """Says whether what `above` sets leaves nothing of `field`."""
    return any(configs.within(field, gone) for name in above for gone in configs.replaced_by(name))


def _fixed(axes: Axes, fields: Mapping[str, Any], below: Mapping[str, Any]) -> Axes:
    """Returns the axes that are left when `fields` are set above them, and above `below`."""
    # As in `overlay`: a policy or a network that stays what it was makes nothing meaningless.
    other = {name: value for name, value in fields.items() if below.get(name) != value}
    left = {}
    for name, values in axes.items():
        if name in fields:
            left[name] = (fields[name],)
        elif not _covered(name, other):
            left[name] = values
    return left


def _chosen_routes(config: ConfigDict, wanted: Sequence[str]) -> list[str]:
    """Returns the names of the routes that run; [""] in an experiment without routes."""
    known = list(config.routes)
    if tuple(wanted) == ("*",):
        return known or [""]
    if not known:
        raise UserError(f"sweep route={','.join(wanted)}: this experiment has no routes")
    return [choose("route", name, known) for name in wanted]


def _check_choose(names: Sequence[str], axes: Axes) -> None:
    for name in names:
        if name == "seed":
            raise UserError("choose='seed': seeds are repeated, not chosen")
        if name == "dataset.train_size":
            raise UserError(f"choose={name!r}: sizes of training sets are compared, not chosen")
        if name not in NUMERIC:
            known = [each for each in NUMERIC if each not in ("seed", "dataset.train_size")]
            raise UserError(f"choose={name!r}: expected one of {', '.join(known)}")
        if name not in axes:
            raise UserError(f"choose={name!r}: is not swept; add it as an axis, as in {name}=A,B")


def _check_momentum(runs: Sequence[Run]) -> None:
    """Refuses a momentum that nothing reads: it would make two runs of one, or mean nothing."""
    unread: dict[str, set[float]] = {}
    read = {configs.default().optimizer.momentum}
    for run in runs:
        optimizer = run.config.optimizer
        values = read if optimizer.name == "sgd" else unread.setdefault(run.route, set())
        values.add(optimizer.momentum)
    for values in unread.values():
        if len(values) > 1 or not values <= read:
            shown = ", ".join(map(str, sorted(values)))
            raise UserError(f"optimizer.momentum={shown}: adamw has none; expected sgd to read it")


def _label(label: str, run: ConfigDict, axes: Axes) -> str:
    """Adds to a route's label what its structural axes say."""
    fields = configs.flatten(run)
    swept = [name for name, values in axes.items() if len(values) > 1 and name not in NUMERIC]
    words = []
    for name in swept:
        plain = name.endswith("name") or name == "features"
        value = _written(fields.get(name))
        words.append(value if plain else f"{_short(name)} {value}")
    if not label and "model.name" not in swept:
        words.insert(0, run.model.name)
    return ", ".join(filter(None, [label, *words]))


def _relabelled(label: str, before: Mapping[str, Any], after: Mapping[str, Any], axes: Axes) -> str:
    """Adds to a route's label what the command line put in the place of what the label says."""
    words = []
    for name, noun in _TOLD.items():
        values = axes.get(name, (after.get(name),))
        if len(values) == 1 and values[0] != before.get(name):  # of several, `_label` tells
            words.append(f"no {noun}" if values[0] in ("none", ()) else _written(values[0]))
    return ", ".join([label, *words])


def _distorted(run: ConfigDict) -> bool:
    return configs.augmentation(run.augment) != "none"


def _family(declared: str, run: ConfigDict) -> str:
    """The family of a run: what its route is said to be, in view of what it really does."""
    from cnnjax import models  # which brings JAX

    routes = {declared} - {"", "none", "combined"}
    # A network that nobody has put into a family has its own.
    own = declared in ("", "combined") and run.model.name not in models.DENSE
    routes |= {"structure"} if own else set()
    routes |= {"features"} if run.features else set()
    if _distorted(run):
        routes = routes - {"training"} | ({"training"} if run.augment.strength > 0 else set())
    if len(routes) > 1:
        return "combined"
    return next(iter(routes), "none")


def _short(name: str) -> str:
    """The last word of a field's name; in a free section all words after the section's."""
    for section in configs.FREE_SECTIONS:
        if configs.within(name, section):
            return name.removeprefix(section + ".").replace(".", " ")
    return name.rpartition(".")[2]


def _structure(run: Run) -> ConfigDict:
    """Returns a run's configuration without the fields that members may differ in."""
    config = configs.unflatten(configs.flatten(run.config))
    with config.unlocked():
        for name in NUMERIC:
            section, _, key = name.rpartition(".")
            del (config[section] if section else config)[key]
    return config


def _group_name(run: Run) -> str:
    # The settings of measurement stay in the code: workdirs hold groups by names once given.
    left_out = (*NUMERIC, *configs.LAUNCH_WIDE, "sweep", "routes")
    structure = {k: v for k, v in configs.flatten(run.config).items() if k not in left_out}
    # Sorting, which keeps names from changing, hides the order of operations.
    if operations := configs.operations_of(structure):
        structure["operations"] = operations
    code = hashlib.sha256(json.dumps(structure, sort_keys=True).encode()).hexdigest()[:8]
    # Short, as the name of a folder: without the operations.
    augment = re.sub(r"\(.*\)", "", configs.augmentation(run.config.augment))
    words = [run.config.model.name, *run.config.features, *([] if augment == "none" else [augment])]
    return "-".join([*words, code])
