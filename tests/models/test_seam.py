import functools

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import models, nn

X = jax.random.normal(jax.random.key(7), (8, 6, 2)) * 3 + 1


class Noisy(linen.Module):
    """Batch statistics and dropout in the smallest network that has both."""

    @linen.compact
    def __call__(self, x, train=False):
        x = nn.Conv(4, 3, name="conv1")(x)
        x = linen.BatchNorm(use_running_average=not train, momentum=0.5, name="norm1")(x)
        x = linen.Dropout(0.5, deterministic=not train, name="dropout1")(nn.relu(x))
        return nn.Dense(3, name="output")(nn.Flatten(name="flatten")(x))


@functools.cache
def noisy():
    network = models.seam(Noisy())
    return network, jax.jit(network.init)(jax.random.key(0), X)


def test_a_plain_network_has_parameters_and_no_state():
    network = models.seam(models.build("linear"))
    variables = network.init(jax.random.key(0), X)
    assert set(variables) == {"params"}
    logits, state = network.apply(variables, X, True, None)
    assert logits.shape == (8, 10)
    assert state == {}


def test_it_computes_what_the_module_computes():
    module = models.build("mnist1d_cnn", width=3)
    x = jnp.ones((2, 8, 1))
    variables = jax.jit(models.seam(module).init)(jax.random.key(0), x)
    logits, _ = models.seam(module).apply(variables, x, False, None)
    np.testing.assert_array_equal(logits, module.apply(variables, x))


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    network, variables = noisy()
    assert set(variables) == {"params", "batch_stats"}
    logits, state = network.apply(variables, X, False, None)
    assert state == {}
    # Each example by itself gives the same, which batch statistics would not.
    alone, _ = network.apply(variables, X[:1], False, None)
    np.testing.assert_allclose(logits[:1], alone, rtol=1e-5, atol=1e-6)


def test_training_returns_the_moved_statistics():
    network, variables = noisy()
    logits, state = network.apply(variables, X, True, jax.random.key(1))
    assert logits.shape == (8, 3)
    assert set(state) == {"batch_stats"}
    conv = models.feature_maps(Noisy(), variables, X)["conv1"]
    expected = 0.5 * conv.mean((0, 1))
    np.testing.assert_allclose(state["batch_stats"]["norm1"]["mean"], expected, atol=1e-5)
    again = {**variables, **state}
    assert jax.tree.structure(again) == jax.tree.structure(variables)
    network.apply(again, X, False, None)


def test_the_key_draws_the_dropout_and_nothing_else_does():
    network, variables = noisy()
    one, _ = network.apply(variables, X, True, jax.random.key(1))
    same, _ = network.apply(variables, X, True, jax.random.key(1))
    other, _ = network.apply(variables, X, True, jax.random.key(2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    still, _ = network.apply(variables, X, False, jax.random.key(1))
    quiet, _ = network.apply(variables, X, False, None)
    np.testing.assert_array_equal(still, quiet)


def test_training_without_a_key_says_so_where_one_is_needed():
    network, variables = noisy()
    with pytest.raises(ValueError, match=r"^key=None: expected a key"):
        network.apply(variables, X, True, None)


def test_members_with_statistics_start_and_train_under_vmap_and_map():
    network, _ = noisy()

    def member(key):
        variables = network.init(key, X)
        logits, state = network.apply(variables, X, True, key)
        return logits, state["batch_stats"]["norm1"]["var"]

    keys = jax.random.split(jax.random.key(0), 3)
    alone = jax.jit(member)(keys[2])
    for together in (jax.vmap(member), lambda keys: jax.lax.map(member, keys)):
        for one, many in zip(alone, jax.jit(together)(keys), strict=True):
            np.testing.assert_allclose(many[2], one, rtol=1e-4, atol=1e-5)


def test_a_second_call_does_not_compile_again():
    network = models.seam(models.build("lenet5_modern"))
    traces = 0

    @jax.jit
    def logits(variables, x):
        nonlocal traces
        traces += 1
        return network.apply(variables, x, False, None)[0]

    x = jnp.ones((2, 12, 1))
    for seed in range(2):
        logits(network.init(jax.random.key(seed), x), x + seed)
    assert traces == 1


def test_feature_maps_come_in_the_order_of_the_network_also_from_jit():
    module = models.build("ladder_gap", budget=2_000)
    x = jnp.ones((2, 16, 1))
    variables = jax.jit(module.init)(jax.random.key(0), x)
    plain = models.feature_maps(module, variables, x)
    stages = [f"{layer}{stage}" for stage in (1, 2, 3) for layer in ("conv", "pool", "blur")]
    assert list(plain) == [*stages, "gap", "hidden", "output"]
    compiled = jax.jit(functools.partial(models.feature_maps, module))(variables, x)
    assert list(compiled) == list(plain)
    assert plain["conv2"].shape[1] == 8
    np.testing.assert_allclose(plain["output"], compiled["output"], rtol=1e-4, atol=1e-6)


def test_feature_maps_are_what_the_layers_return_before_the_activation():
    module = models.build("mlp800", width=5)
    x = jnp.ones((1, 4, 1))
    variables = jax.jit(module.init)(jax.random.key(0), x)
    weights = variables["params"]["dense1"]
    expected = x[..., 0] @ weights["kernel"] + weights["bias"]
    np.testing.assert_allclose(
        models.feature_maps(module, variables, x)["dense1"], expected, rtol=1e-6
    )


def test_feature_maps_of_nested_modules_carry_their_path():
    class Outer(linen.Module):
        @linen.compact
        def __call__(self, x, train=False):
            return Noisy(name="inner")(x, train)

    variables = jax.jit(Outer().init)(jax.random.key(0), X)
    assert "inner/conv1" in models.feature_maps(Outer(), variables, X)


class Bare(linen.Module):
    """Cannot be told that it is trained."""

    @linen.compact
    def __call__(self, x):
        return linen.Dense(3, name="output")(x)


class Told(linen.Module):
    """Wants to be told by name."""

    @linen.compact
    def __call__(self, x, *, train):
        return linen.Dense(3, name="output")(x) + 10.0 * train


def test_modules_that_know_nothing_of_training_or_want_its_name_are_taken_too():
    x = jnp.ones((2, 4))
    for module, added in ((Bare(), 0.0), (Told(), 10.0)):
        network = models.seam(module)
        variables = network.init(jax.random.key(0), x)
        plain, _ = network.apply(variables, x, False, None)
        trained, _ = network.apply(variables, x, True, None)
        np.testing.assert_allclose(trained - plain, added, rtol=1e-6)
        np.testing.assert_array_equal(models.feature_maps(module, variables, x)["output"], plain)
        assert models.summary(module, (4,)).parameters == 15


class Other(linen.Module):
    @linen.compact
    def __call__(self, x, training=False):
        return linen.Dropout(0.5, deterministic=not training)(x)


def test_another_name_for_training_is_refused():
    with pytest.raises(ValueError, match="Other takes 'training': expected 'train'"):
        models.seam(Other()).init(jax.random.key(0), jnp.ones((1, 3)))


class Block(linen.Module):
    @linen.compact
    def __call__(self, x):
        return x + nn.Dense(x.shape[-1], name="inner")(x)


class Blocks(linen.Module):
    @linen.compact
    def __call__(self, x, train=False):
        return nn.Dense(2, name="output")(Block(name="block")(x))


def test_what_a_block_hands_on_is_a_map_too():
    x = jax.random.normal(jax.random.key(0), (2, 3))
    variables = Blocks().init(jax.random.key(1), x)
    maps = models.feature_maps(Blocks(), variables, x)
    assert list(maps) == ["block/inner", "block", "output"]
    np.testing.assert_allclose(maps["block"], x + maps["block/inner"], rtol=1e-6)
