import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import models
from cnnjax.models.ladder import RUNGS, parameters, widths

SHAPES = [(28, 28, 1), (29, 29, 1), (32, 32, 3), (40, 1), (16, 8, 8, 1)]


@functools.cache
def table(rung, shape, **options):
    return models.summary(models.build(f"ladder_{rung}", **options), shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_rungs_cost_the_same_parameters(shape):
    counts = [table(rung, shape).parameters for rung in RUNGS]
    assert min(counts) >= 59_000
    assert max(counts) <= 61_000


@pytest.mark.parametrize("rung", RUNGS)
def test_a_budget_is_met(rung):
    for budget in (20_000, 200_000):
        module = models.build(f"ladder_{rung}", budget=budget)
        assert abs(models.summary(module, (28, 28, 1)).parameters / budget - 1) < 0.02


def test_no_other_hidden_layer_is_nearer_to_the_budget():
    for rung in RUNGS:
        *stages, hidden = widths(rung, (40, 1), 10, 60_000)
        counts = [
            abs(parameters(rung, (40, 1), 10, (*stages, hidden + more)) - 60_000)
            for more in (-1, 0, 1)
        ]
        assert min(counts) == counts[1]


def test_where_no_width_meets_the_budget_the_smallest_network_is_built():
    assert widths("local", (224, 224, 3), 10, 1_000) == (1, 1, 1, 1)


def test_one_step_at_a_time():
    def kinds(rung):
        return [row.kind for row in table(rung, (28, 28, 1)).rows]

    def sizes(rung):
        return [row.output_shape[0] for row in table(rung, (28, 28, 1)).rows]

    end = ["Flatten", "Dense", "Dense"]
    assert kinds("dense") == ["Flatten"] + ["Dense"] * 5
    assert kinds("local") == ["LocallyConnected"] * 3 + end
    assert kinds("conv") == ["Conv"] * 3 + end
    assert kinds("pool") == ["Conv", "MaxPool"] * 3 + end
    assert kinds("blur") == ["Conv", "MaxPool", "BlurPool"] * 3 + end
    assert kinds("gap") == ["Conv", "MaxPool", "BlurPool"] * 3 + ["GlobalAveragePool", *end[1:]]
    assert sizes("local")[:3] == sizes("conv")[:3] == [14, 7, 4]
    assert sizes("pool")[:6] == [28, 14, 14, 7, 7, 4]
    assert sizes("blur")[:9] == sizes("gap")[:9] == [28, 28, 14, 14, 14, 7, 7, 7, 4]


def test_pooling_adds_no_parameters():
    shapes = [
        jax.eval_shape(models.build(f"ladder_{rung}").init, jax.random.key(0), jnp.ones((1, 40, 1)))
        for rung in ("conv", "pool", "blur")
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_early_layers_are_cheap():
    for rung in RUNGS:
        assert table(rung, (28, 28, 1)).multiply_accumulates < 1_000_000


@functools.cache
def circular(rung):
    """A small rung on signals that close to a circle: its network, and its feature maps of one."""
    module = models.build(f"ladder_{rung}", padding="CIRCULAR", budget=3_000)
    x = jax.random.normal(jax.random.key(1), (4, 16, 1))
    variables = jax.jit(module.init)(jax.random.key(0), x)
    maps = jax.jit(functools.partial(models.feature_maps, module, variables))
    return lambda shift: maps(jnp.roll(x, shift, 1))


def change(rung, shift):
    """The largest change of a logit under a shift, relative to the largest logit."""
    plain, moved = (circular(rung)(by)["output"] for by in (0, shift))
    return float(jnp.abs(plain - moved).max() / jnp.abs(plain).max())


def test_on_a_circle_the_last_rung_does_not_notice_a_shift_by_all_its_strides():
    assert change("gap", 8) < 1e-5


def test_the_other_rungs_and_other_shifts_are_noticed():
    assert change("gap", 3) > 1e-4
    for rung in ("dense", "local", "conv", "pool", "blur"):
        assert change(rung, 8) > 1e-2


def test_shared_weights_move_with_the_input_and_unshared_ones_do_not():
    for rung, layer, equivariant in (("conv", "conv1", True), ("local", "local1", False)):
        plain, moved = (circular(rung)(by)[layer] for by in (0, 2))
        assert bool(np.allclose(jnp.roll(plain, 1, 1), moved, atol=1e-5)) is equivariant


@pytest.mark.parametrize("rung", RUNGS)
def test_too_small_an_input_is_refused_in_one_line(rung):
    with pytest.raises(
        ValueError, match=f"ladder_{rung} expected .* at least 8 positions"
    ) as error:
        models.build(f"ladder_{rung}").init(jax.random.key(0), jnp.ones((1, 28, 7, 1)))
    assert "\n" not in str(error.value)
