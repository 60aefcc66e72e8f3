import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax
from jax.test_util import check_grads

from cnnjax import ops
from cnnjax.ops import blocking, correlation

NAMES = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}
MODES = {"CIRCULAR": "wrap", "REFLECT": "reflect"}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def integers(*shape, seed=0):
    """Small whole numbers, whose sums and products are exact in float32 in any order."""
    return np.random.default_rng(seed).integers(-4, 5, size=shape).astype(np.float32)


@st.composite
def cases(draw, paddings=("VALID", "SAME", "CIRCULAR", "REFLECT", "integer", "pairs")):
    """A convolution of any kind, small enough to compile quickly."""
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    pick = lambda *values: tuple(draw(st.sampled_from(values)) for _ in range(axes))  # noqa: E731
    groups = draw(st.sampled_from([1, 1, 2]))
    padding = draw(st.sampled_from(paddings))
    if padding == "integer":
        padding = draw(st.integers(0, 3))
    elif padding == "pairs":
        padding = tuple(zip(pick(0, 1, 4), pick(0, 2), strict=True))
    keywords = {
        "stride": pick(1, 1, 2, 3),
        "dilation": pick(1, 1, 2),
        "groups": groups,
        "padding": padding,
    }
    x = random(2, *pick(5, 6, 8), 2 * draw(st.sampled_from([1, 2])))
    kernel = random(*pick(1, 2, 3), x.shape[-1] // groups, draw(st.sampled_from([2, 6])), seed=1)
    return x, kernel, keywords


def padded(x, kernel, keywords):
    padding = keywords["padding"]
    pairs = ops.explicit_padding(
        x.shape[1:-1],
        kernel.shape[:-2],
        stride=keywords["stride"],
        dilation=keywords["dilation"],
        padding=padding,
    )
    mode = {"mode": MODES[padding]} if padding in MODES else {}
    return np.pad(x, ((0, 0), *pairs, (0, 0)), **mode)


def scipys(x, kernel, keywords):
    """Cross-correlation by scipy.signal: one channel and one feature at a time."""
    wide = padded(x, kernel, keywords)
    axes, groups = x.ndim - 2, keywords["groups"]
    spread = np.zeros(
        tuple((k - 1) * d + 1 for k, d in zip(kernel.shape, keywords["dilation"], strict=False))
        + kernel.shape[-2:]
    )
    spread[tuple(slice(None, None, d) for d in keywords["dilation"])] = kernel
    every = tuple(slice(None, None, s) for s in keywords["stride"])
    features = kernel.shape[-1]
    maps = []
    for image, feature in itertools.product(range(len(x)), range(features)):
        first = feature // (features // groups) * kernel.shape[-2]
        maps.append(
            sum(
                scipy.signal.correlate(
                    wide[image, ..., first + c], spread[..., c, feature], "valid", "direct"
                )
                for c in range(kernel.shape[-2])
            )[every]
        )
    y = np.stack(maps).reshape(len(x), features, *maps[0].shape)
    return np.moveaxis(y, 1, axes + 1)


def stock(x, kernel, *, stride, padding, dilation, groups):
    """Lax's own convolution, with its own gradient."""
    axes = x.ndim - 2
    window = kernel.shape[:-2]
    pairs = ops.explicit_padding(
        x.shape[1:-1], window, stride=stride, dilation=dilation, padding=padding
    )
    mode = MODES.get(padding, "constant") if isinstance(padding, str) else "constant"
    wide = jnp.pad(x, ((0, 0), *pairs, (0, 0)), mode=mode)
    return lax.conv_general_dilated(
        wide,
        kernel,
        stride,
        "VALID",
        rhs_dilation=dilation,
        dimension_numbers=NAMES[axes],
        feature_group_count=groups,
    )


def fits(x, kernel, keywords):
    wide = padded(x, kernel, keywords).shape[1:-1]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape, keywords["dilation"], strict=False)]
    return all(size >= r for size, r in zip(wide, reach, strict=True))


@given(cases())
def test_against_scipy(case):
    x, kernel, keywords = case
    if not fits(x, kernel, keywords):
        with pytest.raises(ValueError, match="expected it to fit"):
            ops.cross_correlate(x, kernel, **keywords)
        return
    found = jax.jit(lambda x, k: ops.cross_correlate(x, k, **keywords))(
        x.astype(np.float32), kernel.astype(np.float32)
    )
    np.testing.assert_allclose(found, scipys(x, kernel, keywords), rtol=1e-4, atol=1e-4)


@given(cases())
def test_gradients_against_stock_lax(case):
    x, kernel, keywords = case
    assume(fits(*case))

    @jax.jit
    def both(x, kernel, weights):
        def gradients(f):
            y, pull = jax.vjp(lambda x, k: f(x, k, **keywords), x, kernel)
            return y, pull(jnp.resize(weights, y.shape))

        return gradients(ops.cross_correlate), gradients(stock)

    with jax.enable_x64(True):
        ours, theirs = both(x, kernel, random(101, seed=2))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), ours, theirs)


@pytest.mark.parametrize(
    ("shape", "kernel", "keywords"),
    [
        ((2, 9, 2), (3, 2, 3), {"stride": 2, "padding": "SAME"}),
        ((2, 6, 5, 2), (3, 2, 2, 2), {"padding": "CIRCULAR"}),
        ((1, 6, 6, 4), (2, 3, 2, 4), {"groups": 2, "dilation": 2, "padding": 2}),
        ((1, 3, 4, 3, 1), (2, 2, 2, 1, 2), {"padding": "REFLECT"}),
        ((2, 3, 3, 4), (1, 1, 4, 2), {}),
    ],
)
def test_gradients_against_finite_differences(shape, kernel, keywords):
    with jax.enable_x64(True):
        f = jax.jit(lambda x, k: ops.cross_correlate(x, k, **keywords))
        arguments = jnp.asarray(random(*shape)), jnp.asarray(random(*kernel, seed=1))
        # The second order differentiates the gradients themselves.
        check_grads(f, arguments, order=2, modes=["rev"], atol=1e-5, rtol=1e-5)


@settings(max_examples=8)
@given(
    st.integers(1, 4),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.sampled_from(["VALID", "SAME", ((1, 0), (5, 6))]),
)
def test_any_block_gives_the_same(block, stride, dilation, padding):
    """How many outputs are computed together is a matter of speed alone."""
    keywords = {"stride": (stride, stride), "dilation": (dilation, dilation), "padding": padding}
    x, kernel = random(2, 7, 9, 2), random(3, 3, 2, 3, seed=1)

    def gradients(f, x, kernel):
        y, pull = jax.vjp(lambda x, k: f(x, k, groups=1, **keywords), x, kernel)
        return y, pull(jnp.cos(y))

    choose = correlation.outputs_at_once
    correlation.outputs_at_once = lambda outputs, *_: min(block, outputs)
    try:
        with jax.enable_x64(True):
            ours = jax.jit(lambda *a: gradients(ops.cross_correlate, *a))(x, kernel)
            theirs = jax.jit(lambda *a: gradients(stock, *a))(x, kernel)
    finally:
        correlation.outputs_at_once = choose
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), ours, theirs)


def test_blocks_are_for_few_features():
    # LeNet-5's first layer wants them; a wide layer has nothing to gain.
    assert blocking.outputs_at_once(28, 128 * 28, 5, 1, 1, 6) > 1
    assert blocking.outputs_at_once(14, 128 * 14, 3, 1, 64, 64) == 1


@given(st.sampled_from([6, 7, 12]), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2]))
def test_parts_of_a_batch_sum_to_the_whole(batch, most, groups):
    x, kernel = integers(batch, 6, 5, 4), integers(3, 2, 4 // groups, 4, seed=1)
    f = jax.grad(lambda k, x: (ops.cross_correlate(x, k, groups=groups) ** 2).sum())
    whole = jax.jit(lambda k, x: f(k, x))(kernel, x)  # not `f` itself, which would be kept
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ("CACHED", 0), ("_MOST_IMAGES", most), ("_LEAST_IMAGES", 1):
            patch.setattr(blocking, name, value)
        np.testing.assert_array_equal(jax.jit(f)(kernel, x), whole)
        each = jax.jit(jax.vmap(f, (None, 0)))(kernel, np.stack([x, x[::-1]]))
        np.testing.assert_array_equal(each, np.stack([whole, whole]))
        if most < batch and batch % most == 0 and groups == 1:
            with jax.enable_x64(True):
                exact = (kernel.astype(float), x.astype(float))
                check_grads(jax.jit(f), exact, order=1, modes=["rev"])


@given(
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2]),
    st.sampled_from(["VALID", "SAME", "CIRCULAR", 2]),
    st.sampled_from([(4, 1, 4), (4, 4, 4), (4, 4, 8), (6, 3, 3)]),
)
def test_groups_are_those_of_stock_lax_on_every_backend(stride, dilation, padding, sizes):
    """One after the other, weight by weight where channels are alone, or left to the backend."""
    channels, groups, features = sizes
    keywords = {"stride": (stride, 1), "dilation": (1, dilation), "groups": groups}
    x, kernel = random(2, 7, 6, channels), random(3, 2, channels // groups, features, seed=1)

    def gradients(f, x, kernel):
        y, pull = jax.vjp(lambda x, k: f(x, k, padding=padding, **keywords), x, kernel)
        return y, pull(jnp.cos(y))

    with jax.enable_x64(True):
        theirs = jax.jit(lambda *a: gradients(stock, *a))(x, kernel)
        for backend in ("cpu", "gpu"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(jax, "default_backend", lambda backend=backend: backend)
                ours = jax.jit(lambda *a: gradients(ops.cross_correlate, *a))(x, kernel)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), ours, theirs)


def test_second_gradients_of_groups():
    f = jax.jit(lambda x, k: jnp.sum(jnp.sin(ops.cross_correlate(x, k, stride=2, groups=4))))
    with jax.enable_x64(True):
        for features in (4, 8):
            arguments = random(1, 5, 6, 4), random(2, 3, 1, features, seed=1)
            check_grads(f, arguments, order=2, modes=["rev"], atol=1e-5, rtol=1e-5)


def test_a_batch_is_cut_where_it_is_large_and_only_into_equal_parts():
    large = 2 * 128 * 32 * 32 * 64
    assert blocking.images_at_once(128, large) == 32
    assert blocking.images_at_once(100, large) == 25
    assert blocking.images_at_once(131, large) == 131, "a prime has no parts"
    assert blocking.images_at_once(128, 128 * 28 * 28 * 7) == 128, "LeNet-5's first layer"


def test_fold_is_the_adjoint_of_widen():
    kernel, wide = integers(3, 4, 2, 5), integers(3, 4 + 2 * 2, 2, 15, seed=1)
    left = np.vdot(blocking.widen(jnp.asarray(kernel), 3, 2), wide)
    assert left == np.vdot(kernel, blocking.fold(jnp.asarray(wide), 3, 2))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolve_flips_the_kernel(axes):
    x, kernel = integers(1, *(6, 5, 4)[:axes], 1), integers(*(3, 2, 3)[:axes], 1, 1, seed=1)
    expected = scipy.signal.convolve(x[0, ..., 0], kernel[..., 0, 0], "valid", "direct")
    np.testing.assert_array_equal(ops.convolve(x, kernel)[0, ..., 0], expected)
    flipped = np.flip(kernel, tuple(range(axes)))
    np.testing.assert_array_equal(ops.convolve(x, kernel), ops.cross_correlate(x, flipped))


def test_depthwise_is_each_channel_by_itself():
    x, kernel = integers(2, 6, 5, 3), integers(3, 2, 1, 6, seed=1)
    found = ops.depthwise_cross_correlate(x, kernel, stride=2, padding="SAME")
    for feature in range(6):
        channel = feature // 2
        alone = ops.cross_correlate(
            x[..., channel : channel + 1],
            kernel[..., feature : feature + 1],
            stride=2,
            padding="SAME",
        )
        np.testing.assert_array_equal(found[..., feature : feature + 1], alone)


# Where convolution is equivariant to shifts, and where that ends.


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_circular_shift_of_the_image_shifts_the_output(down, right):
    f = lambda x: ops.cross_correlate(x, integers(3, 4, 2, 3), padding="CIRCULAR")  # noqa: E731
    x = integers(1, 7, 8, 2, seed=1)
    moved = f(np.roll(x, (down, right), (1, 2)))
    np.testing.assert_array_equal(moved, np.roll(f(x), (down, right), (1, 2)))


@given(st.integers(0, 3), st.integers(0, 3))
def test_without_padding_the_common_interior_is_shifted(down, right):
    f = lambda x: np.asarray(ops.cross_correlate(x, integers(3, 3, 2, 3)))  # noqa: E731
    scene = integers(1, 13, 13, 2, seed=1)
    size = 10
    here = f(scene[:, :size, :size])
    there = f(scene[:, down : down + size, right : right + size])
    keep = size - 2
    np.testing.assert_array_equal(here[:, down:, right:], there[:, : keep - down, : keep - right])


def test_zero_borders_end_the_equivariance_and_only_there():
    f = lambda x: np.asarray(ops.cross_correlate(x, integers(3, 1, 1), padding="SAME"))  # noqa: E731
    x = np.arange(1, 9, dtype=np.float32).reshape(1, 8, 1)
    difference = f(np.roll(x, 1, 1)) != np.roll(f(x), 1, 1)
    assert difference[0, [0, 1, -1], 0].any()
    assert not difference[0, 2:-1].any()


def test_stride_keeps_only_the_shifts_that_it_divides():
    f = lambda x: np.asarray(  # noqa: E731
        ops.cross_correlate(x, integers(3, 1, 2), padding="CIRCULAR", stride=2)
    )
    x = integers(1, 8, 1, seed=1)
    np.testing.assert_array_equal(f(np.roll(x, 2, 1)), np.roll(f(x), 1, 1))
    moved = f(np.roll(x, 1, 1))
    assert all((moved != np.roll(f(x), shift, 1)).any() for shift in range(4))


@pytest.mark.parametrize("padding", ["CIRCULAR", "REFLECT"])
def test_a_strided_result_is_every_other_pixel_of_the_unstrided(padding):
    x, kernel = integers(1, 7, 8, 1), integers(3, 4, 1, 2, seed=1)
    strided = ops.cross_correlate(x, kernel, padding=padding, stride=2)
    whole = ops.cross_correlate(x, kernel, padding=padding)
    np.testing.assert_array_equal(strided, whole[:, ::2, ::2])


# The dense matrix and the transposed convolution.

TRANSPOSED = [
    ((5,), (3,), {"stride": 2}),
    ((4, 3), (2, 3), {"padding": "SAME", "stride": (2, 1)}),
    ((4, 4), (3, 3), {"dilation": 2}),
    ((4, 5), (3, 2), {"padding": 1, "stride": 2}),
    ((4, 6), (3, 2), {"padding": "CIRCULAR", "stride": 2}),
    ((4, 5), (3, 3), {"padding": "REFLECT"}),
    ((4, 5), (3, 3), {"padding": "SAME", "groups": 2}),
    ((2, 3, 2), (2, 3, 2), {"stride": (1, 2, 1), "dilation": (2, 1, 1)}),
]


@pytest.mark.parametrize(("space", "window", "keywords"), TRANSPOSED)
def test_transposed_convolution_is_the_adjoint(space, window, keywords):
    groups = keywords.get("groups", 1)
    y, kernel = integers(1, *space, 4), integers(*window, 6 // groups, 4, seed=1)
    paint = jax.jit(functools.partial(ops.transposed_convolve, **keywords))
    read = jax.jit(functools.partial(ops.cross_correlate, **keywords))
    painted = np.asarray(paint(y, kernel))
    x = integers(*painted.shape, seed=2)
    assert np.vdot(painted, x) == np.vdot(y, read(x, kernel))
    # Its matrix is the dense matrix of the correlation, transposed.
    matrix = ops.dense_matrix(kernel, painted.shape[1:], **keywords)
    np.testing.assert_array_equal(np.asarray(matrix).T @ y.ravel(), painted.ravel())
    np.testing.assert_array_equal(np.asarray(matrix) @ x.ravel(), np.ravel(read(x, kernel)))


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize(
    ("window", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (4, 3, 1), (2, 2, 2)]
)
def test_transposed_convolution_is_that_of_lax(window, stride, dilation, padding):
    x, kernel = integers(2, 4, 5, 3), integers(window, window, 2, 3, seed=1)
    expected = lax.conv_transpose(
        x,
        kernel,
        (stride, stride),
        padding,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=NAMES[2],
        transpose_kernel=True,
    )
    found = ops.transposed_convolve(x, kernel, stride=stride, padding=padding, dilation=dilation)
    np.testing.assert_array_equal(found, expected)


def test_transposed_convolution_has_gradients():
    with jax.enable_x64(True):
        f = jax.jit(lambda x, k: ops.transposed_convolve(x, k, stride=2, padding="CIRCULAR"))
        arguments = jnp.asarray(random(1, 4, 3, 2)), jnp.asarray(random(3, 3, 2, 2, seed=1))
        check_grads(f, arguments, order=1, modes=["rev"])


def test_dense_matrix_ties_its_weights():
    kernel = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)
    matrix = np.asarray(ops.dense_matrix(kernel, (6, 1), padding="CIRCULAR"))
    assert matrix.shape == (6, 6)
    for row in range(6):
        np.testing.assert_array_equal(np.roll(matrix[row], -row), [2, 3, 0, 0, 0, 1])


# Inside programs.


def loss(kernel, x):
    return jnp.sum(jnp.square(ops.cross_correlate(x, kernel, padding="SAME", stride=2)))


def test_vmap_over_kernels_is_one_after_the_other():
    kernels, x = integers(3, 3, 3, 2, 4), integers(2, 6, 6, 2, seed=1)
    together = jax.jit(jax.vmap(jax.grad(loss), (0, None)))(kernels, x)
    np.testing.assert_array_equal(together, jnp.stack([jax.grad(loss)(k, x) for k in kernels]))


def test_gradients_inside_scan_and_map_are_those_outside():
    kernel, batches = integers(3, 3, 2, 4), integers(3, 2, 6, 6, 2, seed=1)
    expected = [np.asarray(jax.grad(loss)(kernel, x)) for x in batches]
    mapped = jax.jit(lambda k, xs: lax.map(lambda x: jax.grad(loss)(k, x), xs))(kernel, batches)
    np.testing.assert_array_equal(mapped, expected)
    step = lambda total, x: (total + jax.grad(loss)(kernel, x), None)  # noqa: E731
    total, _ = jax.jit(lambda xs: lax.scan(step, jnp.zeros_like(kernel), xs))(batches)
    np.testing.assert_array_equal(total, sum(expected))


def test_a_second_call_compiles_nothing():
    f = jax.jit(jax.grad(loss))
    f(integers(3, 3, 1, 2), integers(2, 6, 6, 1))
    f(integers(3, 3, 1, 2, seed=3), integers(2, 6, 6, 1, seed=4))
    assert f._cache_size() == 1


def test_the_gradient_of_the_first_layers_input_is_not_computed():
    x, kernel = integers(2, 8, 8, 2), integers(3, 3, 2, 3)
    text = jax.jit(jax.grad(loss)).lower(kernel, x).compile().as_text()
    with_input = jax.jit(jax.grad(loss, (0, 1))).lower(kernel, x).compile().as_text()
    assert text.count(" convolution(") < with_input.count(" convolution(")


def test_forward_mode_is_refused():
    kernel, x = integers(3, 3, 1, 1), integers(1, 5, 5, 1)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda x: ops.cross_correlate(x, kernel), (x,), (x,))


def test_types_are_promoted():
    x, kernel = integers(1, 4, 1), integers(2, 1, 1)
    assert ops.cross_correlate(x.astype(jnp.bfloat16), kernel).dtype == jnp.float32
    half = ops.cross_correlate(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("channels", "features", "groups"),
    [(1, 6, 1), (2, 2, 2)],
    ids=["several outputs at once", "depthwise"],
)
def test_parts_of_a_sum_may_leave_half_precision(channels, features, groups):
    # Each row of the image adds more than float16 holds, and the next takes it away again.
    x = jnp.full((32, 16, 16, channels), 100, jnp.float16).at[:, :, ::2].multiply(-1)
    kernel = jnp.ones((5, 5, channels // groups, features), jnp.float16)

    def loss(kernel):
        y = ops.cross_correlate(x, kernel, groups=groups)
        return jnp.sum(2 * y.astype(jnp.float32))

    gradient = jax.jit(jax.grad(loss))(kernel)
    assert gradient.dtype == jnp.float16
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    ("x", "kernel", "keywords", "message"),
    [
        ((1, 8, 8, 2), (3, 3, 2, 4), {"stride": 0}, "stride=0: expected an integer ≥ 1"),
        ((1, 8, 8, 2), (3, 3, 2, 4), {"stride": (1, 2, 3)}, r"stride=\(1, 2, 3\): expected one"),
        ((1, 8, 8, 2), (3, 3, 2, 4), {"dilation": 0}, "dilation=0: expected an integer ≥ 1"),
        ((1, 8, 8, 2), (3, 3, 2, 4), {"groups": 0}, "groups=0: expected an integer ≥ 1"),
        ((1, 8, 8, 3), (3, 3, 1, 4), {"groups": 3}, "groups=3: expected a divisor of the 4"),
        ((1, 8, 8, 2), (3, 3, 3, 4), {}, r"kernel.shape=\(3, 3, 3, 4\): expected in // groups = 2"),
        ((1, 8, 8, 2), (3, 2, 4), {}, r"x.shape=\(1, 8, 8, 2\): expected \(batch, \*space"),
        ((1, 2), (2, 4), {}, r"kernel.shape=\(2, 4\): expected \(\*window"),
        ((1, 2, 8, 2), (3, 3, 2, 4), {}, "window=3: expected it to fit"),
        ((1, 8, 8, 2), (3, 3, 2, 4), {"padding": "same"}, "padding='same'"),
        ((1, 8, 2, 2), (3, 5, 2, 4), {"padding": "REFLECT"}, "padding='REFLECT': expected"),
    ],
)
def test_errors(x, kernel, keywords, message):
    x, kernel = np.zeros(x, np.float32), np.zeros(kernel, np.float32)
    with pytest.raises(ValueError, match=message):
        ops.cross_correlate(x, kernel, **keywords)


def test_bytes_are_refused_and_not_summed_up_modulo_256(unchecked):
    x, kernel = np.full((1, 3, 3, 1), 200, np.uint8), np.ones((3, 3, 1, 1), np.uint8)
    for convolve in (ops.cross_correlate, ops.convolve, ops.transposed_convolve):
        with pytest.raises(ValueError, match="arrays of type uint8: expected floats"):
            convolve(x, kernel)
    with pytest.raises(ValueError, match="arrays of type uint8: expected floats"):
        ops.locally_connected(x, np.ones((2, 2, 4, 1), np.uint8), window=2)
    with pytest.raises(ValueError, match="arrays of type uint8: expected floats"):
        ops.squared_distances(x[0, 0], x[0, 0])
    assert ops.cross_correlate(x, kernel.astype(np.int32)).tolist() == [[[[1800]]]]


def test_padding_may_be_an_array_of_pairs(unchecked):
    x, kernel = np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    pairs = np.array([[1, 0], [2, 1]])
    for operation, argument in (
        *((each, kernel) for each in (ops.cross_correlate, ops.transposed_convolve)),
        (ops.average_pool, 3),
    ):
        found = operation(x, argument, padding=pairs)
        np.testing.assert_array_equal(found, operation(x, argument, padding=((1, 0), (2, 1))))


def test_errors_of_the_transposed_convolution():
    x = np.zeros((1, 2, 2, 3), np.float32)
    with pytest.raises(ValueError, match=r"kernel.shape=\(3, 3, 1, 2\): expected x's 3 channels"):
        ops.transposed_convolve(x, np.zeros((3, 3, 1, 2), np.float32))
    with pytest.raises(ValueError, match="padding=3: expected less than the painted size"):
        ops.transposed_convolve(x, np.zeros((3, 3, 1, 3), np.float32), padding=3)


@pytest.mark.parametrize("groups", [1, 8])
def test_half_precision_loses_no_more_than_the_type_does(groups):
    """Sums over many weights or images are made in single precision."""
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(2048, 9, 9, 8)), jnp.bfloat16)
    kernel = jnp.asarray(random.normal(size=(7, 7, 8 // groups, 8)), jnp.bfloat16)

    def told(x, kernel):
        y, back = jax.vjp(lambda k: ops.cross_correlate(x, k, groups=groups), kernel)
        return y, back(jnp.ones_like(y))[0]

    told = jax.jit(told)
    exact = told(x.astype(jnp.float32), kernel.astype(jnp.float32))
    for half, single in zip(told(x, kernel), exact, strict=True):
        assert half.dtype == jnp.bfloat16
        error = np.abs(np.asarray(half, np.float32) - np.asarray(single))
        assert error.max() < 0.01 * np.abs(np.asarray(single)).max()
