import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import models


def by_layer():
    summary = models.summary(models.build("plain8"), (32, 32, 3))
    return {row.layer: row for row in summary.rows}, summary


def test_parameters_and_work_are_those_of_hand_arithmetic():
    # (channels in, channels out, side of the map) of each convolution.
    layers = [
        *((3, 64, 32), (64, 64, 32)),
        *((64, 128, 16), (128, 128, 16)),
        *((128, 256, 8), (256, 256, 8), (256, 256, 8), (256, 256, 8)),
    ]
    rows, table = by_layer()
    for number, (inputs, outputs, side) in enumerate(layers, 1):
        row = rows[f"conv{number}"]
        assert row.output_shape == (side, side, outputs)
        assert row.parameters == (9 * inputs + 1) * outputs
        assert row.multiply_accumulates == 9 * inputs * outputs * side**2
    convolutions = 1_792 + 36_928 + 73_856 + 147_584 + 295_168 + 3 * 590_080
    assert table.parameters == convolutions + 2_570 == 2_328_138
    work = 1_769_472 + 37_748_736 + 18_874_368 + 37_748_736 + 18_874_368 + 3 * 37_748_736
    assert table.multiply_accumulates == work + 2_560 == 228_264_448


def test_it_averages_over_positions_so_that_any_size_will_do():
    module = models.build("plain8", num_classes=3)
    variables = jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, 4, 4, 1)))
    logits = jax.eval_shape(module.apply, variables, jnp.ones((2, 9, 12, 1)))
    assert logits.shape == (2, 3)


@functools.cache
def normalised():
    """plain8 with batch normalisation and dropout: its seam, fresh variables and a batch."""
    x = 2 + 3 * jax.random.normal(jax.random.key(1), (6, 4, 4, 2))
    module = models.build("plain8", num_classes=3, batch_norm=True, dropout=0.5)
    network = models.seam(module)
    return module, network, jax.jit(network.init)(jax.random.key(0), x), x


def test_dropout_silences_as_many_features_as_it_says():
    # Every averaged feature is 1 and is a logit of its own.
    module = models.build("plain8", num_classes=256, dropout=0.4)
    x = jnp.ones((40, 4, 4, 1))
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes["params"])
    params["conv8"]["bias"] += 1
    params["output"]["kernel"] += np.eye(256, dtype=np.float32)
    apply = jax.jit(models.seam(module).apply, static_argnums=2)
    kept, _ = apply({"params": params}, x, True, jax.random.key(0))
    np.testing.assert_allclose(np.unique(kept), [0, 1 / 0.6], rtol=1e-6)
    assert np.mean(kept == 0) == pytest.approx(0.4, abs=0.02)  # four deviations
    untouched, _ = apply({"params": params}, x, False, None)
    np.testing.assert_array_equal(untouched, 1)


def test_batch_normalisation_adds_a_scale_and_a_shift_for_each_channel():
    table = models.summary(models.build("plain8", batch_norm=True, dropout=0.5), (32, 32, 3))
    assert table.parameters == 2_328_138 + 2 * 1_408
    assert table.multiply_accumulates == 228_264_448


def test_training_takes_the_batchs_statistics_and_moves_the_running_ones_a_tenth_towards_them():
    module, network, variables, x = normalised()
    _, state = network.apply(variables, x, True, jax.random.key(2))
    map1 = np.asarray(models.feature_maps(module, variables, x)["conv1"], np.float64)
    moved = state["batch_stats"]["norm1"]
    np.testing.assert_allclose(moved["mean"], 0.1 * map1.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(moved["var"], 0.9 + 0.1 * map1.var((0, 1, 2)), rtol=1e-3)
    # Fresh, the running mean and variance are 0 and 1, so that nothing but ε happens to the map.
    fresh = models.feature_maps(module, variables, x)["norm1"]
    np.testing.assert_allclose(fresh, map1 / np.sqrt(1 + 1e-5), rtol=1e-5, atol=1e-5)


def test_in_evaluation_examples_are_apart_and_nothing_is_drawn():
    _, network, variables, x = normalised()
    apply = jax.jit(network.apply, static_argnums=2)
    _, state = apply(variables, x, True, jax.random.key(2))
    variables = {**variables, **state}
    logits, nothing = apply(variables, x, False, None)
    assert nothing == {}
    alone, _ = apply(variables, x[:1], False, None)
    np.testing.assert_allclose(logits[:1], alone, rtol=1e-4, atol=1e-5)
    # In training another batch beside it makes an example another one.
    first, _ = apply(variables, x, True, jax.random.key(2))
    second, _ = apply(variables, x.at[1:].multiply(2.0), True, jax.random.key(2))
    assert np.abs(first[0] - second[0]).max() > 1e-2
    other, _ = apply(variables, x, True, jax.random.key(3))
    assert np.abs(first - other).max() > 1e-3
