"""Sums and guesses over a test set, against numpy and scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from cnnjax.invariance import evaluate
from cnnjax.invariance.batching import real, size, split


def linear(variables, x):
    return x.reshape(len(x), -1) @ variables


def problem(examples, seed=0):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (examples, 4, 3, 1)).astype(np.uint8)
    weights = random.normal(size=(12, 5)).astype(np.float32)
    logits = (images.reshape(examples, -1) / 255.0) @ weights
    return images, random.integers(0, 5, examples).astype(np.int32), weights, logits


@given(st.sampled_from([1, 2, 7]), st.sampled_from([1, 3, 7, 100]))
def test_evaluation_is_exact_whatever_the_batches(examples, batch_size):
    images, labels, weights, logits = problem(examples)
    sums = evaluate(linear, weights, images, labels, batch_size=batch_size)
    losses = -scipy.special.log_softmax(logits, axis=1)[np.arange(examples), labels]
    assert int(sums.correct) == np.sum(logits.argmax(axis=1) == labels)
    assert int(sums.examples) == examples
    np.testing.assert_allclose(sums.loss, losses.sum(), rtol=1e-5)


@pytest.mark.parametrize("batch_size", [4, 50])
def test_the_two_best_guesses_are_those_of_scipy(batch_size):
    images, labels, weights, logits = problem(11)
    found = evaluate(linear, weights, images, labels, batch_size=batch_size).guesses
    probabilities = scipy.special.softmax(logits, axis=1)
    order = np.argsort(-probabilities, axis=1)
    ranked = np.take_along_axis(probabilities, order, axis=1)
    assert found.first.tolist() == order[:, 0].tolist()
    assert found.second.tolist() == order[:, 1].tolist()
    np.testing.assert_allclose(found.first_probability, ranked[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.second_probability, ranked[:, 1], rtol=1e-5)


@pytest.mark.parametrize("over", [jax.vmap, lambda f: lambda v: jax.lax.map(f, v)])
def test_stacked_members_evaluate_as_each_alone(over):
    images, labels, weights, _ = problem(7)
    members = jnp.stack([weights, -weights, 2 * weights])
    together = over(lambda v: evaluate(linear, v, images, labels, batch_size=3))(members)
    alone = [evaluate(linear, each, images, labels, batch_size=3) for each in members]
    assert together.correct.tolist() == [int(each.correct) for each in alone]
    np.testing.assert_allclose(together.loss, [each.loss for each in alone], rtol=1e-5)
    firsts = [each.guesses.first.tolist() for each in alone]
    assert together.guesses.first.tolist() == firsts


def test_a_second_member_compiles_nothing():
    traces = []

    def predict(variables, x):
        traces.append(x.shape)
        return linear(variables, x)

    images, labels, weights, _ = problem(7)
    for factor in (1.0, 2.0):
        evaluate(predict, weights * factor, images, labels, batch_size=4)
    assert traces == [(4, 4, 3, 1)]


def test_an_answer_that_is_not_a_number_is_wrong():
    images, labels, weights, _ = problem(5)
    sums = evaluate(linear, weights * np.nan, images, 0 * labels)
    assert int(sums.correct) == 0
    assert np.isnan(sums.loss)


@pytest.mark.parametrize(
    ("logits", "first", "second"),
    [
        ([-200, 0, -300, -120, -150], 1, 3),  # all probabilities but the first are 0
        ([1e-9, 2e-9, 0], 1, 0),  # all are a third
        ([1, np.inf, 3], 1, 2),  # all are not a number
        ([0, -np.inf, -np.inf], 0, 1),
        ([3, 1, 3], 0, 2),
        ([-0.0, 0.0, -1], 0, 1),
        ([1, np.nan, 3], -1, -1),
    ],
)
def test_guesses_go_by_the_logits(logits, first, second):
    sums = evaluate(lambda _, x: x, {}, np.array([logits], np.float32), [max(first, 0)])
    assert int(sums.correct) == (first >= 0)
    assert sums.guesses.first.tolist() == [first]
    assert sums.guesses.second.tolist() == [second]


def test_padding_that_breaks_the_network_leaves_the_sums_alone():
    images = np.full((3, 2, 2, 1), 100, np.uint8)  # the padding is black, so it divides by 0

    def normalised(_, x):
        return jnp.broadcast_to(1 / x.sum(axis=(1, 2, 3))[:, None], (len(x), 2)) * jnp.arange(2)

    sums = evaluate(normalised, {}, images, np.ones(3, np.int32), batch_size=2)
    assert int(sums.correct) == 3
    assert np.isfinite(sums.loss)


@given(st.integers(1, 50), st.integers(1, 60))
def test_batches_are_no_larger_than_asked_and_hold_every_example_once(examples, batch_size):
    batches, each = size(examples, batch_size)
    assert each <= batch_size
    assert batches * each - examples < batches
    values = split(np.arange(examples), batch_size)
    assert values.shape == (batches, each)
    assert np.asarray(values)[real(examples, batch_size)].tolist() == list(range(examples))


@pytest.mark.parametrize(("examples", "batch_size"), [(0, 4), (4, 0), (4, -1)])
def test_empty_sets_and_batches_are_refused(examples, batch_size):
    images, labels = np.zeros((examples, 4, 3, 1), np.uint8), np.zeros(examples, np.int32)
    weights = np.zeros((12, 2), np.float32)
    name = "examples=0" if examples == 0 else f"batch_size={batch_size}"
    with pytest.raises(ValueError, match=f"{name}: expected an integer ≥ 1"):
        evaluate(linear, weights, images, labels, batch_size=batch_size)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((3,), "labels=3: expected as many as images, 4"),
        ((4, 2), r"labels of shape \(4, 2\): expected one class"),
    ],
)
def test_labels_are_one_class_for_each_image(shape, told, unchecked):
    images, weights = np.zeros((4, 4, 3, 1), np.uint8), np.zeros((12, 2), np.float32)
    with pytest.raises(ValueError, match=told):
        evaluate(linear, weights, images, np.zeros(shape, np.int32))


@pytest.mark.parametrize("kind", [list, np.array, jnp.array])
@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([0, 1, 2], "labels with 2: expected classes from 0 to 1"),
        ([0, -1, 1], "labels with -1: expected classes from 0 on"),
        ([0.0, 0.5, 1.0], "labels of type float.*: expected integers"),
    ],
)
def test_labels_are_classes(labels, told, kind, unchecked):
    images, weights = np.zeros((3, 4, 3, 1), np.uint8), np.zeros((12, 2), np.float32)
    with pytest.raises(ValueError, match=told):
        evaluate(linear, weights, images, kind(labels))


def test_labels_may_be_a_list():
    images, labels, weights, _ = problem(5)
    found = evaluate(linear, weights, images, labels.tolist())
    assert int(found.correct) == int(evaluate(linear, weights, images, labels).correct)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2, 2)])
def test_logits_are_of_two_classes_at_least(shape, unchecked):
    images, labels = np.zeros((3, 4, 3, 1), np.uint8), np.zeros(3, np.int32)
    with pytest.raises(ValueError, match=r"logits of shape .*: expected \(batch, classes\)"):
        evaluate(lambda _, x: jnp.zeros(shape), {}, images, labels)
