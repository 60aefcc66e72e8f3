import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import models
from cnnjax.errors import UserError
from cnnjax.models.digit_codes import DIGIT_CODES
from cnnjax.models.lenet import C3_TABLE, LeNet5

# LeCun et al. 1998, table I: rows are the maps of S2, columns those of C3; 1 is a connection.
TABLE_I = """
1000111001111011
1100011100111101
1110001110010111
0111001111001011
0011100111101101
0001110011110111
"""


def rows(name, shape, **options):
    table = models.summary(models.build(name, **options), shape)
    return {row.layer: row for row in table.rows}, table


def test_the_sparse_table_is_the_published_one():
    printed = TABLE_I.split()
    assert len(C3_TABLE) == 16
    for column, maps in enumerate(C3_TABLE):
        assert maps == tuple(row for row in range(6) if printed[row][column] == "1")


def test_the_sparse_table_has_the_published_kinds_of_connections():
    def contiguous(maps):
        return any({(first + k) % 6 for k in range(len(maps))} == set(maps) for first in range(6))

    assert [len(maps) for maps in C3_TABLE] == [3] * 6 + [4] * 9 + [6]
    assert [contiguous(maps) for maps in C3_TABLE[:15]] == [True] * 12 + [False] * 3
    assert len(set(C3_TABLE)) == 16


def test_published_lenet5_has_the_published_parameters():
    layers, table = rows("lenet5", (28, 28, 1))
    counts = {name: row.parameters for name, row in layers.items() if row.parameters}
    published = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert counts == published
    assert table.parameters == 60_000
    assert rows("lenet5", (28, 28, 1), codes="trainable")[1].parameters == 60_840


def test_published_lenet5_has_the_published_connections():
    # The paper counts a unit's bias as a connection: multiply–accumulates + units, except in the
    # output layer, whose units have none.
    layers, table = rows("lenet5", (32, 32, 1))
    biased = ("c1", "s2", "c3", "s4", "c5", "f6")
    connections = {
        name: layers[name].multiply_accumulates + int(np.prod(layers[name].output_shape))
        for name in biased
    }
    assert connections["c1"] == 122_304
    assert connections["s2"] == 5_880
    assert connections["c3"] == 151_600
    assert connections["s4"] == 2_000
    assert connections["c5"] == 48_120
    assert connections["f6"] == 10_164
    assert sum(connections.values()) + layers["output"].multiply_accumulates == 340_908
    assert table.multiply_accumulates == 340_908 - (4704 + 1176 + 1600 + 400 + 120 + 84)


def test_a_small_image_is_the_large_one_with_a_border_of_zeros():
    module = models.build("lenet5")
    small = jax.random.normal(jax.random.key(1), (2, 28, 28, 1))
    variables = jax.jit(module.init)(jax.random.key(0), small)
    large = jnp.pad(small, ((0, 0), (2, 2), (2, 2), (0, 0)))
    apply = jax.jit(module.apply)
    np.testing.assert_allclose(apply(variables, small), apply(variables, large), atol=1e-3)


def test_an_input_map_that_c3_does_not_see_does_not_reach_it():
    module = models.build("lenet5")
    x = jnp.ones((1, 28, 28, 1))
    params = jax.jit(module.init)(jax.random.key(0), x)["params"]
    maps = jax.jit(functools.partial(models.feature_maps, module))
    before = maps({"params": params}, x)["c3"]
    bias = params["s2"]["bias"].at[3].add(1.0)
    changed = {**params, "s2": {**params["s2"], "bias": bias}}
    after = maps({"params": changed}, x)["c3"]
    moved = np.abs(before - after).max(axis=(0, 1, 2)) > 1e-6
    assert moved.tolist() == [c == "1" for c in TABLE_I.split()[3]]


def test_codes_are_pictures_of_seven_by_twelve_that_differ():
    codes = np.array(DIGIT_CODES)
    assert codes.shape == (10, 7 * 12)
    assert set(codes.ravel().tolist()) == {-1, 1}
    apart = (codes[:, None] != codes[None]).sum(-1)[~np.eye(10, dtype=bool)]
    assert apart.min() >= 8


def test_logits_are_minus_the_squared_distances_to_the_codes():
    module = models.build("lenet5")
    x = jax.random.normal(jax.random.key(2), (2, 28, 28, 1))
    variables = jax.jit(module.init)(jax.random.key(0), x)
    maps = jax.jit(functools.partial(models.feature_maps, module))(variables, x)
    units = 1.7159 * np.tanh(2 / 3 * np.asarray(maps["f6"], np.float64))
    distances = ((units[:, None] - np.array(DIGIT_CODES)) ** 2).sum(-1)
    np.testing.assert_allclose(maps["output"], -distances, rtol=1e-5)


def test_fewer_classes_use_the_first_codes_and_more_have_none():
    assert rows("lenet5", (28, 28, 1), num_classes=3)[0]["output"].output_shape == (3,)
    with pytest.raises(UserError, match=r"num_classes=26: lenet5 expected at most 10"):
        models.build("lenet5", num_classes=26)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (LeNet5(20), "num_classes=20: expected 1 to 10"),
        (LeNet5(0), "num_classes=0: expected 1 to 10"),
        (LeNet5(-1), "num_classes=-1: expected 1 to 10"),
        (LeNet5(10, "trainabel"), "codes='trainabel': did you mean 'trainable'"),
    ],
)
def test_published_lenet5_has_its_own_codes_only(module, told):
    with pytest.raises(ValueError, match=told):
        jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, 28, 28, 1)))


@pytest.mark.parametrize("shape", [(1, 29, 29, 1), (1, 40, 1), (1, 28, 32, 1)])
def test_published_lenet5_takes_its_own_sizes_only(shape):
    with pytest.raises(ValueError, match=r"x\.shape=.*lenet5 expected \(batch, 28, 28, channels\)"):
        models.build("lenet5").init(jax.random.key(0), jnp.ones(shape))


def test_the_modern_one_by_hand():
    layers, table = rows("lenet5_modern", (28, 28, 1))
    assert (table.parameters, table.multiply_accumulates) == (61_706, 416_520)
    by_hand = {
        "conv1": ((28, 28, 6), 6 * 25 + 6, 28 * 28 * 6 * 25, (5, 5)),
        "pool1": ((14, 14, 6), 0, 0, (6, 6)),
        "conv2": ((10, 10, 16), 16 * 150 + 16, 100 * 16 * 150, (14, 14)),
        "pool2": ((5, 5, 16), 0, 0, (16, 16)),
        "flatten": ((400,), 0, 0, (32, 32)),
        "dense1": ((120,), 400 * 120 + 120, 400 * 120, (32, 32)),
        "dense2": ((84,), 120 * 84 + 84, 120 * 84, (32, 32)),
        "output": ((10,), 84 * 10 + 10, 84 * 10, (32, 32)),
    }
    found = {
        name: (row.output_shape, row.parameters, row.multiply_accumulates, row.receptive_field)
        for name, row in layers.items()
    }
    assert found == by_hand


def test_the_modern_one_says_when_an_input_is_too_small():
    module = models.build("lenet5_modern")
    assert jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, 12, 1)))
    with pytest.raises(ValueError, match="at least 12 positions along every spatial axis"):
        module.init(jax.random.key(0), jnp.ones((1, 28, 11, 1)))
    with pytest.raises(ValueError, match=r"expected \(batch, \*space, channels\)"):
        module.init(jax.random.key(0), jnp.ones((1, 784)))
