import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax
from jax.test_util import check_grads

from cnnjax import ops

POOLS = (ops.max_pool, ops.average_pool, ops.l2_pool)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def few(*shape, seed=0):
    """So few different values that most windows have several winners."""
    return np.random.default_rng(seed).integers(0, 3, size=shape).astype(np.float32)


@st.composite
def pools(draw, paddings=("VALID", "SAME", "pairs")):
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    pick = lambda *values: tuple(draw(st.sampled_from(values)) for _ in range(axes))  # noqa: E731
    padding = draw(st.sampled_from(paddings))
    if padding == "pairs":
        padding = tuple(zip(pick(0, 1), pick(0, 1), strict=True))
    window = pick(2, 3, 4) if axes < 3 else pick(1, 2, 3)
    channels = draw(st.sampled_from([2, 2, 16]))
    x = few(2, *pick(5, 6, 7), channels, seed=draw(st.integers(0, 9)))
    return x, window, draw(st.one_of(st.none(), st.just(pick(1, 2, 3)))), padding


def stock(operation, start, x, window, stride, padding):
    stride = window if stride is None else stride
    if not isinstance(padding, str):
        padding = ((0, 0), *padding, (0, 0))
    return lax.reduce_window(x, start, operation, (1, *window, 1), (1, *stride, 1), padding)


@given(pools())
def test_max_pool_and_its_gradient_are_those_of_xla_ties_included(case):
    x, window, stride, padding = case

    @jax.jit
    def both(x, weights):
        def gradient(f):
            y, pull = jax.vjp(f, x)
            return y, pull(jnp.resize(weights, y.shape))

        ours = gradient(lambda x: ops.max_pool(x, window, stride=stride, padding=padding))
        return ours, gradient(lambda x: stock(lax.max, -jnp.inf, x, window, stride, padding))

    (y, dx), (their_y, their_dx) = both(x, np.arange(1, 98, dtype=np.float32))
    np.testing.assert_array_equal(y, their_y)
    np.testing.assert_array_equal(dx, their_dx)


def test_max_pool_against_scipy():
    x = random(1, 9, 9, 1).astype(np.float32)
    expected = scipy.ndimage.maximum_filter(x[0, ..., 0], 3, mode="constant", cval=-np.inf)
    found = ops.max_pool(x, 3, stride=1, padding="SAME")
    np.testing.assert_array_equal(found[0, ..., 0], expected)


def test_the_winner_alone_is_paid():
    x = jnp.asarray([1.0, 3.0, 3.0, 2.0]).reshape(1, 4, 1)
    gradient = jax.grad(lambda x: ops.max_pool(x, 4).sum())(x)
    np.testing.assert_array_equal(gradient.ravel(), [0, 1, 0, 0])


def test_what_lies_outside_never_wins():
    x = -np.ones((1, 4, 4, 1), np.float32)
    np.testing.assert_array_equal(ops.max_pool(x, 3, stride=1, padding="SAME"), x)


def test_a_large_window_is_the_same_as_xlas():
    x = few(2, 12, 12, 3)
    f = jax.jit(lambda x: ops.max_pool(x, 5, stride=2, padding="SAME"))
    g = jax.jit(lambda x: stock(lax.max, -jnp.inf, x, (5, 5), (2, 2), "SAME"))
    np.testing.assert_array_equal(f(x), g(x))
    np.testing.assert_array_equal(
        jax.grad(lambda x: jnp.sum(f(x) * 3))(x), jax.grad(lambda x: jnp.sum(g(x) * 3))(x)
    )


@given(pools())
def test_average_pool_counts_only_the_images_pixels(case):
    x, window, stride, padding = case
    stride = window if stride is None else stride
    # A window that sees nothing of the image has no mean; flax divides by zero there.
    if not isinstance(padding, str):
        assume(all(max(pair) < k for pair, k in zip(padding, window, strict=True)))
    expected, found = jax.jit(
        lambda x: (
            nn.avg_pool(x, window, stride, padding, count_include_pad=False),
            ops.average_pool(x, window, stride=stride, padding=padding),
        )
    )(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@given(pools())
def test_l2_pool_is_the_root_of_the_sum_of_squares(case):
    x, window, stride, padding = case
    expected, found = jax.jit(
        lambda x: (
            jnp.sqrt(stock(lax.add, 0.0, jnp.square(x), window, stride, padding)),
            ops.l2_pool(x, window, stride=stride, padding=padding),
        )
    )(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padding", ["CIRCULAR", "REFLECT"])
@pytest.mark.parametrize("pool", POOLS)
def test_other_paddings_are_padding_first(pool, padding):
    x = random(1, 6, 5, 2).astype(np.float32)
    mode = {"CIRCULAR": "wrap", "REFLECT": "reflect"}[padding]
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=mode)
    found = pool(x, 3, stride=1, padding=padding)
    np.testing.assert_allclose(found, pool(wide, 3, stride=1), rtol=1e-6)


@pytest.mark.parametrize("pool", [*POOLS, ops.blur_pool])
def test_gradients_against_finite_differences(pool):
    with jax.enable_x64(True):
        f = jax.jit(lambda x: pool(x, 3, stride=2, padding="REFLECT"))
        x = jnp.asarray(np.random.default_rng(0).permutation(84).reshape(2, 6, 7, 1) / 10)
        check_grads(f, (x,), order=1, modes=["rev"], eps=1e-4)


def test_l2_pool_has_a_finite_gradient_at_zero():
    gradient = jax.grad(lambda x: ops.l2_pool(x, 2).sum())(jnp.zeros((1, 4, 4, 1)))
    np.testing.assert_array_equal(gradient, 0)


def test_global_pools():
    x = random(2, 4, 5, 3).astype(np.float32)
    np.testing.assert_allclose(ops.global_average_pool(x), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ops.global_max_pool(x), x.max((1, 2)))
    np.testing.assert_allclose(ops.global_average_pool(x[:, 0]), x[:, 0].mean(1), atol=1e-6)


@pytest.mark.parametrize("pool", [ops.global_average_pool, ops.global_max_pool])
def test_gradients_of_global_pools_against_finite_differences(pool):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).permutation(120).reshape(2, 4, 5, 3) / 10)
        check_grads(jax.jit(pool), (x,), order=1, modes=["rev"], eps=1e-4)


def test_of_equals_the_first_takes_the_gradient_of_a_global_maximum():
    x = jnp.array([[1.0, 3.0], [3.0, 2.0]]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: 7 * ops.global_max_pool(x).sum())(x)
    assert gradient.reshape(-1).tolist() == [0, 7, 0, 0]


@pytest.mark.parametrize("pool", [ops.global_average_pool, ops.global_max_pool])
def test_without_positions_there_is_nothing_to_pool(pool):
    with pytest.raises(
        ValueError, match=r"x\.shape=\(2, 3\): expected \(batch, \*space, channels\)"
    ):
        pool(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("pool", POOLS)
def test_whole_numbers_are_refused(pool, unchecked):
    with pytest.raises(ValueError, match=r"^x of type int32: expected floats"):
        pool(np.ones((1, 4, 4, 1), np.int32), 2)


def test_average_pool_leaves_a_constant_alone_at_the_borders():
    x = np.full((1, 5, 5, 1), 3, np.float32)
    np.testing.assert_allclose(ops.average_pool(x, 3, stride=1, padding="SAME"), x, rtol=1e-6)


def test_a_window_wholly_outside_is_empty():
    x = np.ones((1, 4, 1), np.float32)
    assert ops.average_pool(x, 2, padding=2)[0, 0, 0] == 0
    assert ops.max_pool(x, 2, padding=2)[0, 0, 0] == -np.inf


@settings(max_examples=6)
@given(st.sampled_from([1, 2, 3, 4, 5]), st.sampled_from([1, 2]))
def test_blur_pool_against_scipy(window, stride):
    x = random(1, 9, 8, 2).astype(np.float32)
    weights = np.poly1d([0.5, 0.5]) ** (window - 1)
    expected = x[0]
    for axis in (0, 1):
        # Even windows have no middle: scipy's stands one pixel later, ours pads the odd one last.
        origin = -1 if window % 2 == 0 else 0
        expected = scipy.ndimage.correlate1d(
            expected, np.atleast_1d(weights.coef), axis, mode="mirror", origin=origin
        )
    found = ops.blur_pool(x, window, stride=stride)
    np.testing.assert_allclose(found[0], expected[::stride, ::stride], rtol=1e-5, atol=1e-6)


def test_blurring_first_makes_a_pool_less_sensitive_to_a_shift():
    x = random(1, 32, 1).astype(np.float32)
    moved = np.roll(x, 1, 1)

    def change(pool):
        before, after = np.asarray(pool(x)), np.asarray(pool(moved))
        return np.linalg.norm(after - before) / np.linalg.norm(before)

    blurred = change(lambda x: ops.blur_pool(x, 5, padding="CIRCULAR"))
    assert blurred < change(lambda x: x[:, ::2])


@pytest.mark.parametrize("pool", [*POOLS, ops.blur_pool])
def test_inside_programs(pool):
    x = few(3, 2, 6, 6, 2)
    gradient = jax.grad(lambda x: jnp.sum(pool(x, 2, stride=2) ** 2))
    expected = np.stack([gradient(one) for one in x])
    f = jax.jit(jax.vmap(gradient))
    np.testing.assert_allclose(f(x), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: lax.map(gradient, x))(x), expected, rtol=1e-6)
    f(x + 1)
    assert f._cache_size() == 1


@pytest.mark.parametrize("pool", [*POOLS, ops.blur_pool])
@pytest.mark.parametrize(
    ("shape", "window", "keywords", "message"),
    [
        ((1, 6, 6, 1), 0, {}, "window=0: expected an integer ≥ 1"),
        ((1, 6, 6, 1), 2, {"stride": 0}, "stride=0: expected an integer ≥ 1"),
        ((1, 6, 6, 1), (2, 2, 2), {}, r"window=\(2, 2, 2\): expected one integer"),
        ((1, 6, 6, 1), 7, {"padding": "VALID"}, "window=7: expected it to fit"),
        ((1, 6, 6, 1), 2, {"padding": "REFELCT"}, "padding='REFELCT': did you mean 'REFLECT'"),
        ((1, 6), 2, {}, r"x.shape=\(1, 6\): expected \(batch, \*space, channels\)"),
    ],
)
def test_errors(pool, shape, window, keywords, message):
    with pytest.raises(ValueError, match=message):
        pool(np.zeros(shape, np.float32), window, **keywords)


def test_subsampling_scales_the_sum_of_each_window():
    x = np.random.default_rng(3).normal(size=(2, 6, 4, 3)).astype(np.float32)
    coefficient, bias = np.float32([0.5, -1, 2]), np.float32([1, 0, -3])
    sums = x.reshape(2, 3, 2, 2, 2, 3).sum((2, 4))
    found = ops.subsample(x, coefficient, bias, window=2)
    np.testing.assert_allclose(found, coefficient * sums + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sums_in_half_precision_keep_their_digits(dtype):
    ones = jnp.ones((1, 300, 1), dtype)  # bfloat16 cannot count beyond 256
    mean, length = jax.jit(lambda x: (ops.average_pool(x, 300), ops.l2_pool(x, 300)))(ones)
    assert mean.dtype == dtype
    assert mean.item() == 1.0
    np.testing.assert_allclose(float(length.item()), 300**0.5, rtol=4e-3)
    large = jnp.full((1, 4, 1), 300, dtype)  # whose squares float16 cannot hold
    np.testing.assert_allclose(np.asarray(ops.l2_pool(large, 4), float), 600.0, rtol=4e-3)


@pytest.mark.parametrize("pool", [ops.global_average_pool, ops.global_max_pool])
def test_there_is_nothing_to_pool_where_there_are_no_pixels(pool):
    with pytest.raises(ValueError, match=r"x\.shape=\(1, 0, 3\): expected .*, no space empty"):
        pool(jnp.zeros((1, 0, 3)))
