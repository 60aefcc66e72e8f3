import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.ops.one_by_one import one_by_one


def doubled_and_shifted(x, by):
    # The mean makes it visible if examples met each other.
    return 2 * x + by - jnp.mean(x)


X = np.arange(48, dtype=np.float32).reshape(8, 6)
BY = np.arange(8, dtype=np.float32)
EXPECTED = 2 * X + BY[:, None] - X.mean(1, keepdims=True)


@pytest.mark.parametrize("jit", [False, True])
def test_a_vmap_gives_what_it_gives_without(jit):
    mapped = jax.vmap(one_by_one(doubled_and_shifted))
    np.testing.assert_allclose((jax.jit(mapped) if jit else mapped)(X, BY), EXPECTED)


def test_it_is_a_loop_over_the_examples_on_the_cpu_only(monkeypatch):
    def traced():
        # A function of its own each time: jax remembers what it traced.
        return jax.make_jaxpr(jax.vmap(one_by_one(lambda x, by: doubled_and_shifted(x, by))))(X, BY)

    assert "length=8" in str(traced())
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "length=" not in str(traced())


@pytest.mark.parametrize("axes", [(0, None), (None, 0)])
def test_what_is_not_mapped_is_shared(axes):
    arguments = [each if axis == 0 else each[0] for each, axis in zip((X, BY), axes, strict=True)]
    result = jax.vmap(one_by_one(doubled_and_shifted), axes)(*arguments)
    expected = jax.vmap(doubled_and_shifted, axes)(*arguments)
    np.testing.assert_allclose(result, expected)


def test_a_jitted_function_may_close_over_numpy_arrays():
    function = jax.vmap(one_by_one(doubled_and_shifted))
    np.testing.assert_allclose(jax.jit(lambda factor: function(X, factor * BY))(1.0), EXPECTED)


def test_a_vmap_of_a_vmap():
    function = one_by_one(doubled_and_shifted)
    result = jax.vmap(jax.vmap(function))(X.reshape(2, 4, 6), BY.reshape(2, 4))
    np.testing.assert_allclose(result.reshape(8, 6), EXPECTED)


def test_it_can_be_differentiated_both_ways():
    def total(function):
        return lambda x: jnp.sum(jax.vmap(function)(x, BY) ** 2)

    way, plain = total(one_by_one(doubled_and_shifted)), total(doubled_and_shifted)
    np.testing.assert_allclose(jax.grad(way)(X), jax.grad(plain)(X), rtol=1e-5)
    np.testing.assert_allclose(
        jax.jvp(way, (X,), (X,))[1], jax.jvp(plain, (X,), (X,))[1], rtol=1e-5
    )
