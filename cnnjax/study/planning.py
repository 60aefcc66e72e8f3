"""What each group of runs needs to be trained and measured; nothing is trained here.

`plan_all` loads every data set once and checks each group's configuration against it, so that a
mistake in the last group is told before the first is trained.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import flax.linen
import jax
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from cnnjax import augment, data, errors, models, ops, train
from cnnjax import config as configs
from cnnjax.invariance import transformations
from cnnjax.sweep import NUMERIC, Group, Run
from cnnjax.train import door as doors
from cnnjax.train import optimizer


class Plan(NamedTuple):
    """A group, ready to be trained and measured.

    Attributes:
      group: The runs.
      dataset: Their data set.
      examples: What they are trained on.
      module: Their network.
      summary: Its table of layers, from behind the features on.
      recipe: What the training steps share.
      hypers: The members' numbers, stacked.
      steps: Updates for each member.
    """

    group: Group
    dataset: data.Dataset
    examples: train.Examples
    module: flax.linen.Module
    summary: models.Summary
    recipe: train.Recipe
    hypers: train.Hyper
    steps: int


def plan_all(groups: Sequence[Group], *, data_dir: str | None = None) -> list[Plan]:
    """Plans every group; each data set is held once.

    Args:
      groups: Runs that share a program, group by group.
      data_dir: Where data sets are looked for.

    Returns:
      The plans; nothing has been trained.

    Raises:
      UserError: A data set, a name or a number in a run's configuration cannot be used.
    """

    @functools.cache
    def load(name: str, canvas: int) -> data.Dataset:
        dataset = data.load(name, data_dir)
        return data.on_canvas(dataset, canvas) if canvas else dataset

    @functools.cache
    def measured(name: str, canvas: int, test_on: str, measure_on: str) -> data.Dataset:
        dataset = load(name, canvas)
        # In the test set's place, validation is what is measured: nothing can read a test set.
        if measure_on == "validation":
            return dataset._replace(test=dataset.validation)
        if not test_on:
            return dataset
        try:
            other = load(test_on, canvas)
        except errors.UserError as error:
            raise errors.UserError(f"dataset.test_on={test_on!r}: {error}") from None
        return tested_on(dataset, other)

    @functools.cache
    def trained_on(name: str, canvas: int, train_on: str) -> data.Split:
        dataset = load(name, canvas)
        if train_on == "train":
            return dataset.train
        parts = zip(dataset.train, dataset.validation, strict=True)
        return data.Split(*map(np.concatenate, parts))

    plans = []
    for group in groups:
        told = group.config.dataset
        dataset = measured(told.name, told.canvas, told.test_on, group.config.measure_on)
        plans.append(plan(group, dataset, trained_on(told.name, told.canvas, told.train_on)))
    return plans


def tested_on(dataset: data.Dataset, other: data.Dataset) -> data.Dataset:
    """Puts another data set's test split in the test set's place; nothing else of it is used.

    Args:
      dataset: What is trained and validated on.
      other: What is measured.

    Returns:
      The data set with the other's test split.

    Raises:
      UserError: The two have examples of different shapes or different classes.
    """
    shape, wanted = other.test.images.shape[1:], dataset.test.images.shape[1:]
    if shape != wanted:
        raise errors.UserError(
            f"dataset.test_on={other.name!r}: its examples are of shape {shape}; expected "
            f"{wanted} as in {dataset.name}"
        )
    if other.class_names != dataset.class_names:
        raise errors.UserError(
            f"dataset.test_on={other.name!r}: its classes are {', '.join(other.class_names)}; "
            f"expected {', '.join(dataset.class_names)} as in {dataset.name}"
        )
    return dataset._replace(test=other.test)


def plan(group: Group, dataset: data.Dataset, split: data.Split) -> Plan:
    """Everything that training and measuring a group needs.

    Args:
      group: Runs that share a program.
      dataset: The group's data set.
      split: What of it the group is trained on.

    Returns:
      The plan; nothing has been trained.

    Raises:
      UserError: A name or a number in the group's configuration cannot be used.
    """
    config = group.config
    count = len(split.labels)
    runs = set()
    for member in group.members:
        size = member.config.dataset.train_size
        if not 0 <= size <= count:
            raise errors.UserError(
                f"dataset.train_size={size}: {dataset.name} has {count} training examples "
                "(0 stands for all of them)"
            )
        run = (member.route, *(member.numbers | {"dataset.train_size": size or count}).values())
        if run in runs:
            raise errors.UserError(
                f"dataset.train_size={size}: the same runs twice: train_size=0 means all "
                f"{count} training examples of {dataset.name}; expected one of the two"
            )
        runs.add(run)
    steps = configs.steps(config, count)
    if config.invariance.corruptions and split.images.ndim != 4:
        raise errors.UserError(
            f"invariance.corruptions={', '.join(config.invariance.corruptions)}: {dataset.name} "
            "holds signals; expected none, or a data set of images"
        )

    options = config.model.options.to_dict()
    if "num_classes" in options:
        raise errors.UserError("model.options.num_classes: the data set decides it; leave it out")
    module = models.build(config.model.name, num_classes=dataset.num_classes, **options)
    with _about("features", "+".join(config.features), dataset):
        door = doors.build(split.images, config.features, config.dataset.normalise)
        input_shape = jax.eval_shape(door.__call__, ops.unit(split.images[:1])).shape[1:]
    with _about("model.name", config.model.name, dataset):
        summary = models.summary(module, input_shape)
        if summary.output_shape != (dataset.num_classes,):
            shape = summary.output_shape
            made = "no array" if shape is None else f"values of shape {shape}"
            expected = f"expected logits, ({dataset.num_classes},)"
            raise ValueError(f"gives {made} for an example; {expected}")
    # Asked for now, so that a mistake in them is told before anything is trained.
    transformations.plan(config.invariance.transformations.to_dict(), split.images.shape[1:-1])
    optimizer.schedule(config.optimizer, steps)
    recipe = train.Recipe(
        network=_network(module),
        door=door,
        augment=augment.build(config.augment.name, **config.augment.ranges.to_dict()),
        optimizer=_optimizer(FrozenConfigDict(config.optimizer), steps),
        batch_size=config.batch_size,
        num_classes=dataset.num_classes,
        mix=augment.MIXTURES[config.augment.mix],
    )
    _check_augmentation(recipe, config, split, dataset)
    return Plan(
        group=group,
        dataset=dataset,
        examples=train.Examples(split.images, split.labels),
        module=module,
        summary=summary,
        recipe=recipe,
        hypers=hypers(group.members, count),
        steps=steps,
    )


# Programs are kept by function object: groups that are equal in network and optimiser get the same
# functions, and share the program that creates their states.
_network = functools.cache(models.seam)


@functools.cache
def _optimizer(config: FrozenConfigDict, steps: int) -> Callable[[train.Hyper], Any]:
    return functools.partial(optimizer.build, config, steps)


def _check_augmentation(
    recipe: train.Recipe, config: ConfigDict, split: data.Split, dataset: data.Dataset
) -> None:
    """Traces the distortion on the shapes of the data set: signals know fewer than images do."""

    def distort(images: Any, labels: Any) -> Any:
        key, images = jax.random.key(0), ops.unit(images)
        if recipe.augment is not None:
            images = recipe.augment(key, images, labels, 1.0)
        if recipe.mix is not None:
            images, _ = recipe.mix(key, images, jax.nn.one_hot(labels, recipe.num_classes))
        return images

    with _about("augment", configs.augmentation(config.augment), dataset):
        few = split.images[:2]
        distorted = jax.eval_shape(distort, few, split.labels[:2])
        if distorted.shape != few.shape:
            raise ValueError(
                f"examples of shape {few.shape[1:]} become {distorted.shape[1:]}; expected the same"
            )


@contextlib.contextmanager
def _about(field: str, value: str, dataset: data.Dataset) -> Iterator[None]:
    """Says of a shape that does not fit which field and which data set do not go together."""
    try:
        yield
    except errors.UserError:
        raise
    except ValueError as error:
        words = str(error).splitlines()[0]
        raise errors.UserError(
            f"{field}={value!r} on dataset.name={dataset.name!r}: {words}"
        ) from None


def hypers(members: Sequence[Run], count: int) -> train.Hyper:
    """The numbers of a group's members, stacked.

    Args:
      members: The runs of the group.
      count: Number of training examples, which is what a `train_size` of 0 stands for.

    Returns:
      Arrays of shape (members,).
    """
    columns = {
        name.rpartition(".")[2]: [member.numbers[name] for member in members] for name in NUMERIC
    }
    floats = {name: np.array(column, np.float32) for name, column in columns.items()}
    return train.Hyper(
        seed=np.array(columns["seed"], np.int32),
        train_size=np.array([size or count for size in columns["train_size"]], np.int32),
        learning_rate=floats["learning_rate"],
        weight_decay=floats["weight_decay"],
        label_smoothing=floats["label_smoothing"],
        augment_strength=floats["strength"],
        label_noise=floats["label_noise"],
    )
