"""Every field of a launch with its default."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

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
        at(config, section).unlock()
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


def steps(config: ConfigDict, examples: int) -> int:
    """Returns the number of updates of a run, equal for all members of a group.

    `epochs` counts passes over the `examples` that the training split holds, also for a member that
    trains on a part of them (`dataset.train_size`): it sees its part more often, and every member
    gets the same budget, steps = max(1, round(epochs · examples / batch_size)).

    Args:
      config: A run's configuration.
      examples: Size of the whole training split.

    >>> config = default()
    >>> config.epochs, config.batch_size = 2.0, 100
    >>> steps(config, 1000)
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
        for key, inner in as_written(ranges)
        if isinstance(inner, ConfigDict | Mapping)
    )
    return f"({told})" if told else ""


def as_written(section: ConfigDict | Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns the fields of a section in the order in which they were written.

    A ConfigDict made of a plain dict shows them sorted, but holds them as written.
    """
    held = section._fields if isinstance(section, ConfigDict) else section
    return [(key, section[key]) for key in held]


def at(config: ConfigDict, name: str) -> Any:
    """Returns the field, or the section, of a dotted name."""
    for key in name.split("."):
        config = config[key]
    return config
