import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.ops import chunks


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of at most three examples of six floats; their sizes as they were taken."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 80)


APART = functools.partial(chunks.in_chunks, store_apart=True)
in_every_way = pytest.mark.parametrize(
    "way", [chunks.in_chunks, APART, chunks.one_by_one], ids=["chunks", "stored apart", "singly"]
)


def doubled_and_shifted(x, by):
    # The mean makes it visible if examples met each other.
    return 2 * x + by - jnp.mean(x)


X = np.arange(48, dtype=np.float32).reshape(8, 6)
BY = np.arange(8, dtype=np.float32)
EXPECTED = 2 * X + BY[:, None] - X.mean(1, keepdims=True)


def test_a_chunk_fits_and_divides_the_batch_where_it_can(small_chunks):
    assert chunks.chunk(8, 24) == 2
    assert chunks.chunk(9, 24) == 3
    assert chunks.chunk(7, 24) == 3
    assert chunks.chunk(3, 24) == 3
    assert chunks.chunk(4, 1000) == 1
    assert chunks.chunk(0, 24) == 0


def test_other_backends_take_the_whole_batch(small_chunks, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert chunks.chunk(1000, 24) == 1000


@in_every_way
@pytest.mark.parametrize("jit", [False, True])
def test_a_vmap_gives_what_it_gives_without_chunks(small_chunks, jit, way):
    mapped = jax.vmap(way(doubled_and_shifted))
    np.testing.assert_allclose((jax.jit(mapped) if jit else mapped)(X, BY), EXPECTED)


@pytest.mark.parametrize("way", [chunks.in_chunks, APART])
def test_a_rest_is_done_too(small_chunks, way):
    mapped = jax.vmap(way(doubled_and_shifted))
    np.testing.assert_allclose(mapped(X[:7], BY[:7]), EXPECTED[:7])
    assert "length=2" in str(jax.make_jaxpr(mapped)(X[:7], BY[:7]))


@pytest.mark.parametrize("way", [chunks.in_chunks, APART])
def test_the_work_is_one_loop_over_chunks(small_chunks, way):
    text = str(jax.make_jaxpr(jax.vmap(way(doubled_and_shifted)))(X, BY))
    assert "length=4" in text


def test_one_by_one_is_a_loop_over_the_examples_on_the_cpu_only(monkeypatch):
    mapped = lambda x, by: jax.vmap(chunks.one_by_one(doubled_and_shifted))(x, by)  # noqa: E731
    assert "length=8" in str(jax.make_jaxpr(mapped)(X, BY))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.clear_caches()
    assert "length=" not in str(jax.make_jaxpr(mapped)(X, BY))
    np.testing.assert_allclose(mapped(X, BY), EXPECTED)


@in_every_way
@pytest.mark.parametrize("axes", [(0, None), (None, 0)])
def test_what_is_not_mapped_is_shared(small_chunks, axes, way):
    arguments = [each if axis == 0 else each[0] for each, axis in zip((X, BY), axes, strict=True)]
    result = jax.vmap(way(doubled_and_shifted), axes)(*arguments)
    expected = jax.vmap(doubled_and_shifted, axes)(*arguments)
    np.testing.assert_allclose(result, expected)


def test_a_jitted_function_may_close_over_numpy_arrays(small_chunks):
    function = jax.vmap(chunks.in_chunks(doubled_and_shifted))
    np.testing.assert_allclose(jax.jit(lambda factor: function(X, factor * BY))(1.0), EXPECTED)


@in_every_way
def test_a_vmap_of_a_vmap(small_chunks, way):
    function = way(doubled_and_shifted)
    result = jax.vmap(jax.vmap(function))(X.reshape(2, 4, 6), BY.reshape(2, 4))
    np.testing.assert_allclose(result.reshape(8, 6), EXPECTED)


@in_every_way
def test_it_can_be_differentiated_both_ways(small_chunks, way):
    total = lambda x: jnp.sum(jax.vmap(way(doubled_and_shifted))(x, BY) ** 2)  # noqa: E731
    plain = lambda x: jnp.sum(jax.vmap(doubled_and_shifted)(x, BY) ** 2)  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(X), jax.grad(plain)(X), rtol=1e-5)
    np.testing.assert_allclose(
        jax.jvp(total, (X,), (X,))[1], jax.jvp(plain, (X,), (X,))[1], rtol=1e-5
    )


@pytest.mark.parametrize("operation", [augment.gaussian_blur, augment.rotate, augment.equalise])
def test_operations_give_the_same_in_chunks(operation, monkeypatch):
    images = np.random.default_rng(0).random((6, 9, 8, 3)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 6)
    whole = jax.vmap(operation)(keys, images)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2 * images[0].nbytes)
    assert "length=3" in str(jax.make_jaxpr(jax.vmap(operation))(keys, images))
    np.testing.assert_allclose(jax.vmap(operation)(keys, images), whole, atol=1e-6)
