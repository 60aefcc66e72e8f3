import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import models, nn, ops


def table(module, shape):
    return {row.layer: row for row in models.summary(module, shape).rows}


def chain(*layers):
    class Chain(linen.Module):
        @linen.compact
        def __call__(self, x, train=False):
            for layer in layers:
                x = layer.clone(parent=self)(x)
            return x

    return Chain()


def test_a_multilayer_network_by_hand():
    rows = table(models.build("mlp800"), (28, 28, 1))
    assert rows["dense1"].parameters == 784 * 800 + 800
    assert rows["dense1"].multiply_accumulates == 784 * 800
    assert rows["output"].parameters == 800 * 10 + 10
    assert rows["output"].receptive_field == (28, 28)


@pytest.mark.parametrize("name", models.NAMES)
def test_the_rows_add_up(name):
    module = models.build(name)
    result = models.summary(module, (28, 28, 1))
    leaves = jax.tree.leaves(
        jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, 28, 28, 1)))
    )
    assert result.parameters == sum(leaf.size for leaf in leaves)
    assert result.parameters == sum(row.parameters for row in result.rows)
    assert result.multiply_accumulates == sum(row.multiply_accumulates for row in result.rows)
    assert result.rows[-1].layer == "output"
    assert result.rows[-1].output_shape == (10,)


def test_the_costs_of_each_kind_of_layer():
    network = chain(
        nn.Conv(4, (3, 5), stride=2, padding=1, groups=2, name="grouped"),
        nn.LocallyConnected(3, 3, padding="SAME", name="local"),
        nn.Dense(7, use_bias=False, name="pointwise"),
        nn.BlurPool(name="blur"),
        nn.AveragePool(2, name="average"),
    )
    rows = table(network, (12, 14, 2))
    # (12 + 2 − 3) // 2 + 1 = 6 and (14 + 2 − 5) // 2 + 1 = 6.
    assert rows["grouped"].output_shape == (6, 6, 4)
    assert rows["grouped"].parameters == 3 * 5 * 1 * 4 + 4
    assert rows["grouped"].multiply_accumulates == 36 * 15 * 4
    assert rows["local"].parameters == 36 * (9 * 4 * 3 + 3)
    assert rows["local"].multiply_accumulates == 36 * 9 * 4 * 3
    assert rows["pointwise"].parameters == 21
    assert rows["pointwise"].multiply_accumulates == 36 * 21
    assert rows["blur"].multiply_accumulates == 9 * 9 * 7
    assert rows["average"].multiply_accumulates == 0
    assert rows["grouped"].receptive_field == (3, 5)
    assert rows["local"].receptive_field == (3 + 2 * 2, 5 + 2 * 2)
    assert rows["pointwise"].receptive_field == rows["local"].receptive_field
    assert rows["blur"].receptive_field == (7 + 2 * 2, 9 + 2 * 2)
    assert rows["average"].receptive_field == (11 + 4, 13 + 4)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_the_receptive_field_is_what_reaches_a_unit_in_the_middle(padding):
    network = chain(
        nn.Conv(2, 5, stride=2, padding=padding, name="a"),
        nn.Conv(2, 3, dilation=2, padding=padding, name="b"),
        nn.MaxPool(2, stride=1, name="c"),
    )
    x = jax.random.normal(jax.random.key(0), (1, 41, 1))
    variables = jax.jit(network.init)(jax.random.key(1), x)

    def middle(x):
        y = network.apply(variables, x)
        return y[0, y.shape[1] // 2].sum()

    # A maximum has a gradient to the winner only, so that several inputs have to be tried.
    inputs = x * jax.random.normal(jax.random.key(2), (10, *x.shape))
    reached = np.any(jax.jit(jax.vmap(jax.grad(middle)))(inputs), (0, 1, 3))
    first, *_, last = np.flatnonzero(reached).tolist()
    assert table(network, (41, 1))["c"].receptive_field == (last - first + 1,)


class Residual(linen.Module):
    """Two blocks; the shortcut is computed before the branch or after it."""

    shortcut_first: bool

    @linen.compact
    def __call__(self, x, train=False):
        for block, stride in (("one", 2), ("two", 1)):
            shortcut = nn.Conv(3, 1, stride=stride, name=f"{block}_shortcut")
            around = shortcut(x) if self.shortcut_first else None
            inside = nn.Conv(3, 3, stride=stride, padding="SAME", name=f"{block}_a")(x)
            inside = nn.Conv(3, 3, padding="SAME", name=f"{block}_b")(nn.relu(inside))
            x = nn.relu(inside + (around if self.shortcut_first else shortcut(x)))
        return nn.Conv(3, 1, name="last")(x)


@pytest.mark.parametrize("shortcut_first", [False, True])
def test_the_receptive_field_of_branches_is_what_reaches_a_unit(shortcut_first):
    network = Residual(shortcut_first)
    x = jnp.ones((1, 41, 1))
    # All weights positive: nothing is cut off by a ReLU and nothing cancels.
    variables = jax.tree.map(jnp.abs, jax.jit(network.init)(jax.random.key(1), x))
    rows = table(network, (41, 1))
    assert [*rows].index("one_shortcut") == (0 if shortcut_first else 2)
    for name, row in rows.items():

        def middle(x, name=name):
            y = models.feature_maps(network, variables, x)[name]
            return y[0, y.shape[1] // 2].sum()

        reached = np.flatnonzero(jax.jit(jax.grad(middle))(x)[0, :, 0])
        assert row.receptive_field == (reached[-1] - reached[0] + 1,), name


def test_nothing_is_computed():
    # 12 million weights for a batch of one would be felt; a petabyte of them would not fit.
    rows = models.summary(models.build("mlp800", width=10**9), (1000, 1000, 1))
    assert rows.parameters == (10**6 + 1) * 10**9 + (10**9 + 1) * 10


def test_modules_of_other_makers_are_counted_too():
    network = chain(linen.Conv(4, (3, 3), name="theirs"), nn.Dense(5, name="ours"))
    rows = table(network, (8, 8, 2))
    assert rows["theirs"].parameters == 9 * 2 * 4 + 4
    assert rows["theirs"].multiply_accumulates == 64 * 9 * 2 * 4
    assert rows["theirs"].receptive_field is None
    assert rows["ours"].receptive_field is None


class Reshaped(linen.Module):
    """One layer behind a reshape that is no layer."""

    layer: linen.Module
    shape: tuple[int, ...]

    @linen.compact
    def __call__(self, x):
        return self.layer(x.reshape((len(x), *self.shape)))


@pytest.mark.parametrize(
    ("layer", "shape", "field"),
    [
        (nn.Dense(20), (784,), (28, 28)),
        (linen.Dense(20), (784,), (28, 28)),
        (nn.Dense(20), (784, 1), None),
        (nn.Dense(20), (14, 14, 4), None),
        (nn.Dense(20), (28, 28, 1), (1, 1)),
    ],
)
def test_the_first_layer_sees_what_its_input_is_made_of(layer, shape, field):
    assert table(Reshaped(layer, shape), (28, 28, 1))["layer"].receptive_field == field


def test_a_layer_of_two_outputs_has_a_row_and_no_field():
    class Halves(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = x @ self.param("kernel", nn.zeros, (x.shape[-1], 6))
            return x[..., :3], x[..., 3:]

    class Two(linen.Module):
        @linen.compact
        def __call__(self, x, train=False):
            left, right = Halves(name="halves")(x)
            return nn.Dense(4, name="last")(left * right)

    summary = models.summary(Two(), (5, 2))
    halves, last = summary.rows
    assert (halves.output_shape, halves.parameters, halves.receptive_field) == ((), 12, None)
    assert (last.output_shape, last.parameters, last.receptive_field) == ((5, 4), 16, None)
    assert str(summary).splitlines()[2].split() == ["halves", "Halves", "12", "12", "—"]


def test_modules_of_no_array_or_of_two_have_a_row_and_no_field():
    class Token(linen.Module):
        @linen.compact
        def __call__(self):
            return self.param("token", nn.zeros, (1, 4))

    class Add(linen.Module):
        def __call__(self, pair):
            return pair[0] + pair[1]

    class Both(linen.Module):
        @linen.compact
        def __call__(self, x, train=False):
            x = nn.Dense(4, name="first")(nn.Flatten(name="flatten")(x))
            return nn.Dense(3, name="last")(Add(name="add")((x, Token(name="token")())))

    rows = table(Both(), (5, 1))
    assert [*rows] == ["flatten", "first", "token", "add", "last"]
    assert [row.parameters for row in rows.values()] == [0, 24, 4, 0, 15]
    fields = [rows[name].receptive_field for name in ("first", "token", "add", "last")]
    assert fields == [(5,), None, None, None]


def test_a_module_that_is_called_twice_is_counted_once_and_worked_twice():
    class Twice(linen.Module):
        @linen.compact
        def __call__(self, x, train=False):
            layer = nn.Dense(3, name="layer")
            return layer(layer(x))

    result = models.summary(Twice(), (3,))
    assert [row.layer for row in result.rows] == ["layer", "layer#2"]
    assert result.parameters == sum(row.parameters for row in result.rows) == 12
    assert result.multiply_accumulates == 18


def test_parameters_of_a_module_that_also_calls_others_have_a_row():
    class Mixed(linen.Module):
        @linen.compact
        def __call__(self, x, train=False):
            x = nn.Dense(3, name="inner")(x)
            return x * self.param("gain", nn.zeros, (3,))

    rows = table(Mixed(), (2,))
    assert rows["Mixed"].parameters == 3
    assert rows["inner"].parameters == 9


def test_the_table_is_aligned_and_ends_with_the_totals():
    text = str(models.summary(models.build("lenet5_modern"), (28, 28, 1)))
    lines = text.splitlines()
    assert lines[0].split()[:4] == ["layer", "kind", "output", "parameters"]
    assert lines[-1].split() == ["total", "61,706", "416,520"]
    right = lines[0].index("parameters") + len("parameters")
    for line in (lines[2], lines[4], lines[-1]):
        assert line[right - 1].isdigit()
        assert line[right] == " "
    assert "10×10×16" in text


@pytest.mark.parametrize("name", ["plain8", "linear", "mnist1d_cnn", "ciresan2"])
def test_an_empty_axis_is_refused(name):
    with pytest.raises(ValueError, match=r"input_shape=\(32, 32, 0\): expected .*, each ≥ 1"):
        models.summary(models.build(name), (32, 32, 0))


def test_an_unsuitable_input_is_refused():
    with pytest.raises(ValueError, match="at least 12 positions"):
        models.summary(models.build("lenet5_modern"), (6, 6, 1))


@pytest.mark.parametrize(
    ("module", "work"),
    [
        (linen.ConvTranspose(4, (2, 2), (2, 2), padding="VALID"), 8 * 8 * 2 * 2 * 2 * 4),
        (linen.DenseGeneral((4, 5)), 8 * 8 * 2 * 4 * 5),
        (nn.BlurPool(window=(3, 1), stride=(2, 1)), 3 * 4 * 8 * 2),
        (nn.MaxPool(2), 0),  # without any parameters
    ],
)
def test_the_work_of_a_layer_on_8_by_8_pixels_of_2_channels(module, work):
    assert models.summary(chain(module), (8, 8, 2)).multiply_accumulates == work


class Pooled(linen.Module):
    """Two layers with an operation between them that is no layer."""

    @linen.compact
    def __call__(self, x):
        x = nn.Conv(4, 3, padding="SAME", name="before")(x)
        x = ops.max_pool(nn.relu(x), 2)
        return nn.Conv(4, 3, padding="SAME", name="behind")(x)


def test_a_field_is_not_known_behind_what_is_no_layer():
    rows = models.summary(Pooled(), (32, 32, 1)).rows
    assert [row.receptive_field for row in rows] == [(3, 3), None]
