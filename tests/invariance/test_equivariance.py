"""Equivariance errors of layers whose equivariance is known, and the lattices behind them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnjax import ops
from cnnjax.invariance import equivariance
from cnnjax.invariance.lattice import probe

SYMMETRIC = np.array([[1.0, 2, 1], [2, -5, 2], [1, 2, 1]], np.float32)[..., None, None]


def pictures(size=12, examples=5, seed=0):
    return np.random.default_rng(seed).uniform(size=(examples, size, size, 1)).astype(np.float32)


def kernels(seed=0, channels=4):
    random = np.random.default_rng(seed)
    first = random.normal(size=(3, 3, 1, channels)).astype(np.float32)
    return first, random.normal(size=(3, 3, channels, channels)).astype(np.float32)


def stack(padding):
    """Two convolutions with ReLU; their names are not in alphabetical order."""

    def feature_maps(variables, x):
        first = jax.nn.relu(ops.cross_correlate(x, variables[0], padding=padding))
        second = jax.nn.relu(ops.cross_correlate(first, variables[1], padding=padding))
        return {"second_to_none": first, "deep": second, "logits": second.mean(axis=(1, 2))}

    return feature_maps


def errors(rows, transformation="translation"):
    return {
        (row.layer, row.magnitude): row.error
        for row in rows
        if row.transformation == transformation
    }


@pytest.mark.parametrize("wrap", [True, False])
def test_circular_convolution_moves_exactly_with_its_input(wrap):
    rows = equivariance(stack("CIRCULAR"), kernels(), pictures(), shifts=(1, 2, 5), wrap=wrap)
    found = errors(rows)
    assert set(found) == set(itertools.product(["second_to_none", "deep"], [1, 2, 5]))
    assert max(found.values()) < 1e-5


@pytest.mark.parametrize("padding", ["SAME", "VALID", "REFLECT"])
def test_away_from_the_border_every_convolution_moves_exactly(padding):
    rows = equivariance(stack(padding), kernels(), pictures())
    assert max(errors(rows).values()) < 1e-5
    assert [(row.layer, row.layer_index) for row in rows[:3]] == [("second_to_none", 0)] * 3


def test_at_the_border_a_padded_convolution_does_not():
    rows = equivariance(stack("SAME"), kernels(), pictures(), wrap=True)
    assert min(errors(rows).values()) > 0.05


def strided(variables, x):
    return {
        "plain": ops.cross_correlate(x, variables, stride=2),
        "blurred": ops.blur_pool(ops.cross_correlate(x, variables), stride=2),
        "pooled": ops.max_pool(ops.cross_correlate(x, variables), 2),
    }


@given(st.integers(0, 10_000))
def test_a_stride_folds_odd_shifts_and_a_blur_folds_less(seed):
    rows = equivariance(strided, kernels(seed)[0], pictures(14, seed=seed + 1), shifts=(1, 2, 4))
    found = errors(rows)
    for layer in ("plain", "blurred", "pooled"):
        assert found[layer, 2] < 1e-5
        assert found[layer, 4] < 1e-5
    assert found["blurred", 1] < 0.8 * found["plain", 1]


def test_unshared_weights_do_not_move():
    random = np.random.default_rng(0)
    weights = random.normal(size=(8, 8, 9, 4)).astype(np.float32)

    def layers(variables, x):
        return {"local": ops.locally_connected(x, variables, window=3)}

    rows = equivariance(layers, weights, pictures(10) - 0.5)
    assert min(row.error for row in rows) > 0.9


def test_the_error_by_hand():
    def ramp(_, x):
        return {"ramp": x * jnp.arange(1, 9)[:, None]}

    signals = np.ones((3, 8, 1), np.float32)
    (row,) = equivariance(ramp, {}, signals, shifts=[1])
    # Position i gives i + 1 where T f(x) gives i, for i from 1 to 7.
    assert row.error == pytest.approx(np.sqrt(7 / sum(i**2 for i in range(1, 8))))
    assert (row.layer, row.layer_index, row.transformation, row.magnitude) == (
        "ramp",
        0,
        "translation",
        1.0,
    )


@pytest.mark.parametrize("unshared", [1, 2])
def test_the_error_is_the_mean_over_both_axes(unshared):
    # Every row (or column) has a weight of its own: along the other axis the map moves exactly.
    weights = np.arange(1, 9, dtype=np.float32)
    weights = weights.reshape((8, 1, 1) if unshared == 1 else (1, 8, 1))

    def layers(_, x):
        return {"weighted": x * weights}

    images = pictures(8)
    found = errors(equivariance(layers, {}, images, shifts=(1, 3)))
    for shift in (1, 3):
        first = np.take(images, np.arange(8 - shift), unshared)
        own, after = (
            np.take(weights, np.arange(8 - shift) + start, unshared - 1) for start in (0, shift)
        )
        difference, expected = ((each * first).reshape(5, -1) for each in (after - own, own))
        along = np.linalg.norm(difference, axis=1) / np.linalg.norm(expected, axis=1)
        assert found["weighted", shift] == pytest.approx((np.mean(along) + 0) / 2, rel=1e-5)


def test_half_a_step_is_interpolated():
    def every_other(_, x):
        return {"every_other": x[:, ::2]}

    rows = equivariance(every_other, {}, np.arange(1, 10, dtype=np.float32)[None, :, None])
    found = errors(rows)
    # On a straight line the interpolation is exact.
    assert max(found.values()) < 1e-6


@pytest.mark.parametrize(
    ("kernel", "stride", "size", "padding", "exact"),
    [
        (SYMMETRIC, 1, 8, "SAME", True),
        (SYMMETRIC, 2, 9, 1, True),
        (SYMMETRIC, 2, 8, "SAME", False),  # padded on one side: the grid is off the centre
        (kernels()[0], 1, 8, "SAME", False),
    ],
)
def test_quarter_turns(kernel, stride, size, padding, exact):
    def layers(variables, x):
        return {"map": ops.cross_correlate(x, variables, stride=stride, padding=padding)}

    found = errors(equivariance(layers, kernel, pictures(size)), "rotation")
    assert (found["map", 90.0] < 1e-5) == exact
    assert exact or found["map", 90.0] > 0.1


def test_what_a_turn_brings_from_the_border_is_left_out():
    # Two zeros before and none after: the map of a constant is constant but where it begins.
    def layers(variables, x):
        return {"map": ops.cross_correlate(x, variables, padding=((2, 0), (2, 0)))}

    found = errors(equivariance(layers, SYMMETRIC, np.ones((2, 8, 8, 1), np.float32)), "rotation")
    assert found["map", 90.0] < 1e-6


def test_signals_have_no_quarter_turn():
    def layers(variables, x):
        return {"map": ops.cross_correlate(x, variables)}

    kernel = np.ones((3, 1, 2), np.float32)
    signals = np.random.default_rng(0).normal(size=(4, 20, 1)).astype(np.float32)
    rows = equivariance(layers, kernel, signals, shifts=(1, 7))
    assert [(row.transformation, row.magnitude) for row in rows] == [
        ("translation", 1),
        ("translation", 7),
    ]
    assert max(row.error for row in rows) < 1e-5


def test_layers_that_see_everything_or_have_no_place_are_left_out():
    def layers(_, x):
        centred = x - x.mean(axis=(1, 2), keepdims=True)
        return {
            "centred": centred,
            "global": x.mean(axis=(1, 2)),
            "one_place": x.mean(axis=(1, 2), keepdims=True),
            "dark": 0 * x,
            "itself": x,
        }

    rows = equivariance(layers, {}, pictures())
    assert {(row.layer, row.layer_index) for row in rows} == {("itself", 4)}


def test_pixels_batches_and_padding_change_nothing():
    images = (255 * pictures(examples=7)).astype(np.uint8)
    layers = stack("SAME")
    whole = equivariance(layers, kernels(), images, batch_size=64, wrap=True)
    batched = equivariance(
        layers, kernels(), images.astype(np.float32) / 255, batch_size=3, wrap=True
    )
    assert [row[:4] for row in whole] == [row[:4] for row in batched]
    np.testing.assert_allclose(
        [row.error for row in whole], [row.error for row in batched], rtol=1e-4
    )


def test_a_second_member_compiles_nothing():
    traces, layers = [], stack("VALID")

    def counted(variables, x):
        traces.append(x.shape)
        return layers(variables, x)

    for seed in range(3):
        equivariance(counted, kernels(seed), pictures(seed=seed))
    assert traces == [(64, 12, 12, 1)]


@pytest.mark.parametrize("size", [4, 5, 6, 8])
def test_a_map_that_is_smaller_than_the_shift_has_nothing_to_compare(size):
    kernel = np.random.default_rng(0).normal(size=(size, size, 1, 2)).astype(np.float32)
    layers = lambda kernel, x: {"valid": ops.cross_correlate(x, kernel)}  # noqa: E731
    rows = equivariance(layers, kernel, pictures(), shifts=(1, 11))
    compared = {row.magnitude for row in rows if row.transformation == "translation"}
    assert compared == {1.0}
    assert max(row.error for row in rows if row.transformation == "translation") < 1e-5


@pytest.mark.parametrize("shifts", [(0,), (1, 12), (-1,), (1.5,), 1])
def test_shifts_outside_the_image_are_refused(shifts, unchecked):
    with pytest.raises(ValueError, match=r"shifts=.*: expected integers from 1 to 11"):
        equivariance(stack("SAME"), kernels(), pictures(), shifts=shifts)


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="examples=0"):
        equivariance(stack("SAME"), kernels(), pictures(examples=0))


def test_vectors_are_refused():
    with pytest.raises(
        ValueError, match=r"images of shape \(5, 12\): expected \(examples, \*space"
    ):
        equivariance(stack("SAME"), kernels(), np.zeros((5, 12), np.float32))


@st.composite
def towers(draw):
    """Layers of (window, stride, padding) on a signal of 48 samples."""
    layers = draw(
        st.lists(
            st.tuples(st.integers(1, 5), st.sampled_from([1, 1, 2, 3]), st.integers(0, 2)),
            min_size=1,
            max_size=3,
        )
    )
    return [(window, stride, min(padding, window - 1)) for window, stride, padding in layers]


@given(towers())
def test_lattices_are_those_of_receptive_field_arithmetic(layers):
    def run(x):
        maps = {}
        for place, (window, stride, padding) in enumerate(layers):
            padded = np.pad(x, [(0, 0), (padding, padding), (0, 0)])
            windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)
            x = windows[:, ::stride].sum(axis=-1)
            maps[str(place)] = x
        return maps

    found = probe(run, (48, 1))
    jump, first, last = 1, 0, 0
    for place, (window, stride, padding) in enumerate(layers):
        first -= padding * jump
        last += (window - 1 - padding) * jump
        jump *= stride
        lattice = found[str(place)][0]
        assert lattice.stride == jump
        assert (lattice.first, lattice.last) == (first, last)


def largest(x, window):
    """Max pooling without overlap."""
    space = range(1, x.ndim - 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, [window] * len(space), tuple(space))
    whole = (slice(None), *(slice(None, None, window) for _ in space))
    return windows[whole].max(axis=tuple(range(x.ndim, windows.ndim)))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("positions", [3, 4, 6])
@pytest.mark.parametrize("window", [2, 3, 4, 6])
def test_a_maximum_notices_each_of_its_pixels(window, positions, axes):
    shape = (*[window * positions] * axes, 1)
    found = probe(lambda x: {"pool": largest(x, window)}, shape)["pool"]
    assert [each[:3] for each in found] == [(window, 0, window - 1)] * axes


@pytest.mark.parametrize("sign", [1, -1])
def test_a_maximum_behind_weights_of_either_sign_notices_each_of_its_pixels(sign):
    weighted = lambda x: {"pool": largest(sign * (x + 0.5 * np.roll(x, 1, 1)), 3)}  # noqa: E731
    (found,) = probe(weighted, (24, 1))["pool"]
    assert found[:3] == (3, -1, 2)


def test_small_weights_are_noticed_and_rounding_is_not():
    def weak(x):
        sides = np.roll(x, 1, 1) + np.roll(x, -1, 1)
        rounding = 1e-6 * x.sum(axis=1, keepdims=True)
        return {"weak": x + 0.003 * sides + rounding}

    (found,) = probe(weak, (12, 1))["weak"]
    assert found[:3] == (1, -1, 1)
