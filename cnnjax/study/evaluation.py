"""What is read off a trained group: the choice on validation, then the test set, once."""

import contextlib
import functools
import json
import pathlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import flax.linen
import jax
import numpy as np
from jaxtyping import Array, Bool, Float
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import invariance, models, ops, results, train
from cnnjax.study.planning import Plan
from cnnjax.sweep import Run
from cnnjax.train import door as doors


class Measured(NamedTuple):
    """The rows that a group adds to each table of the launch (see `results`)."""

    rows: list[dict[str, Any]]
    equivariance: list[dict[str, Any]]
    predictions: list[dict[str, Any]]


def measure(plan: Plan, trained: train.Trained, config: ConfigDict) -> Measured:
    """Chooses among the members on validation and measures the chosen ones on the test set.

    Args:
      plan: The group.
      trained: Its final states.
      config: The experiment: `name`, `choose` and `invariance` are read.

    Returns:
      The rows of every table.
    """
    predict, maps = predictor(plan.module, plan.recipe.door), mapper(plan.module)
    test, members = plan.dataset.test, plan.group.members
    # On the host, where trained and fresh weights are alike: tied to a device, the one would have
    # everything compiled again for the other.
    weights = jax.device_get(trained.states.variables)
    variables = [member_of(weights, index) for index in range(len(members))]
    # A loss is worked out before its update: whether the last update diverged, the weights tell.
    finite = np.asarray(trained.states.finite) & [
        all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(each)) for each in variables
    ]
    scores = np.where(finite, _scores(plan, predict, variables), np.nan)
    chosen = choose(members, scores, config.choose)
    shown = chosen & finite & _at_full_size(plan)
    corrupted = _corrupted(plan, predict, variables, shown, config)
    stages = [(index, False) for index in np.flatnonzero(shown).tolist()]
    # Before training, all members of a seed are one network: whoever is shown first stands for it.
    seeds = plan.hypers.seed.tolist()
    first = {seeds[index]: index for index, _ in reversed(stages)}
    if config.invariance.initial:
        stages += [(index, True) for index in first.values()]

    def measure_stage(stage: tuple[int, bool]) -> tuple[list, list]:
        index, initial = stage
        own = member_of(trained.initial, index) if initial else variables[index]
        curves = _robustness(plan, predict, own, config)
        return curves, _equivariance(plan, maps, own) if config.invariance.equivariance else []

    curves = dict(zip(stages, _side_by_side(measure_stage, stages), strict=True))
    measured = Measured([], [], [])
    for index, member in enumerate(members):
        common = _describe(plan, member, index, trained, config)
        common |= {
            "status": "done" if finite[index] else "diverged",
            "chosen": bool(chosen[index] and finite[index]),
            "validation_accuracy": float(scores[index]),
        }
        untouched = {"initial": False, "transformation": "none", "magnitude": 0.0}
        if not common["chosen"]:
            measured.rows.append(common | untouched)
            continue
        answered = invariance.evaluate(predict, variables[index], *test)
        if not shown[index]:
            count, right = len(test.labels), float(answered.correct)
            scores_on_test = {"examples": count, "accuracy": right / count, "errors": count - right}
            measured.rows.append(common | untouched | scores_on_test | {"consistency": 1.0})
            continue
        for initial, at in ((False, index), (True, first[seeds[index]])):
            rows, layers = curves.get((at, initial), ([], []))
            stage = {"initial": initial}
            measured.rows.extend(common | stage | each._asdict() for each in rows)
            measured.equivariance.extend(
                _identity(common) | stage | each._asdict() for each in layers
            )
        measured.rows.extend(
            common | {"initial": False} | each._asdict() for each in corrupted.get(index, ())
        )
        measured.predictions.extend(_predictions(answered.guesses, test.labels, common))
    return measured


def _scores(
    plan: Plan, predict: invariance.Predict, variables: Sequence[Any]
) -> Float[np.ndarray, " members"]:
    """Each member's accuracy on validation; NaN where that was trained on and can say nothing."""
    if plan.group.config.dataset.train_on != "train":
        return np.full(len(variables), np.nan)
    validation = plan.dataset.validation
    evaluate = lambda each: invariance.evaluate(predict, each, *validation)  # noqa: E731
    answers = _side_by_side(evaluate, variables)
    return np.array([float(each.correct) for each in answers]) / len(validation.labels)


def _at_full_size(plan: Plan) -> Bool[np.ndarray, " members"]:
    """Which members had the largest training set of their route."""
    routes = [member.route for member in plan.group.members]
    sizes = list(zip(routes, plan.hypers.train_size.tolist(), strict=True))
    largest = dict(sorted(sizes))  # of each route the last, and so the largest
    return np.array([largest[route] == size for route, size in sizes])


def _side_by_side(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """`work` of every item, in order, as many at a time as there are devices.

    A small network looking at a small batch does not keep more than one core busy.
    """
    # The first alone: it compiles, which the others would do at the same time, each for itself.
    with ThreadPoolExecutor(jax.device_count()) as pool:
        return [*map(work, items[:1]), *pool.map(work, items[1:])]


def choose(members: Sequence[Run], scores: np.ndarray, axes: Sequence[str]) -> np.ndarray:
    """Which members validation chooses.

    Members of one route that differ only in the seed and in `axes` compete; the values of `axes`
    with the best mean score over seeds win, the first of equals; every seed of theirs is chosen.

    Args:
      members: The runs of a group.
      scores: Validation accuracy of each member, shape (members,); NaN where it diverged.
      axes: Dotted names of the numeric fields that validation chooses.

    Returns:
      Whether each member is chosen, shape (members,).
    """
    contests: dict[tuple, dict[tuple, list[int]]] = {}
    for index, member in enumerate(members):
        fixed = [value for name, value in member.numbers.items() if name not in ("seed", *axes)]
        contest = contests.setdefault((member.route, *fixed), {})
        contest.setdefault(tuple(member.numbers[name] for name in axes), []).append(index)

    chosen = np.zeros(len(members), bool)
    for candidates in contests.values():
        # A diverged seed counts as 0: a value that only sometimes trains is not a good choice.
        means = [np.nan_to_num(scores[indices]).mean() for indices in candidates.values()]
        # Without the last digits, which depend on the order in which seeds are added up.
        means = [round(float(mean), 9) for mean in means]
        chosen[list(candidates.values())[int(np.argmax(means))]] = True
    return chosen


# JAX keeps programs by function object for as long as the process lives: groups with equal networks
# get the same functions, so that they share their programs and not each leaves some behind.


@functools.cache
def predictor(module: flax.linen.Module, door: doors.Door) -> invariance.Predict:
    """A network's `predict(variables, images in [0, 1]) -> logits`, features included."""
    network = models.seam(module)

    def predict(variables: Any, images: Array) -> Array:
        return network.apply(variables, door(images), False, None)[0]

    return predict


@functools.cache
def mapper(module: flax.linen.Module) -> Callable[[Any, Array], dict[str, Array]]:
    """A network's `maps(variables, its inputs) -> feature maps by layer`."""

    def maps(variables: Any, inputs: Array) -> dict[str, Array]:
        return models.feature_maps(module, variables, inputs)

    return maps


def restored(plan: Plan, member: int, workdir: pathlib.Path) -> Any | None:
    """Reads one member's variables from its group's last checkpoint.

    Args:
      plan: The group.
      member: Its number in the group.
      workdir: The launch's folder.

    Returns:
      The variables; None where there is no checkpoint.

    Raises:
      UserError: The checkpoint cannot be read.
    """
    with contextlib.closing(train.Checkpoints(workdir / "checkpoints" / plan.group.name)) as kept:
        if kept.step is None:
            return None
        like = jax.device_put(train.initial(plan.recipe, plan.hypers, plan.examples.images))
        states = kept.restore({"states": like, "seconds": np.zeros(())})["states"]
        return member_of(jax.device_get(states.variables), member)


def member_of(stacked: Any, index: int) -> Any:
    """One member's part of a stacked pytree."""
    return jax.tree.map(lambda leaf: leaf[index], stacked)


def _robustness(
    plan: Plan, predict: invariance.Predict, variables: Any, config: ConfigDict
) -> list[invariance.Measurement]:
    test, count = plan.dataset.test, config.invariance.examples or None
    measure = functools.partial(invariance.measure, predict, variables, key=jax.random.key(0))
    # An empty section stands for the package's own choice of magnitudes.
    magnitudes = config.invariance.transformations.to_dict()
    if not magnitudes and not config.invariance.corruptions:
        magnitudes = None
    measured = measure(test.images[:count], test.labels[:count], transformations=magnitudes)
    if count is not None and count < len(test.labels):
        # The curves may be read on part of the test set, the untouched accuracy never is: a curve
        # starts at what the network does on its own examples.
        start, *curves = measured
        starts = [
            start._replace(transformation=name)
            for name in dict.fromkeys(each.transformation for each in curves)
        ]
        measured = [*measure(test.images, test.labels, transformations={}), *starts, *curves]
    return measured


def _corrupted(
    plan: Plan,
    predict: invariance.Predict,
    variables: Sequence[Any],
    shown: np.ndarray,
    config: ConfigDict,
) -> dict[int, list[invariance.Measurement]]:
    """What corruptions do to the members that are shown, by their index.

    The corrupted images are made anew for each group: their programs are compiled once a launch,
    and making them takes less time than one network takes to look at them.
    """
    indices = np.flatnonzero(shown).tolist()
    if not config.invariance.corruptions or not indices:
        return {}
    test, count = plan.dataset.test, config.invariance.examples or None
    measured = invariance.measure_corruptions(
        predict,
        [variables[index] for index in indices],
        test.images[:count],
        test.labels[:count],
        corruptions=config.invariance.corruptions.to_dict(),
        key=jax.random.key(0),
    )
    return {
        index: [
            each._replace(transformation=results.CORRUPTION + each.transformation) for each in own
        ]
        for index, own in zip(indices, measured, strict=True)
    }


def _equivariance(plan: Plan, maps: Callable, variables: Any) -> list[invariance.LayerError]:
    inputs = plan.recipe.door(ops.unit(plan.dataset.test.images[:64]))
    if inputs.ndim < 3:
        return []  # features without spatial axes have no equivariance to speak of
    return invariance.equivariance(maps, variables, inputs)


def _predictions(
    guesses: invariance.TopTwo, labels: np.ndarray, common: dict[str, Any]
) -> list[dict[str, Any]]:
    columns = {name: np.asarray(each).tolist() for name, each in guesses._asdict().items()}
    identity = _identity(common)
    return [
        identity
        | {"index": index, "truth": int(truth)}
        | {name: column[index] for name, column in columns.items()}
        for index, truth in enumerate(labels)
    ]


def _identity(common: dict[str, Any]) -> dict[str, Any]:
    names = ("group", "member", "route", "label", "family", "seed")
    return {name: common[name] for name in names}


def foreign(run: ConfigDict) -> str:
    """The name of another data set whose test split a run is measured on, or ""."""
    return run.dataset.test_on if run.measure_on == "test" else ""


def _split(run: ConfigDict) -> str:
    """What is measured on, in a word or two: "test", "validation", or "mnist test"."""
    return f"{foreign(run)} {run.measure_on}".strip()


def _json(section: ConfigDict) -> str:
    return json.dumps(section.to_dict(), sort_keys=True)


def _describe(
    plan: Plan, member: Run, index: int, trained: train.Trained, config: ConfigDict
) -> dict[str, Any]:
    run = member.config
    images = plan.steps * run.batch_size
    seconds = trained.seconds / len(plan.group.members)
    return {
        "experiment": config.name,
        "group": plan.group.name,
        "member": index,
        "route": member.route,
        "family": member.family,
        "label": member.label,
        "dataset": run.dataset.name,
        "split": _split(run),
        "train_on": run.dataset.train_on,
        "canvas": run.dataset.canvas,
        "normalise": run.dataset.normalise,
        "model": run.model.name,
        "model_options": _json(run.model.options),
        "features": "+".join(run.features) or "none",
        "augment": configs.augmentation(run.augment),
        "augment_ranges": _json(run.augment.ranges),
        "seed": run.seed,
        "train_size": int(plan.hypers.train_size[index]),
        "batch_size": run.batch_size,
        "steps": plan.steps,
        "optimizer": run.optimizer.name,
        "learning_rate": run.optimizer.learning_rate,
        "schedule": run.optimizer.schedule,
        "warmup": run.optimizer.warmup,
        "final": run.optimizer.final,
        "momentum": run.optimizer.momentum,
        "weight_decay": run.optimizer.weight_decay,
        "label_smoothing": run.optimizer.label_smoothing,
        "label_noise": run.dataset.label_noise,
        "augment_strength": run.augment.strength,
        "parameters": plan.summary.parameters,
        "multiply_accumulates": plan.summary.multiply_accumulates,
        "training_seconds": seconds,
        "images_per_second": images / seconds,
    }
