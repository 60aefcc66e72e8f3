import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import lax

from cnnjax import ops
from cnnjax.ops.receptive_field import receptive_field
from cnnjax.ops.windows import pad

LAX_PADDINGS = st.one_of(
    st.sampled_from(["VALID", "SAME"]),
    st.integers(0, 4),
    st.tuples(st.tuples(st.integers(0, 4), st.integers(0, 4))),
)


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), LAX_PADDINGS)
def test_output_size_is_that_of_lax(size, window, stride, dilation, padding):
    theirs = [(padding, padding)] if isinstance(padding, int) else padding
    x = jax.ShapeDtypeStruct((1, size, 1), jnp.float32)
    kernel = jax.ShapeDtypeStruct((window, 1, 1), jnp.float32)
    expected = jax.eval_shape(
        lambda x, k: lax.conv_general_dilated(
            x,
            k,
            (stride,),
            theirs,
            rhs_dilation=(dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        ),
        x,
        kernel,
    ).shape[1]
    if expected == 0:
        with pytest.raises(ValueError, match=f"window={window}: expected it to fit"):
            ops.output_size(size, window, stride=stride, padding=padding, dilation=dilation)
    else:
        found = ops.output_size(size, window, stride=stride, padding=padding, dilation=dilation)
        assert found == expected


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_same_padding_is_that_of_lax(size, window, stride, dilation):
    ours = ops.explicit_padding(size, window, stride=stride, dilation=dilation, padding="SAME")
    reach = (window - 1) * dilation + 1
    assert ours == tuple(lax.padtype_to_pads((size,), (reach,), (stride,), "SAME"))


@given(
    st.integers(3, 30),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from(["SAME", "CIRCULAR", "REFLECT"]),
)
def test_padded_output_is_the_size_over_the_stride_rounded_up(size, window, stride, padding):
    assert ops.output_size(size, window, stride=stride, padding=padding) == -(-size // stride)


def test_explicit_padding_of_each_kind():
    assert ops.explicit_padding((9, 8), 3) == ((0, 0), (0, 0))
    assert ops.explicit_padding((9, 8), 3, padding=2) == ((2, 2), (2, 2))
    assert ops.explicit_padding((9, 8), 3, padding=((1, 2), (0, 3))) == ((1, 2), (0, 3))
    assert ops.explicit_padding((9, 8), (3, 4), stride=2, dilation=1, padding="CIRCULAR") == (
        (1, 1),
        (1, 2),
    )
    assert ops.explicit_padding(9, 3, stride=1, dilation=2, padding="REFLECT") == ((2, 2),)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "window=0: expected an integer ≥ 1"),
        ({"stride": 0}, "stride=0: expected an integer ≥ 1"),
        ({"dilation": -1}, "dilation=-1: expected an integer ≥ 1"),
        ({"window": (3, 3, 3)}, r"window=\(3, 3, 3\): expected one integer for each of the 2 axes"),
        ({"stride": (1,)}, r"stride=\(1,\): expected one integer for each of the 2 axes"),
        ({"padding": -1}, "padding=-1: expected an integer ≥ 0"),
        ({"padding": ((1, 1),)}, r"padding=\(\(1, 1\),\): expected one \(low, high\)"),
        ({"padding": (1, 1)}, r"padding=\(1, 1\): .*, such as \(\(1, 1\), \(1, 1\)\)"),
        ({"padding": "SAEM"}, "padding='SAEM': did you mean 'SAME'"),
        ({"padding": "same"}, "padding='same': did you mean 'SAME'"),
        ({"window": "3"}, "window='3': expected an integer ≥ 1"),
        ({"stride": 2.0}, r"stride=2\.0: expected an integer ≥ 1"),
        ({"stride": True}, "stride=True: expected an integer ≥ 1"),
        ({"dilation": None}, "dilation=None: expected an integer ≥ 1"),
        ({"padding": 2.0}, r"padding=2\.0: expected an integer ≥ 0"),
    ],
)
def test_errors_name_the_argument_its_value_and_what_was_expected(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        ops.explicit_padding((9, 8), **{"window": 3, **arguments})


@pytest.mark.parametrize(("padding", "mode"), [("CIRCULAR", "wrap"), ("REFLECT", "reflect")])
def test_pad_is_that_of_numpy(padding, mode):
    x = np.arange(24, dtype=np.float32).reshape(1, 4, 3, 2)
    pairs = ((1, 3), (2, 0))
    expected = np.pad(x, ((0, 0), *pairs, (0, 0)), mode=mode)
    np.testing.assert_array_equal(pad(x, pairs, padding), expected)


def test_reflection_needs_enough_to_mirror():
    with pytest.raises(ValueError, match="padding='REFLECT': expected an axis longer than the 3"):
        pad(np.zeros((1, 3, 1), np.float32), ((3, 3),), "REFLECT")


LAYER = st.tuples(
    st.integers(1, 4),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from(["VALID", "SAME", 1, ((0, 2),)]),
)


@given(st.lists(LAYER, min_size=1, max_size=3))
def test_receptive_field_is_the_support_of_the_gradient(layers):
    length = 64
    field = receptive_field(layers, size=length)

    def network(x):
        for window, stride, dilation, padding in layers:
            x = ops.cross_correlate(
                x,
                np.ones((window, 1, 1), np.float32),
                stride=stride,
                dilation=dilation,
                padding=padding,
            )
        return x[0, :, 0]

    x = np.ones((1, length, 1), np.float32)
    units = jax.eval_shape(network, x).shape[0]
    unit = units // 2
    first = field.start + unit * field.jump
    assume(first >= 0 and first + field.size <= length)
    gradient = jax.jit(jax.grad(lambda x: network(x)[unit]))(x)
    (seen,) = np.nonzero(np.asarray(gradient)[0, :, 0])
    assert (seen[0], seen[-1]) == (first, first + field.size - 1)


def test_receptive_field_of_vgg():
    # Araujo, Norris and Sim 2019: 212 pixels for VGG-16's last pool, 32 between neighbours.
    conv, pool = (3, 1, 1, 1), (2, 2, 1, "VALID")
    layers = [conv] * 2 + [pool] + [conv] * 2 + [pool] + ([conv] * 3 + [pool]) * 3
    assert receptive_field(layers)[:2] == (212, 32)


def test_receptive_field_of_nothing_is_the_pixel_itself():
    assert receptive_field([]) == (1, 1, 0)


def test_receptive_field_wants_the_size_where_it_matters():
    with pytest.raises(ValueError, match="size=None: expected the input's size, for 'SAME'"):
        receptive_field([(3, 2, 1, "SAME")])
