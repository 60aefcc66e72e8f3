"""Schedules in closed form, and the errors of wrong settings."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from cnnjax import config as configs
from cnnjax.errors import UserError
from cnnjax.train import optimizer


def settings(**changes):
    config = configs.default().optimizer
    config.update(changes)
    return config


def test_cosine_is_half_way_down_in_the_middle_and_ends_at_final():
    shape = optimizer.schedule(settings(schedule="cosine", final=0.2), 100)
    assert [float(shape(step)) for step in (0, 50, 100)] == pytest.approx([1.0, 0.6, 0.2])


def test_exponential_multiplies_by_the_same_factor():
    shape = optimizer.schedule(settings(schedule="exponential", final=1e-3), 30)
    values = np.array([float(shape(step)) for step in range(31)])
    np.testing.assert_allclose(values[1:] / values[:-1], math.exp(math.log(1e-3) / 30), rtol=1e-5)
    assert values[-1] == pytest.approx(1e-3)


def test_warmup_rises_linearly_before_the_schedule_starts():
    shape = optimizer.schedule(settings(schedule="cosine", warmup=10), 110)
    assert [float(shape(step)) for step in (0, 5, 10, 60, 110)] == pytest.approx(
        [0, 0.5, 1, 0.5, 0], abs=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"name": "adam"}, "did you mean 'adamw'"),
        ({"schedule": "exponential", "final": 0.0}, "optimizer.final=0.0"),
        ({"warmup": 10}, "optimizer.warmup=10: expected fewer steps than the 10 of the run"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        optimizer.build(settings(**changes), 10, toy.hypers())


def test_kernels_decay_and_biases_do_not_however_many_axes_they_have():
    hyper = jax.tree.map(lambda each: each[0], toy.hypers(1, learning_rate=0.1, weight_decay=0.5))
    layer = {"kernel": jnp.ones((3, 3, 2)), "bias": jnp.ones((4, 4, 2))}  # as unshared ones are
    params = {"local": layer, "output": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    transform = optimizer.build(settings(schedule="constant"), 10, hyper)
    nothing = jax.tree.map(jnp.zeros_like, params)
    updates, _ = transform.update(nothing, transform.init(params), params)
    for own in updates.values():
        np.testing.assert_allclose(own["kernel"], -0.05)
        np.testing.assert_array_equal(own["bias"], 0.0)
