import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from cnnjax import nn, ops
from cnnjax.errors import UserError


def start(layer, x, seed=0):
    y, variables = jax.jit(layer.init_with_output)(jax.random.key(seed), x)
    return variables["params"], y


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_conv_is_that_of_linen(axes):
    x = jax.random.normal(jax.random.key(1), (2, *(7, 9, 8)[:axes], 4))
    ours = nn.Conv(6, 3, stride=2, padding="SAME", groups=2)
    theirs = linen.Conv(6, (3,) * axes, strides=2, padding="SAME", feature_group_count=2)
    params, y = start(ours, x)
    other = jax.eval_shape(theirs.init, jax.random.key(0), x)["params"]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, other)
    np.testing.assert_allclose(y, theirs.apply({"params": params}, x), rtol=1e-4, atol=1e-5)


def test_dense_is_that_of_linen():
    x = jax.random.normal(jax.random.key(1), (2, 3, 4))
    variables = jax.jit(nn.Dense(5).init)(jax.random.key(0), x)
    np.testing.assert_allclose(
        nn.Dense(5).apply(variables, x), linen.Dense(5).apply(variables, x), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("padding", ["SAME", "CIRCULAR", ((1, 2), (0, 1))])
def test_locally_connected_with_equal_weights_everywhere_is_a_convolution(padding):
    x = jax.random.normal(jax.random.key(1), (2, 7, 6, 3))
    local = nn.LocallyConnected(4, 3, stride=2, padding=padding)
    params, _ = start(local, x)
    kernel = jax.random.normal(jax.random.key(2), (3, 3, 3, 4))
    bias = jax.random.normal(jax.random.key(3), (4,))
    tied = {
        "kernel": jnp.broadcast_to(kernel.reshape(-1, 4), params["kernel"].shape),
        "bias": jnp.broadcast_to(bias, params["bias"].shape),
    }
    expected = ops.cross_correlate(x, kernel, stride=2, padding=padding) + bias
    np.testing.assert_allclose(local.apply({"params": tied}, x), expected, rtol=1e-4, atol=1e-5)


def test_sparse_conv_with_all_connections_is_a_convolution():
    x = jax.random.normal(jax.random.key(1), (2, 6, 6, 3))
    sparse = nn.SparseConv(((0, 1, 2), (0, 1, 2)), 3)
    params, y = start(sparse, x)
    # In the order of the table: all inputs of the first map, then all of the second.
    kernel = params["kernel"].reshape(3, 3, 2, 3).swapaxes(2, 3)
    np.testing.assert_allclose(y, ops.cross_correlate(x, kernel), rtol=1e-4, atol=1e-5)


def test_sparse_conv_sees_only_the_maps_of_its_table():
    x = jax.random.normal(jax.random.key(1), (1, 5, 3))
    sparse = nn.SparseConv(((0,), (1, 2)), 3)
    params, y = start(sparse, x)
    assert params["kernel"].shape == (3, 3)
    other = sparse.apply({"params": params}, x.at[..., 0].add(1.0))
    assert np.abs(other - y)[..., 0].min() > 1e-4
    np.testing.assert_array_equal(other[..., 1], y[..., 1])


def test_sparse_conv_refuses_a_table_of_more_maps_than_there_are():
    with pytest.raises(ValueError, match="table: names input map 5, the input has 2"):
        nn.SparseConv(((0, 5),), 3).init(jax.random.key(0), jnp.ones((1, 5, 2)))


def test_subsample_starts_as_the_average_and_scales_and_shifts_each_map():
    x = jax.random.normal(jax.random.key(1), (2, 6, 4, 2))
    params, y = start(nn.Subsample(2), x)
    np.testing.assert_allclose(y, ops.average_pool(x, 2), atol=1e-6)
    assert {name: value.shape for name, value in params.items()} == {
        "coefficient": (2,),
        "bias": (2,),
    }
    changed = {"coefficient": jnp.array([1.0, -2.0]), "bias": jnp.array([0.5, 0.0])}
    total = x.reshape(2, 3, 2, 2, 2, 2).sum((2, 4))
    np.testing.assert_allclose(
        nn.Subsample(2).apply({"params": changed}, x),
        total * changed["coefficient"] + changed["bias"],
        rtol=1e-5,
        atol=1e-5,
    )


def test_radial_basis_is_largest_for_the_nearest_code():
    layer = nn.RadialBasis(((1, 1, -1), (-1, 1, 1)))
    x = jnp.array([[1.0, 1, -1], [-1, 1, 0]])
    logits = layer.apply({}, x)
    np.testing.assert_allclose(logits, [[0, -8], [-5, -1]])
    assert "params" not in layer.init(jax.random.key(0), x)
    trained = nn.RadialBasis(layer.codes, trainable=True)
    assert trained.init(jax.random.key(0), x)["params"]["codes"].tolist() == [
        [1, 1, -1],
        [-1, 1, 1],
    ]


def test_pools_are_their_operations():
    x = jax.random.normal(jax.random.key(1), (2, 8, 6, 3))
    for layer, expected in (
        (nn.MaxPool(3, stride=2, padding="SAME"), ops.max_pool(x, 3, stride=2, padding="SAME")),
        (nn.AveragePool(2), ops.average_pool(x, 2)),
        (nn.BlurPool(), ops.blur_pool(x)),
        (nn.GlobalAveragePool(), x.mean((1, 2))),
        (nn.Flatten(), x.reshape(2, -1)),
    ):
        variables = jax.jit(layer.init)(jax.random.key(0), x)
        assert not variables
        np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-6)


def test_average_pool_is_that_of_linen_without_the_padding():
    x = jax.random.normal(jax.random.key(1), (2, 9, 8, 3))
    for padding in ("SAME", "VALID", ((1, 0), (0, 2))):
        expected = linen.avg_pool(x, (3, 3), (2, 2), padding, count_include_pad=False)
        found = nn.AveragePool(3, stride=2, padding=padding).apply({}, x)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_blur_pool_is_scipys_binomial_filter_subsampled():
    x = jax.random.normal(jax.random.key(1), (2, 9, 8, 3))
    expected = np.asarray(x)
    for axis in (1, 2):
        weights = np.array([1, 4, 6, 4, 1]) / 16
        expected = ndimage.correlate1d(expected, weights, axis, mode="wrap")
    found = nn.BlurPool(5, stride=3, padding="CIRCULAR").apply({}, x)
    np.testing.assert_allclose(found, expected[:, ::3, ::3], atol=1e-6)


def test_default_kernels_keep_the_scale_of_signals_through_relu():
    x = jax.random.normal(jax.random.key(1), (64, 24, 8))
    for layer in (
        nn.Conv(64, 3),
        nn.LocallyConnected(16, 3),
        nn.Conv(64, 3, groups=2),
        nn.Dense(64),
        nn.SparseConv(((0, 1, 2), (3, 4, 5, 6, 7), tuple(range(8))) * 16, 3),
    ):
        _, y = start(layer, x)
        assert float(jnp.mean(jnp.square(nn.relu(y)))) == pytest.approx(1.0, rel=0.2)


def test_sparse_conv_starts_each_map_by_its_own_fan_in():
    sparse = nn.SparseConv(((0,), tuple(range(64))), 3, kernel_init=nn.inverse_uniform(2.4))
    kernel = sparse.init(jax.random.key(0), jnp.ones((1, 5, 64)))["params"]["kernel"]
    assert float(jnp.abs(kernel[:, 1:]).max()) <= 2.4 / (3 * 64)
    assert float(jnp.abs(kernel[:, 0]).max()) > 2.4 / (3 * 64)


def test_sparse_conv_draws_anew_for_each_fan_in():
    sparse = nn.SparseConv(((0,), (0, 1), (0, 1, 2)), 3, kernel_init=nn.symmetric_uniform(1.0))
    kernel = sparse.init(jax.random.key(0), jnp.ones((1, 5, 3)))["params"]["kernel"]
    assert len(np.unique(kernel)) == kernel.size


def test_biases_start_at_zero():
    x = jnp.ones((1, 8, 8, 6))
    for layer in (nn.Conv(3, 3), nn.Dense(3), nn.LocallyConnected(3, 3), nn.Subsample()):
        assert not np.any(start(layer, x)[0]["bias"])


@pytest.mark.parametrize(
    ("initialiser", "bound"),
    [
        (nn.symmetric_uniform(0.05), 0.05),
        (nn.inverse_uniform(2.4), 2.4 / 36),
        (nn.inverse_root_uniform, 1 / 6),
    ],
)
def test_uniform_initialisers_fill_their_range_and_no_more(initialiser, bound):
    values = np.asarray(initialiser(jax.random.key(0), (3, 3, 4, 500), jnp.float32))
    assert np.abs(values).max() <= bound
    assert values.max() > 0.99 * bound
    assert values.min() < -0.99 * bound
    assert abs(values.mean()) < 0.02 * bound


@pytest.mark.parametrize("name", ["he_normal", "lecun_normal"])
def test_normal_initialisers_draw_the_numbers_of_jax(name):
    shape = (3, 3, 4, 5)
    theirs = getattr(jax.nn.initializers, name)()(jax.random.key(3), shape, jnp.float32)
    np.testing.assert_allclose(getattr(nn, name)(jax.random.key(3), shape), theirs, rtol=1e-5)


@pytest.mark.parametrize(
    "initialiser",
    [nn.he_normal, nn.lecun_normal, nn.inverse_root_uniform, nn.inverse_uniform(2.4)],
)
def test_a_kernel_without_inputs_is_refused(initialiser):
    with pytest.raises(ValueError, match=r"kernel of shape \(3, 0, 5\): expected at least one"):
        initialiser(jax.random.key(0), (3, 0, 5))


def test_a_bound_has_to_be_positive():
    with pytest.raises(ValueError, match=r"bound=0\.0: expected a number > 0"):
        nn.symmetric_uniform(0.0)


def test_scaled_tanh_has_its_published_properties():
    assert float(nn.scaled_tanh(jnp.array(1.0))) == pytest.approx(1.0, abs=1e-4)
    assert float(nn.scaled_tanh(jnp.array(-100.0))) == pytest.approx(-1.7159)
    slope = jax.grad(lambda x: nn.scaled_tanh(x))(jnp.array(0.0))
    assert float(slope) == pytest.approx(1.7159 * 2 / 3)


def test_activations_by_name():
    assert nn.activation("relu")(jnp.array([-1.0, 2.0])).tolist() == [0.0, 2.0]
    with pytest.raises(UserError, match=r"activation='scaled-tanh': did you mean 'scaled_tanh'\?"):
        nn.activation("scaled-tanh")


def test_what_is_wrong_with_a_window_is_told_by_its_name():
    x, key = jnp.ones((1, 8, 1)), jax.random.key(0)
    with pytest.raises(
        ValueError, match=r"window=\(3, 3\): expected one integer for each of the 1"
    ):
        nn.Conv(2, (3, 3)).init(key, x)
    with pytest.raises(
        ValueError, match=r"stride=\(2, 2\): expected one integer for each of the 1"
    ):
        nn.LocallyConnected(2, 3, stride=(2, 2)).init(key, x)


def test_a_window_may_be_an_integer_of_numpy(unchecked):
    variables = nn.Conv(2, np.int64(3)).init(jax.random.key(0), jnp.ones((1, 8, 8, 1)))
    assert variables["params"]["kernel"].shape == (3, 3, 1, 2)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv(4, 3, groups=3), "groups=3: expected a divisor of the 2 input channels"),
        (nn.Conv(4, 3, groups=0), "groups=0: expected a divisor"),
        (nn.Conv(0, 3), "features=0: expected an integer"),
        (nn.Conv(-1, 3), "features=-1: expected an integer"),
        (nn.LocallyConnected(0, 3), "features=0: expected an integer"),
        (nn.Dense(0), "features=0: expected an integer"),
        (nn.Dense(-1), "features=-1: expected an integer"),
        (nn.SparseConv(((0,), ()), 3), r"table=.*: expected an input map for each"),
    ],
)
def test_what_no_kernel_can_be_drawn_for(layer, words):
    with pytest.raises(ValueError, match=words):
        layer.init(jax.random.key(0), jnp.zeros((1, 5, 5, 2)))
