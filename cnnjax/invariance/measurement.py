"""Robustness curves: accuracy and consistency against the strength of a transformation."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray, Shaped

from cnnjax import ops
from cnnjax.augment import affine_matrix
from cnnjax.invariance import batching, transformations
from cnnjax.invariance.accuracy import Predict, classes
from cnnjax.invariance.checks import check_images, check_labels, check_values
from cnnjax.invariance.corruptions import NAMES, SEVERITIES, chosen, corrupted
from cnnjax.invariance.transformations import Instance, Magnitudes


class Measurement(NamedTuple):
    """A model's answers at one transformation and magnitude.

    Attributes:
      transformation: "none" for the untouched set, one of `transformations.NAMES`, or one of
        `corruptions.NAMES` where corruptions are measured.
      magnitude: 0 for "none"; otherwise as in `transformations.instances`, or the severity.
      examples: Number of test examples.
      accuracy: Fraction of right answers, mean over the instances (directions, signs).
      errors: Number of wrong answers, mean over the instances.
      consistency: Fraction of examples whose predicted class is what it was on the untouched
        example, right or wrong; mean over the instances.
    """

    transformation: str
    magnitude: float
    examples: int
    accuracy: float
    errors: float
    consistency: float


class Tally(NamedTuple):
    """Counts of each instance.

    Attributes:
      correct: Examples whose class is the label.
      same: Examples whose class is the one of the first, untouched instance.
    """

    correct: Int[Array, " instances"]
    same: Int[Array, " instances"]


def transform(
    inputs: Float[Array, "batch *space channels"],
    instance: Float[Array, " fields"],
    noise: Float[Array, "batch *space channels"],
) -> Float[Array, "batch *space channels"]:
    """Applies one instance to a batch: one bilinear resample, zeros outside, then the noise.

    Args:
      inputs: Images in [0, 1], or signals of any range.
      instance: A row of `transformations.Plan.table`, traced.
      noise: Standard normal deviates, scaled by the instance's deviation. Images are clipped to
        [0, 1] afterwards, signals are not.

    Returns:
      The changed batch; exactly `inputs` for the instance that changes nothing.
    """
    does = Instance(*instance)
    signals = inputs.ndim == 3
    # A signal is an image of height 1.
    images = inputs[:, None] if signals else inputs
    size = (images.shape[1], images.shape[2])
    matrix = affine_matrix(
        rotation=does.rotation,
        shear=does.shear,
        scale=(1.0 if signals else does.scale, does.scale),
        translation=(does.down, does.right),
        size=size,
    )
    warped = ops.warp(images, matrix)
    noisy = warped.reshape(inputs.shape) + does.noise * noise
    return noisy if signals else jnp.clip(noisy, 0.0, 1.0)


@partial(jax.jit, static_argnames="shape")
def deviates(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Standard normal deviates of a test set's shape.

    A program of its own: a random generator takes longer to compile than a small network, and this
    one serves every model that is measured on the set.

    Args:
      key: Random key; the same key gives every model the same noise.
      shape: Of the test images, (examples, *space, channels).

    Returns:
      Independent deviates of mean 0 and variance 1.
    """
    return jax.random.normal(key, shape)


@partial(jax.jit, static_argnames=("predict", "batch_size"))
def tally(
    predict: Predict,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    labels: Int[Array | np.ndarray, " examples"],
    noise: Float[Array, "examples *space channels"],
    table: Float[Array | np.ndarray, "instances fields"],
    *,
    batch_size: int = 500,
) -> Tally:
    """Counts answers under every instance: the compiled core of `measure`.

    One body serves all instances and batches, and everything but `predict` and the shapes is
    traced, so other variables, magnitudes or noise compile nothing. It may itself be traced, under
    `jax.vmap` or `jax.lax.map` over stacked variables.

    Args:
      predict: predict(variables, inputs) -> logits.
      variables: The model's variables.
      images: uint8 pixels, floats in [0, 1], or float signals (examples, length, channels).
      labels: Classes, 0-based.
      noise: Standard normal deviates (`deviates`), which each instance scales by its own deviation:
        one draw for all deviations, batch sizes and models.
      table: `transformations.Plan.table`; its first row is the untouched set.
      batch_size: Largest batch; padding counts for nothing.

    Returns:
      The counts.
    """

    def one(batch: tuple[Array, Array, Array, Array]) -> Tally:
        stored, truth, real, standard = batch
        inputs = ops.unit(stored)
        answers = jax.lax.map(
            lambda instance: classes(predict(variables, transform(inputs, instance, standard))),
            jnp.asarray(table),
        )
        right = real & (answers == truth)
        # −1 is no answer, so it is not the same answer either.
        same = real & (answers == answers[0]) & (answers >= 0)
        return Tally(jnp.sum(right, axis=1), jnp.sum(same, axis=1))

    examples = images.shape[0]
    batches = (
        batching.split(images, batch_size),
        batching.split(labels, batch_size),
        jnp.asarray(batching.real(examples, batch_size)),
        batching.split(noise, batch_size),
    )
    correct, same = jax.lax.map(one, batches)
    return Tally(jnp.sum(correct, axis=0), jnp.sum(same, axis=0))


def measure(
    predict: Predict,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    labels: Int[Array | np.ndarray, " labels"] | Sequence[int],
    *,
    transformations: Magnitudes | None = None,
    batch_size: int = 500,
    key: PRNGKeyArray,
) -> list[Measurement]:
    """Measures how a model's answers stand up to each transformation at each magnitude.

    Translation is the mean over the four directions along the axes (no diagonals), rotation and
    shear over both signs, scale over the factors 1 + m and 1 / (1 + m).

    Args:
      predict: predict(variables, inputs) -> logits. Hand over the same function object for every
        member of a group, and the second member compiles nothing.
      variables: The model's variables.
      images: (examples, height, width, channels) uint8 pixels or floats in [0, 1], or float signals
        (examples, length, channels), whose noise is not clipped.
      labels: Classes, 0-based.
      transformations: Magnitudes by name, all > 0: translation in pixels or samples, rotation in
        degrees, scale as above, shear as the tangent of the angle, noise as standard deviation.
        None stands for `DEFAULT`, or `DEFAULT_SIGNALS`; signals have no rotation and no shear.
      batch_size: Largest batch.
      key: Of the noise; the same key gives every model the same noise.

    Returns:
      ("none", 0) first, then each transformation by rising magnitude.

    Raises:
      UserError: A transformation is unknown or senseless for signals, or a magnitude out of range.
      ValueError: There is not one label for each image, there are no images, or they are not what
        `images` says.

    Reference:
      A. Azulay and Y. Weiss, "Why do deep convolutional networks generalize so poorly to small
      image transformations?", JMLR 20 (2019), for consistency.

    >>> import jax, jax.numpy as jnp
    >>> brightness = lambda _, x: jnp.stack([x.mean((1, 2, 3)), jnp.full(len(x), 0.5)], axis=-1)
    >>> images = jnp.array([0.0, 1.0])[:, None, None, None] * jnp.ones((2, 4, 4, 1))
    >>> rows = measure(brightness, {}, images, jnp.array([1, 0]),
    ...                transformations={"translation": [1, 3]}, key=jax.random.key(0))
    >>> [(row.transformation, row.magnitude, row.accuracy) for row in rows]
    [('none', 0.0, 1.0), ('translation', 1.0, 1.0), ('translation', 3.0, 0.5)]
    """
    if images.ndim not in (3, 4):
        raise ValueError(
            f"images={images.shape}: expected (examples, height, width, channels) "
            "or (examples, length, channels)"
        )
    labels = check_labels(images, labels)
    check_values(images)
    plan = _plan(transformations, tuple(images.shape[1:-1]))
    counts = tally(
        predict,
        variables,
        images,
        labels,
        deviates(key, tuple(images.shape)),
        plan.table,
        batch_size=batch_size,
    )
    return rows(plan.cells, plan.cell, counts, len(images))


@partial(jax.jit, static_argnames=("predict", "batch_size"))
def answers(
    predict: Predict,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    *,
    batch_size: int = 500,
) -> Int[Array, " examples"]:
    """The predicted class of every example, −1 where there is none.

    Args:
      predict: predict(variables, inputs) -> logits.
      variables: The model's variables.
      images: uint8 pixels, or floats that are passed on as they are.
      batch_size: Largest batch.

    Returns:
      Classes, in order.
    """
    found = jax.lax.map(
        lambda inputs: classes(predict(variables, ops.unit(inputs))),
        batching.split(images, batch_size),
    )
    return found.reshape(-1)[: images.shape[0]]


def measure_corruptions(
    predict: Predict,
    members: Sequence[Any],
    images: Num[Array | np.ndarray, "examples height width channels"],
    labels: Int[Array | np.ndarray, " labels"] | Sequence[int],
    *,
    corruptions: Mapping[str, Sequence[int]] | None = None,
    batch_size: int = 500,
    key: PRNGKeyArray,
) -> list[list[Measurement]]:
    """Measures how the answers of a group's members stand up to corruptions.

    The corrupted images are made once for all members, one corruption at a time, so that no more
    copies of the set are held than one corruption needs.

    Args:
      predict: predict(variables, inputs) -> logits.
      members: Each model's variables.
      images: uint8 pixels, or floats in [0, 1].
      labels: Classes, 0-based.
      corruptions: Severities, some of 1 to 5, by name, of `CORRUPTIONS`; None stands for all
        corruptions at all five.
      batch_size: Largest batch.
      key: The same key gives every model the same corrupted images.

    Returns:
      For each member ("none", 0), on these same images, and then each corruption by severity.

    Raises:
      UserError: A corruption is unknown.
      ValueError: A severity is outside 1..5, there is not one label for each image, or the images
        are not what `images` says.
    """
    truth = np.asarray(check_labels(images, labels))
    check_images(images)
    if isinstance(members, Mapping):
        raise ValueError("members: expected a list with the variables of each model")
    if corruptions is None:
        corruptions = dict.fromkeys(NAMES, SEVERITIES)
    wanted = {name: chosen(name, severities) for name, severities in corruptions.items()}

    def answered(
        variables: Any, sets: Num[Array | np.ndarray, "severities examples height width channels"]
    ) -> Int[np.ndarray, "severities examples"]:
        flat = sets.reshape(-1, *sets.shape[2:])
        found = answers(predict, variables, flat, batch_size=batch_size)
        return np.asarray(found).reshape(sets.shape[:2])

    def measured(
        name: str, severity: int, found: Int[np.ndarray, " examples"], untouched: np.ndarray
    ) -> Measurement:
        right = int(np.sum(found == truth))
        same = float(np.mean((found == untouched) & (found >= 0)))
        return Measurement(
            name, float(severity), len(truth), right / len(truth), float(len(truth) - right), same
        )

    stored = jnp.asarray(images)
    # As many copies as there are severities: sets of one size share a program.
    copies = jnp.stack([stored] * max([1, *map(len, wanted.values())]))
    untouched = [answered(each, copies)[0] for each in members]
    del copies  # before others are made
    found = [[measured("none", 0, each, each)] for each in untouched]
    for name, severities in wanted.items():
        spoilt = corrupted(key, stored, name, severities=severities)
        for variables, before, own in zip(members, untouched, found, strict=True):
            each = answered(variables, spoilt)
            own += [
                measured(name, severity, at, before)
                for severity, at in zip(severities, each, strict=True)
            ]
        del spoilt
    return found


def rows(
    cells: Sequence[tuple[str, float]],
    cell: Int[np.ndarray, " instances"],
    counts: Tally,
    examples: int,
) -> list[Measurement]:
    """Averages the counts of the instances into one measurement a cell.

    Args:
      cells: Transformation and magnitude of each cell.
      cell: To which cell each instance belongs: both signs of a rotation are two instances of one.
      counts: How many predictions of each instance are correct, and how many are unchanged.
      examples: How many images each instance was counted on, ≥ 1.

    Returns:
      The measurements, in the order of the cells.
    """
    # Errors are counted before anything is divided: on the untouched set they are whole numbers.
    correct, same = (_cell_means(np.asarray(values), cell) for values in counts)
    return [
        Measurement(
            name,
            magnitude,
            examples,
            float(right / examples),
            float(examples - right),
            float(kept / examples),
        )
        for (name, magnitude), right, kept in zip(cells, correct, same, strict=True)
    ]


def relative_area(magnitudes: Sequence[float | int], accuracies: Sequence[float | int]) -> float:
    """Area under the accuracy curve, relative to the accuracy that starts it.

    trapezoid(accuracy over magnitude) / (last magnitude · first accuracy): 1 when nothing is lost
    up to the last magnitude, and about chance over accuracy when all is.

    Args:
      magnitudes: Rising, from 0.
      accuracies: Accuracy at each; the first is the untouched one.

    Returns:
      The figure; not a number when the untouched accuracy is 0.

    Raises:
      ValueError: The magnitudes do not rise from 0, or there are fewer than two.

    >>> relative_area([0, 1, 3], [0.8, 0.6, 0.4])
    0.7083333333333333
    """
    along, height = np.asarray(magnitudes, np.float64), np.asarray(accuracies, np.float64)
    if len(along) < 2 or along[0] != 0 or np.any(np.diff(along) <= 0):
        raise ValueError(f"magnitudes={list(magnitudes)}: expected at least two, rising from 0")
    if height[0] == 0:
        return float("nan")
    return float(np.trapezoid(height, along) / (along[-1] * height[0]))


def summary(measurements: Sequence[Measurement]) -> dict[str, float]:
    """The one figure of each transformation: `relative_area` of its accuracy curve.

    Args:
      measurements: As `measure` returns them, in any order, with the untouched ("none", 0). A
        curve that has a measurement of its own at magnitude 0 starts there: it was measured on
        other examples.

    Returns:
      Figure by transformation, in order of appearance.

    Raises:
      ValueError: The untouched measurement is missing.
    """
    untouched = [row.accuracy for row in measurements if row.transformation == "none"]
    if len(untouched) != 1:
        raise ValueError(f"measurements: {len(untouched)} rows of 'none', expected exactly 1")
    curves: dict[str, dict[float, float]] = {}
    for row in measurements:
        if row.transformation != "none":
            curve = curves.setdefault(row.transformation, {0.0: untouched[0]})
            curve[row.magnitude] = row.accuracy
    return {
        name: relative_area(*zip(*sorted(curve.items()), strict=True))
        for name, curve in curves.items()
    }


def _plan(chosen: Magnitudes | None, space: tuple[int, ...]) -> transformations.Plan:
    if chosen is None:
        chosen = transformations.DEFAULT if len(space) == 2 else transformations.DEFAULT_SIGNALS
    return transformations.plan(chosen, space)


def _cell_means(
    values: Shaped[np.ndarray, " instances"], cell: Int[np.ndarray, " instances"]
) -> Float[np.ndarray, " cells"]:
    return np.bincount(cell, weights=values) / np.bincount(cell)
