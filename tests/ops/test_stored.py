import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.ops.stored import on_stored, stored

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.uint8])
@pytest.mark.parametrize("shape", [(4, 6), (24,), (), (0, 3)])
def test_the_values_are_the_same_plain_under_jit_and_under_vmap(shape, dtype):
    values = 255 * X**2 if dtype == np.uint8 else X
    x = jnp.zeros(shape, dtype) if 0 in shape else jnp.resize(values, shape).astype(dtype)
    ways = [stored(x), jax.jit(stored)(x), *([jax.vmap(stored)(x)] if shape else [])]
    for found in ways:
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(np.asarray(found, float), np.asarray(x, float))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_batch_has_one_branch_on_the_cpu_and_none_elsewhere(monkeypatch, dtype):
    def compiled():
        # A function of its own each time: jax remembers what it traced.
        function = jax.vmap(jax.vmap(lambda row: stored(jnp.sin(row).astype(dtype))))
        return jax.jit(function).lower(X.reshape(2, 2, 6)).compile().as_text()

    assert compiled().count(" conditional(") == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert " conditional(" not in compiled()


def test_it_is_differentiated_as_the_identity():
    loss = lambda x: jnp.sum(jax.vmap(stored)(x) ** 3)  # noqa: E731
    np.testing.assert_allclose(jax.grad(loss)(X), 3 * X**2, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(stored, (X,), (2 * X,))[1], 2 * X)


def test_what_is_not_a_number_stays_so():
    broken = X.copy()
    broken[0, 0] = np.nan
    for found in (stored(broken), jax.vmap(stored)(broken), jax.jit(stored)(broken)):
        np.testing.assert_array_equal(found, broken)


def weighted(x, weights):
    return x[1:] * weights[0] - x[:-1] * weights[1]


@pytest.mark.parametrize("first", [0.5, np.nan])
def test_a_function_of_what_is_stored_is_the_function(first):
    rows, weights = X.copy(), np.random.default_rng(0).random((4, 2), np.float32)
    rows[:, 0] = first
    expected = np.stack([weighted(*each) for each in zip(rows, weights, strict=True)])
    many = jax.vmap(on_stored(weighted))
    for found in (many(rows, weights), jax.jit(many)(rows, weights)):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(on_stored(weighted)(rows[0], weights[0]), expected[0], rtol=1e-6)
    # Mapped over one argument alone, and over two axes.
    alone = jax.vmap(on_stored(weighted), (0, None))(rows, weights[0])
    np.testing.assert_allclose(alone, weighted(rows.T, weights[0]).T, rtol=1e-6)
    twice = jax.vmap(many)(rows[None], weights[None])[0]
    np.testing.assert_allclose(twice, expected, rtol=1e-6)
    assert on_stored(weighted)(rows[0, :0], weights[0]).shape == (0,)


def test_a_function_of_what_is_stored_is_differentiated_as_it_is():
    weights = np.random.default_rng(0).random((4, 2), np.float32)

    def loss(function):
        return lambda x, weights: jnp.sum(jax.vmap(function)(x, weights) ** 2)

    found = jax.grad(loss(on_stored(weighted)), (0, 1))(X, weights)
    for one, other in zip(found, jax.grad(loss(weighted), (0, 1))(X, weights), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_function_is_in_one_branch_on_the_cpu_and_in_none_elsewhere(monkeypatch):
    def compiled():
        function = jax.vmap(lambda row: on_stored(lambda x: x[1:] - x[:-1])(jnp.sin(row)))
        return jax.jit(function).lower(X).compile().as_text()

    assert compiled().count(" conditional(") == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert " conditional(" not in compiled()
