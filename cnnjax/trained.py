"""The networks that a launch has trained, for use outside it."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnjax import config as configs
from cnnjax import invariance, results, sweep
from cnnjax.errors import UserError, choose
from cnnjax.results import summaries
from cnnjax.study import evaluation, planning

Number = int | float

# Columns of results.parquet that may tell runs of a route apart.
_TELLING = ("train_size", "label_noise", "augment_strength", "learning_rate", "weight_decay")


class Network(NamedTuple):
    """A network as training left it.

    Attributes:
      label: Its name in the launch's tables.
      predict: predict(variables, images in [0, 1]) -> logits (examples, classes); features and
        normalisation are part of it. It is what `invariance.measure` takes.
      variables: Its weights and statistics.
      class_names: What each class is called.
    """

    label: str
    predict: invariance.Predict
    variables: Any
    class_names: tuple[str, ...]


def load(
    workdir: str | os.PathLike[str],
    *,
    route: str,
    seed: int = 0,
    data_dir: str | None = None,
    **numbers: Number,
) -> Network:
    """Reads a network that a launch trained.

    Args:
      workdir: The launch's folder, with its tables and checkpoints.
      route: Which of its routes, by the name in results.parquet.
      seed: Which seed.
      data_dir: Where the launch found its data: normalisation goes by the training examples.
      **numbers: Columns of results.parquet, such as train_size=300 or augment_strength=0.5, which
        tell runs of the route apart. Of training sets the largest is taken where none is named, and
        of what validation chose among, what it chose.

    Returns:
      The network.

    Raises:
      UserError: There is no such run or more than one, or its launch left no checkpoint of it.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    row = _row(folder, route, {"seed": seed, **numbers})
    try:
        told = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder / 'config.json'}: is missing or corrupt") from None
    config = configs.unflatten(configs.flatten(told))
    groups = [each for each in sweep.group(sweep.expand(config)) if each.name == row["group"]]
    if not groups:
        raise UserError(f"{folder}: was left by another version of cnnjax; launch again")
    (plan,) = planning.plan_all(groups, data_dir=data_dir)
    variables = evaluation.restored(plan, int(row["member"]), folder)
    if variables is None:
        raise UserError(f"{folder / 'checkpoints' / plan.group.name}: holds no checkpoint")
    predict = evaluation.predictor(plan.module, plan.recipe.door)
    return Network(str(row["label"]), predict, variables, tuple(plan.dataset.class_names))


def _row(workdir: pathlib.Path, route: str, numbers: Mapping[str, Number]) -> Any:
    """The run's row of the untouched test set."""
    table = results.read(workdir / "results.parquet")
    choose("route", route, sorted(set(table["route"])))
    for name in numbers:
        choose("numbers", name, ["seed", *_TELLING])
    rows = table[(table["route"] == route) & table["chosen"] & (table["status"] == "done")]
    rows = rows[~rows["initial"] & (rows["transformation"] == "none") & (rows["magnitude"] == 0)]
    if "train_size" not in numbers:
        rows = rows[summaries.at_full_size(rows)]
    found = summaries.where(rows, numbers)
    told = ", ".join(f"{name}={value:g}" for name, value in numbers.items())
    if found.empty:
        left = {name: sorted(set(rows[name].tolist())) for name in numbers}
        raise UserError(f"{workdir}: no run of {route} with {told}; there are {left}")
    if len(found.drop_duplicates(["group", "member"])) > 1:
        apart = {name: sorted(set(found[name].tolist())) for name in _TELLING}
        several = {name: values for name, values in apart.items() if len(values) > 1}
        raise UserError(f"{workdir}: several runs of {route} with {told}; name one of {several}")
    return found.iloc[0]
