"""The check of one run's configuration before anything is loaded or compiled."""

import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from cnnjax.config.schema import (
    LAYOUTS,
    MEASURE_ON,
    NORMALISATIONS,
    OPTIMIZERS,
    SCHEDULES,
    TRAIN_ON,
    at,
)
from cnnjax.errors import UserError, choose

_LARGEST = 3.4e38  # just within 32 bits


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
        choose(name, at(config, name), options)
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
    value = at(config, name)
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
