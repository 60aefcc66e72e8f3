"""Robustness curves of predictors whose invariance is known, with scipy's transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from cnnjax.errors import UserError
from cnnjax.invariance import (
    SIGNAL_NAMES,
    Measurement,
    evaluate,
    measure,
    measure_corruptions,
    relative_area,
    summary,
)
from cnnjax.invariance.measurement import deviates, tally
from cnnjax.invariance.transformations import plan

KEY = jax.random.key(0)


def linear(variables, x):
    return x.reshape(len(x), -1) @ variables


def problem(examples=23, space=(9, 8), classes=3):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (examples, *space, 1)).astype(np.uint8)
    weights = random.normal(size=(int(np.prod(space)), classes)).astype(np.float32)
    return images, random.integers(0, classes, examples).astype(np.int32), weights


def by_scipy(images, labels, weights, moves):
    """(accuracy, consistency), the mean over `moves`, of the linear classifier."""

    def answers(move):
        moved = [move(image[..., 0] / 255.0) for image in images]
        return np.argmax(np.reshape(moved, (len(images), -1)) @ weights, axis=1)

    untouched = answers(lambda image: image)
    results = [answers(move) for move in moves]
    accuracy = np.mean([np.mean(each == labels) for each in results])
    return accuracy, np.mean([np.mean(each == untouched) for each in results])


def about_centre(image, matrix):
    """Reads, for each output pixel, the place `matrix` away from the centre."""
    centre = (np.array(image.shape) - 1) / 2
    offset = centre - matrix @ centre
    return scipy.ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")


def shift(amount):
    return lambda image: scipy.ndimage.shift(image, amount, order=1, mode="grid-constant")


def turn(degrees):
    return lambda image: scipy.ndimage.rotate(
        image, degrees, reshape=False, order=1, mode="grid-constant"
    )


def zoom(factor):
    return lambda image: about_centre(image, np.eye(2) / factor)


def slant(tangent):
    return lambda image: about_centre(image, np.array([[1.0, 0.0], [tangent, 1.0]]))


@pytest.mark.parametrize(
    ("name", "magnitude", "moves"),
    [
        ("translation", 2, [shift(d) for d in ((2, 0), (-2, 0), (0, 2), (0, -2))]),
        ("translation", 1.3, [shift(d) for d in ((1.3, 0), (-1.3, 0), (0, 1.3), (0, -1.3))]),
        ("rotation", 25, [turn(25), turn(-25)]),
        ("scale", 0.4, [zoom(1.4), zoom(1 / 1.4)]),
        ("shear", 0.3, [slant(0.3), slant(-0.3)]),
    ],
)
def test_curves_are_those_of_scipys_transformations(name, magnitude, moves):
    images, labels, weights = problem()
    found = measure(linear, weights, images, labels, transformations={name: [magnitude]}, key=KEY)[
        1
    ]
    accuracy, consistency = by_scipy(images, labels, weights, moves)
    assert found[:3] == (name, magnitude, len(images))
    assert found.accuracy == pytest.approx(accuracy)
    assert found.consistency == pytest.approx(consistency)
    assert found.errors == pytest.approx((1 - accuracy) * len(images))


def test_brightness_does_not_notice_a_quarter_turn_or_whole_shifts_in_the_dark():
    random = np.random.default_rng(0)
    images = np.zeros((16, 11, 11, 1), np.float32)
    images[:, 4:7, 4:7] = random.uniform(size=(16, 3, 3, 1))

    def brightness(threshold, x):
        mean = x.mean(axis=(1, 2, 3))
        return jnp.stack([mean, jnp.full_like(mean, threshold)], axis=1)

    means = images.mean(axis=(1, 2, 3))
    threshold = np.float32(np.sort(means)[7:9].mean())
    labels = (means < threshold).astype(np.int32)
    rows = measure(
        brightness,
        threshold,
        images,
        labels,
        transformations={"translation": [1, 4], "rotation": [90, 180], "scale": [1]},
        key=KEY,
    )
    assert all(row.accuracy == row.consistency == 1 for row in rows[:-1])
    assert rows[-1].accuracy < 1  # twice the size has four times the light


def test_a_signal_moves_as_scipy_moves_it():
    random = np.random.default_rng(2)
    signals = random.normal(size=(20, 13, 2)).astype(np.float32)
    weights = random.normal(size=(26, 4)).astype(np.float32)
    labels = random.integers(0, 4, 20).astype(np.int32)
    wanted = {"translation": [3]}
    row = measure(linear, weights, signals, labels, transformations=wanted, key=KEY)[1]
    moved = [
        np.stack([scipy.ndimage.shift(each, (d, 0), order=1) for each in signals]) for d in (3, -3)
    ]
    answers = [np.argmax(each.reshape(20, -1) @ weights, axis=1) for each in moved]
    assert row.accuracy == pytest.approx(np.mean([each == labels for each in answers]))


def test_signals_are_measured_by_what_signals_have():
    signals = np.random.default_rng(0).normal(size=(4, 12, 1)).astype(np.float32)
    weights, labels = np.ones((12, 2), np.float32), np.zeros(4, np.int32)
    rows = measure(linear, weights, signals, labels, key=KEY)
    assert tuple(dict.fromkeys(row.transformation for row in rows)) == ("none", *SIGNAL_NAMES)
    with pytest.raises(UserError, match="signals have no rotation"):
        measure(linear, weights, signals, labels, transformations={"rotation": [5]}, key=KEY)


def known_bit_for_bit(templates, x):
    """Class 0 if the input is one of the templates to the last bit."""
    same = (x[:, None] == templates).all(axis=(2, 3, 4)).any(axis=1)
    return jnp.stack([same, ~same], axis=1).astype(jnp.float32)


def test_the_untouched_row_is_the_untouched_set_to_the_last_bit():
    images = np.random.default_rng(3).uniform(size=(10, 7, 7, 2)).astype(np.float32)
    labels = np.zeros(10, np.int32)
    rows = measure(
        known_bit_for_bit, images, images, labels, transformations={"rotation": [1]}, key=KEY
    )
    assert rows[0] == Measurement("none", 0.0, 10, 1.0, 0.0, 1.0)
    assert rows[1].accuracy == 0
    assert int(evaluate(known_bit_for_bit, images, images, labels).correct) == 10


@pytest.mark.parametrize("batch_size", [1, 5, 23])
def test_batches_change_nothing(batch_size):
    images, labels, weights = problem()
    wanted = {"translation": [1], "noise": [0.5]}
    whole = measure(linear, weights, images, labels, transformations=wanted, key=KEY)
    batched = measure(
        linear, weights, images, labels, transformations=wanted, batch_size=batch_size, key=KEY
    )
    assert batched == whole


def test_pixels_and_their_floats_give_the_same():
    images, labels, weights = problem()
    wanted = {"shear": [0.2], "noise": [0.2]}
    pixels = measure(linear, weights, images, labels, transformations=wanted, key=KEY)
    floats = measure(
        linear, weights, (images / 255).astype(np.float32), labels, transformations=wanted, key=KEY
    )
    assert pixels == floats


def test_noise_is_the_keys_alone():
    images, labels, weights = problem(200)

    def noisy(key):
        return measure(linear, weights, images, labels, transformations={"noise": [1]}, key=key)[1]

    assert noisy(KEY) == noisy(jax.random.key(0))
    assert noisy(KEY) != noisy(jax.random.key(1))


def test_noise_has_the_deviation_asked_for_and_is_clipped_in_images_only():
    def spread(bounds, x):
        deviation = x.std(axis=tuple(range(1, x.ndim)))
        inside = (deviation > bounds[0]) & (deviation < bounds[1])
        return jnp.stack([inside, ~inside], axis=1).astype(jnp.float32)

    wanted = {"noise": [0.5]}
    labels = np.zeros(3, np.int32)
    signals = np.full((3, 4000, 1), 7.0, np.float32)
    row = measure(spread, (0.48, 0.52), signals, labels, transformations=wanted, key=KEY)[1]
    assert row.accuracy == 1
    # Around black, half of the deviates are clipped away and some of the rest at white: the mean
    # of clip(0.5 z, 0, 1) is 0.1952 and of its square 0.1107, by numerical integration.
    black = np.zeros((3, 64, 64, 1), np.uint8)
    z = np.linspace(-8, 8, 20001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    first, second = (
        scipy.integrate.trapezoid(np.clip(0.5 * z, 0, 1) ** power * density, z) for power in (1, 2)
    )
    expected = np.sqrt(second - first**2)
    bounds = (0.97 * expected, 1.03 * expected)
    assert measure(spread, bounds, black, labels, transformations=wanted, key=KEY)[1].accuracy == 1


def test_consistency_is_about_the_answer_and_not_the_truth():
    images, labels, weights = problem()
    always_first = np.zeros_like(weights)
    row = measure(
        linear, always_first, images, 0 * labels + 1, transformations={"noise": [0.3]}, key=KEY
    )[1]
    assert (row.accuracy, row.errors, row.consistency) == (0, len(images), 1)


def test_a_diverged_model_has_no_answers():
    images, labels, weights = problem()
    rows = measure(
        linear, weights * np.nan, images, 0 * labels, transformations={"scale": [0.1]}, key=KEY
    )
    assert [(row.accuracy, row.consistency) for row in rows] == [(0, 0), (0, 0)]


def test_other_variables_magnitudes_and_keys_compile_nothing():
    traces = []

    def predict(variables, x):
        traces.append(x.shape)
        return linear(variables, x)

    images, labels, weights = problem()
    for factor in (1, 2, 3):
        measure(
            predict,
            weights * factor,
            images,
            labels,
            transformations={"rotation": [factor], "noise": [0.1 * factor]},
            batch_size=12,
            key=jax.random.key(factor),
        )
    assert traces == [(12, 9, 8, 1)]


@pytest.mark.parametrize("over", [jax.vmap, lambda f: lambda v: jax.lax.map(f, v)])
def test_stacked_members_are_counted_as_each_alone(over):
    images, labels, weights = problem()
    table = plan({"translation": [1], "noise": [0.4]}, (9, 8)).table

    noise = deviates(KEY, images.shape)

    def count(variables):
        return tally(linear, variables, images, labels, noise, table, batch_size=10)

    together = over(count)(jnp.stack([weights, -weights]))
    for place, alone in enumerate([count(weights), count(-weights)]):
        assert together.correct[place].tolist() == alone.correct.tolist()
        assert together.same[place].tolist() == alone.same.tolist()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((4, 7), np.uint8), np.zeros(4, np.int32), r"images=\(4, 7\): expected"),
        (np.zeros((4, 7, 7, 1), np.uint8), np.zeros(3, np.int32), "labels=3: expected as many"),
        (np.zeros((4, 7, 7, 1), np.uint8), np.zeros((4, 2), np.int32), r"labels of shape \(4, 2\)"),
        (np.zeros((4, 7, 7, 1), np.uint8), np.full(4, -1), "labels with -1: expected classes"),
        (np.zeros((4, 7, 7, 1), np.uint8), np.zeros(4), "labels of type float64: expected int"),
        (np.zeros((0, 7, 7, 1), np.uint8), np.zeros(0, np.int32), "examples=0"),
        (np.zeros((4, 7, 7), np.uint8), np.zeros(4, np.int32), "type uint8 .* as signals are"),
        (np.full((4, 7, 7, 1), 9.0, np.float32), np.zeros(4, np.int32), "images from 9 to 9: "),
        (-np.ones((4, 7, 7, 1), np.float32), np.zeros(4, np.int32), "images from -1 to -1: "),
    ],
)
def test_sets_that_make_no_sense_are_refused(images, labels, message, unchecked):
    weights = np.zeros((49, 2), np.float32)
    with pytest.raises(ValueError, match=message):
        measure(linear, weights, images, labels, key=KEY)


def test_what_predicts_classes_and_not_logits_is_refused(unchecked):
    images, labels, weights = problem()
    with pytest.raises(ValueError, match=r"logits of shape .*: expected \(batch, classes\)"):
        measure(lambda _, x: jnp.argmax(linear(weights, x), -1), {}, images, labels, key=KEY)


def test_the_variables_of_one_model_are_not_taken_for_a_list_of_models(unchecked):
    images, labels, weights = problem()
    with pytest.raises(ValueError, match="members: expected a list with the variables of each"):
        measure_corruptions(linear, {"w": weights}, images, labels, key=KEY)


def test_an_unknown_transformation_is_refused_with_the_nearest():
    images, labels, weights = problem()
    with pytest.raises(UserError, match="did you mean 'translation'"):
        measure(linear, weights, images, labels, transformations={"translate": [1]}, key=KEY)


def curve(name, points):
    return [Measurement(name, m, 10, a, 10 * (1 - a), 1.0) for m, a in points]


def test_the_summary_by_hand():
    rows = curve("none", [(0, 0.8)])
    rows += curve("noise", [(0.5, 0.4), (0.25, 0.8)]) + curve("shear", [(2, 0.8)])
    # noise: (0.25 · 0.8 + 0.25 · 0.6) / (0.5 · 0.8)
    assert summary(rows) == pytest.approx({"noise": 0.875, "shear": 1.0})
    assert summary(rows[::-1]) == pytest.approx(summary(rows))
    # On other examples, of which 0.5 are right untouched: (0.6 + 0.5) / 2 / 0.5.
    rows += curve("scale", [(0.0, 0.5), (1.0, 0.6)])
    assert summary(rows)["scale"] == pytest.approx(1.1)


@given(
    st.lists(
        st.tuples(st.floats(0.01, 10), st.floats(0, 1)),
        min_size=1,
        max_size=6,
        unique_by=lambda p: p[0],
    ),
    st.floats(0.1, 1),
)
def test_the_summary_is_scipys_trapezoid(points, untouched):
    along, height = zip((0.0, untouched), *sorted(points), strict=True)
    area = scipy.integrate.trapezoid(height, along) / (along[-1] * untouched)
    assert relative_area(along, height) == pytest.approx(area)
    rows = curve("none", [(0, untouched)]) + curve("scale", points)
    assert summary(rows)["scale"] == pytest.approx(area)


def test_summaries_without_a_start_are_refused():
    with pytest.raises(ValueError, match="0 rows of 'none'"):
        summary(curve("noise", [(0.1, 0.5)]))
    with pytest.raises(ValueError, match="rising from 0"):
        relative_area([0, 2, 1], [1, 1, 1])
    with pytest.raises(ValueError, match="rising from 0"):
        relative_area([1, 2], [1, 1])
    assert np.isnan(relative_area([0, 1], [0, 0]))
