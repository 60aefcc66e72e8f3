import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from cnnjax.ops import affine_coordinates, resample, warp

SHAPES = [(7, 5, 1), (4, 9, 3), (1, 6, 2)]


def random_image(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def read_by_scipy(image, coordinates, mode="grid-constant"):
    channels = [
        ndimage.map_coordinates(image[..., c], coordinates, order=1, mode=mode, cval=0.0)
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, -1)


@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 2**31), far=st.sampled_from([1.0, 40.0]))
def test_agrees_with_scipy_inside_on_and_beyond_the_border(shape, seed, far):
    generator = np.random.default_rng(seed)
    image = random_image(shape, seed)
    size = np.array(shape[:2], np.float32)[:, None, None]
    where = generator.uniform(-far - 1, size + far, (2, 6, 8)).astype(np.float32)
    expected = read_by_scipy(image.astype(np.float64), where.astype(np.float64))
    # A coordinate of 40 is known to 4e-6 of a pixel in float32.
    np.testing.assert_allclose(resample(image, where), expected, atol=3e-5)


def test_the_border_fades_where_scipys_constant_mode_drops():
    image = np.ones((3, 3, 1), np.float32)
    rows = np.array([[-1.0, -0.5, 0.0, 2.0, 2.25, 3.0]], np.float32)
    where = np.stack([rows, np.ones_like(rows)])
    assert resample(image, where)[0, :, 0].tolist() == [0, 0.5, 1, 1, 0.75, 0]
    assert read_by_scipy(image, where, "constant")[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_identity_gives_every_bit_back(shape):
    image = random_image(shape)
    identity = jnp.eye(2, 3)
    np.testing.assert_array_equal(warp(image, identity), image)
    np.testing.assert_array_equal(jax.jit(warp)(image, identity), image)


def test_whole_coordinates_read_pixels_exactly_under_jit():
    # Where floor and weight were computed apart, a coordinate a hair from a whole number would be
    # read a whole pixel off. The coordinates are computed here inside the same program.
    image = random_image((28, 28, 1))

    @jax.jit
    def shifted(image, shift):
        return warp(image, jnp.eye(2, 3).at[0, 2].set(shift / 3))

    np.testing.assert_array_equal(shifted(image, 6.0)[:-2], image[2:])
    for third in np.linspace(-9, 9, 37, dtype=np.float32):
        expected = ndimage.shift(
            image[..., 0], (-third / 3, 0), order=1, mode="grid-constant", prefilter=False
        )
        np.testing.assert_allclose(shifted(image, third)[..., 0], expected, atol=1e-5)


def test_warp_agrees_with_scipys_affine_transform():
    generator = np.random.default_rng(1)
    images = random_image((5, 9, 12, 2))
    matrices = (np.eye(2, 3) + 0.3 * generator.normal(size=(5, 2, 3))).astype(np.float32)
    expected = [
        np.stack(
            [
                ndimage.affine_transform(
                    image[..., c].astype(np.float64), matrix, order=1, mode="grid-constant"
                )
                for c in range(2)
            ],
            -1,
        )
        for image, matrix in zip(images, matrices, strict=True)
    ]
    np.testing.assert_allclose(warp(images, matrices), np.stack(expected), atol=2e-5)


def test_batches_vmap_and_single_images_agree():
    images = random_image((2, 3, 6, 5, 2))
    matrices = np.eye(2, 3) + 0.1 * np.random.default_rng(2).normal(size=(2, 3, 2, 3))
    matrices = matrices.astype(np.float32)
    together = warp(images, matrices)
    one_by_one = jnp.stack(
        [jnp.stack([warp(images[i, j], matrices[i, j]) for j in range(3)]) for i in range(2)]
    )
    np.testing.assert_array_equal(together, one_by_one)
    np.testing.assert_array_equal(together, jax.vmap(warp)(images, matrices))
    np.testing.assert_allclose(together, jax.jit(warp)(images, matrices), atol=1e-5)


def test_shared_coordinates_and_another_size():
    images = random_image((4, 6, 6, 1))
    where = affine_coordinates(jnp.array([[0.5, 0.0, 0.25], [0.0, 2.0, 0.0]]), (11, 3))
    result = resample(images, where)
    assert result.shape == (4, 11, 3, 1)
    for image, read in zip(images, result, strict=True):
        np.testing.assert_allclose(read, read_by_scipy(image, np.asarray(where)), atol=1e-6)


def test_gradients_are_the_derivatives_of_the_interpolation():
    image = random_image((5, 6, 2))
    where = np.random.default_rng(3).uniform(0.1, 3.9, (2, 4, 4)).astype(np.float32)
    weights = random_image((4, 4, 2), 5)

    def loss(image, where):
        return jnp.sum(weights * resample(image, where))

    to_image, to_where = jax.grad(loss, (0, 1))(image, where)
    # The result is linear in the image, so the gradient gives its value back.
    np.testing.assert_allclose(np.sum(to_image * image), loss(image, where), rtol=1e-4)
    step = 1e-3
    for axis in (0, 1):
        change = np.zeros_like(where)
        change[axis] = step
        ahead = read_by_scipy(image.astype(np.float64), where.astype(np.float64) + change)
        behind = read_by_scipy(image.astype(np.float64), where.astype(np.float64) - change)
        slope = np.sum(weights * (ahead - behind), -1) / (2 * step)
        clear = np.all(np.abs(where - np.round(where)) > 2 * step, axis=0)
        np.testing.assert_allclose(to_where[axis][clear], slope[clear], atol=2e-3)


def test_empty_batch_and_low_precision():
    assert resample(jnp.zeros((0, 4, 4, 1)), jnp.zeros((0, 2, 4, 4))).shape == (0, 4, 4, 1)
    half = resample(jnp.ones((4, 4, 1), jnp.bfloat16), jnp.full((2, 1, 1), 1.5))
    assert half.dtype == jnp.bfloat16
    assert half.item() == 1


BORDERS = {
    "constant": "grid-constant",
    "edge": "nearest",
    "reflect": "reflect",
    "wrap": "grid-wrap",
}
ORDERS = ["nearest", "bilinear", "bicubic"]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("order", ORDERS[:2])
@pytest.mark.parametrize("shape", [(7, 5, 2), (1, 6, 1), (2, 1, 3)])
def test_orders_and_borders_agree_with_scipy(order, border, shape):
    generator = np.random.default_rng(6)
    image = random_image(shape)
    where = generator.uniform(-25, 25, (2, 12, 15)).astype(np.float32)
    expected = [
        ndimage.map_coordinates(
            image[..., c].astype(np.float64),
            where.astype(np.float64),
            order=ORDERS.index(order),
            mode=BORDERS[border],
            cval=0.3,
        )
        for c in range(shape[-1])
    ]
    found = resample(image, where, order=order, border=border, fill=0.3)
    np.testing.assert_allclose(found, np.stack(expected, -1), atol=2e-5)


@pytest.mark.parametrize("fill", [0.0, 0.3])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("order", ORDERS)
def test_whole_coordinates_give_the_pixels_back_in_every_combination(order, border, fill):
    image = random_image((5, 4, 2))
    modes = {"constant": "constant", "edge": "edge", "reflect": "symmetric", "wrap": "wrap"}
    options = {"constant_values": np.float32(fill)} if border == "constant" else {}
    around = np.pad(image, [(9, 9), (9, 9), (0, 0)], mode=modes[border], **options)
    where = np.mgrid[-9:14, -9:13].astype(np.float32)
    found = resample(image, where, order=order, border=border, fill=fill)
    np.testing.assert_array_equal(found, around)


@pytest.mark.parametrize("border", BORDERS)
def test_halves_go_down_and_to_the_right_outside_too(border):
    image = random_image((5, 1, 1))
    modes = {"constant": "constant", "edge": "edge", "reflect": "symmetric", "wrap": "wrap"}
    around = np.pad(image[:, 0, 0], 9, mode=modes[border])
    where = np.arange(-8.5, 12).astype(np.float32)
    positions = np.stack([where, 0 * where])[..., None]
    found = resample(image, positions, order="nearest", border=border)[:, 0, 0]
    np.testing.assert_array_equal(found, around[np.floor(where + 0.5).astype(int) + 9])


def keys_by_hand(t):
    t = np.abs(t)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


@pytest.mark.parametrize("border", BORDERS)
def test_bicubic_is_the_separable_product_with_keys_kernel(border):
    image = random_image((6, 9, 1))
    modes = {"constant": "constant", "edge": "edge", "reflect": "symmetric", "wrap": "wrap"}
    options = {"constant_values": 0.7} if border == "constant" else {}
    around = np.pad(image[..., 0].astype(np.float64), 20, mode=modes[border], **options)
    rows = np.linspace(-8.3, 14.1, 31).astype(np.float32)
    columns = np.linspace(-9.7, 17.2, 23).astype(np.float32)
    down = keys_by_hand(rows[:, None] - np.arange(-20, 26))
    across = keys_by_hand(columns[:, None] - np.arange(-20, 29))
    where = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    found = resample(image, where, order="bicubic", border=border, fill=0.7)
    np.testing.assert_allclose(found[..., 0], down @ around @ across.T, atol=1e-5)


def test_bicubic_enlarges_as_pillow_does_away_from_the_border():
    image = random_image((9, 12, 1))
    expected = np.asarray(Image.fromarray(image[..., 0]).resize((36, 27), Image.Resampling.BICUBIC))
    where = np.mgrid[:27, :36].astype(np.float32)
    where = (where + 0.5) / np.array([3, 3], np.float32)[:, None, None] - 0.5
    found = resample(image, where, order="bicubic")[..., 0]
    np.testing.assert_allclose(found[6:-6, 6:-6], expected[6:-6, 6:-6], atol=1e-5)


def mesh(shape, seed=9, low=-4, high=11):
    """Rows and columns of a mesh, some of them whole, for images of some batch axes."""
    draws = np.random.default_rng(seed)
    rows = draws.uniform(low, high, (*shape, 7, 1)).astype(np.float32)
    columns = draws.uniform(low, high, (*shape, 1, 8)).astype(np.float32)
    rows[..., 2:4, :] = np.round(rows[..., 2:4, :])
    columns[..., 3:5] = np.round(columns[..., 3:5])
    return rows, columns


def plane(rows, columns):
    return np.stack(np.broadcast_arrays(rows, columns), -3)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
@pytest.mark.parametrize("fill", [0, 1])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_mesh_is_read_as_its_plane(order, border, fill, kind):
    images = np.random.default_rng(0).uniform(0, 255, (2, 3, 6, 5, 3)).astype(kind)
    rows, columns = mesh((2, 3))
    read = functools.partial(resample, order=order, border=border, fill=fill)

    def same(found, expected):
        assert found.dtype == kind
        # What a sum gives depends on how it was compiled; at a half, bytes round either way.
        levels = np.abs(found.astype(np.float32) - expected.astype(np.float32))
        assert levels.max() <= (1 if kind == np.uint8 else 2e-4)
        assert np.mean(levels > 2e-4) < 1e-3

    expected = read(images, plane(rows, columns))
    same(read(images, tuple(np.broadcast_arrays(rows, columns))), expected)
    same(read(images, (rows, columns)), expected)
    same(jax.vmap(jax.vmap(read))(images, (rows, columns)), expected)
    # Shared by all images, and rows of their own with columns that are shared.
    shared = read(images, (rows[0, 0], columns[0, 0]))
    same(shared, read(images, plane(rows[0, 0], columns[0, 0])))
    mixed = jax.vmap(lambda image, row: read(image, (row, columns[0, 0])))(images[0], rows[0])
    same(mixed, read(images[0], plane(rows[0], columns[0, 0])))
    shared_rows = jax.vmap(lambda image, column: read(image, (rows[0, 0], column)))
    same(shared_rows(images, columns[:, 0]), read(images, plane(rows[0, 0], columns[:, :1])))
    # Planes that are one column wide are no mesh.
    narrow = plane(rows, columns)[..., :1]
    same(read(images, (narrow[..., 0, :, :], narrow[..., 1, :, :])), read(images, narrow))
    same(read(images, list(np.ogrid[:4.5, :3.5])), read(images, np.mgrid[:4.5, :3.5]))
    # Whole positions give pixels, bit for bit.
    whole = read(images, (np.arange(6.0)[::-1, None], np.arange(5.0)[None]))
    np.testing.assert_array_equal(whole, images[..., ::-1, :, :])


def test_a_mesh_has_the_gradients_of_its_plane():
    images, (rows, columns) = random_image((3, 5, 6, 2)), mesh((3,), low=-1, high=6)
    columns[..., 3:5] += 0.1  # at whole numbers the derivative jumps
    rows[..., 2:4, :] += 0.1

    def loss(images, rows, columns, read):
        return jnp.sum(jnp.sin(read(images, rows, columns)))

    def of_plane(images, rows, columns):
        return resample(images, jnp.stack(jnp.broadcast_arrays(rows, columns), -3))

    def of_mesh(images, rows, columns):
        return jax.vmap(lambda image, *pair: resample(image, pair))(images, rows, columns)

    expected = jax.grad(loss, (0, 1, 2))(images, rows, columns, of_plane)
    for derivative in (jax.grad, jax.jacfwd):
        found = derivative(loss, (0, 1, 2))(images, rows, columns, of_mesh)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_empty_batch_of_a_mesh_stays_empty():
    read = resample(np.zeros((0, 6, 5, 3), np.float32), mesh(()))
    assert read.shape == (0, 7, 8, 3)


@pytest.mark.parametrize(("order", "border"), [("nearest", "wrap"), ("bicubic", "reflect")])
def test_vmap_in_every_arrangement_is_a_batch(order, border):
    generator = np.random.default_rng(7)
    images = random_image((2, 3, 6, 5, 2))
    where = generator.uniform(-3, 9, (2, 3, 2, 4, 4)).astype(np.float32)

    def read(image, where):
        return resample(image, where, order=order, border=border)

    expected = [
        [[read(images[i, j], where[i, k]) for k in range(3)] for j in range(3)] for i in range(2)
    ]
    by_where = jax.vmap(read, (None, 0))
    everything = jax.vmap(jax.vmap(by_where, (0, None)))(images, where)
    np.testing.assert_allclose(everything, np.array(expected), atol=1e-5)
    shared = jax.vmap(jax.vmap(read, (0, None)))(images, where[:, 0])
    np.testing.assert_allclose(shared, np.array(expected)[:, :, 0], atol=1e-5)
    batches = jax.vmap(read, (0, None))(images, where[0, 0])
    np.testing.assert_allclose(batches[1], read(images[1], where[0, 0]), atol=1e-5)


def test_vmap_has_the_gradients_of_the_batch_and_forward_ones_too():
    images = random_image((3, 5, 6, 1))
    where = np.random.default_rng(8).uniform(-1, 6, (3, 2, 4, 4)).astype(np.float32)

    def loss(read):
        return lambda images, where: jnp.sum(jnp.sin(read(images, where)))

    batch = jax.grad(loss(resample), (0, 1))(images, where)
    for derivative in (jax.grad, jax.jacfwd):
        mapped = derivative(loss(jax.vmap(resample)), (0, 1))(images, where)
        for one, other in zip(mapped, batch, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32])
def test_nearest_reads_any_type(dtype):
    labels = np.arange(12).reshape(3, 4, 1).astype(dtype)
    read = resample(labels, jnp.full((2, 1, 1), 1.2), order="nearest")
    assert read.dtype == dtype
    assert read.item() == labels[1, 1, 0]
    rows, columns = jnp.array([[-0.5, -0.6, 2.4, 2.6]]), jnp.array([[3.0, 3.0, 3.4, 3.5]])
    read = resample(labels, jnp.stack([rows, columns]), order="nearest", fill=1)
    assert read[0, :, 0].tolist() == [labels[0, 3, 0], 1, labels[2, 3, 0], 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "cubic"}, "order='cubic': expected one of nearest, bilinear, bicubic"),
        ({"border": "zeros"}, "border='zeros': expected one of constant, edge, reflect, wrap"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        resample(jnp.ones((3, 3, 1)), jnp.zeros((2, 1, 1)), **options)


@pytest.mark.parametrize("order", ["bilinear", "bicubic"])
@pytest.mark.parametrize("border", BORDERS)
def test_bytes_are_interpolated_rounded_and_clipped(order, border):
    draws = np.random.default_rng(0)
    images = draws.choice([0, 3, 100, 250, 255], (3, 6, 5, 2)).astype(np.uint8)
    coordinates = draws.uniform(-4, 9, (3, 2, 7, 8)).astype(np.float32)
    found = resample(images, coordinates, order=order, border=border, fill=200)
    read = resample(images.astype(np.float32), coordinates, order=order, border=border, fill=200.0)
    assert found.dtype == np.uint8
    assert order == "bilinear" or (read.min() < -2 and read.max() > 257)
    np.testing.assert_allclose(found, np.clip(read, 0, 255), rtol=0, atol=0.501)


@pytest.mark.parametrize("fill", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_is(fill):
    image = np.array([[[np.inf], [-0.0], [3.0]]], np.float32)
    columns = np.array([[-3, 0, 1, 2, 5]], np.float32)
    read = resample(image, np.stack([0 * columns, columns]), order="nearest", fill=fill)
    np.testing.assert_array_equal(read[0, :, 0], [fill, np.inf, -0.0, 3, fill])
    assert np.signbit(read[0, 2, 0])
    read = resample(image, np.stack([0 * columns, columns]), order="nearest", fill=0.0)
    np.testing.assert_array_equal(read[0, :, 0], [0, np.inf, -0.0, 3, 0])


def test_a_warp_of_bytes_is_refused(unchecked):
    with pytest.raises(ValueError, match="images of type uint8: expected floats"):
        warp(np.zeros((4, 5, 1), np.uint8), np.eye(2, 3, dtype=np.float32))


def test_whole_numbers_are_not_interpolated():
    with pytest.raises(ValueError, match="int32: expected floats or uint8, or order='nearest'"):
        resample(jnp.ones((3, 3, 1), jnp.int32), jnp.zeros((2, 1, 1)))


def test_maps_and_coordinates_of_other_shapes_are_refused(unchecked):
    image = np.zeros((4, 5, 1), np.float32)
    with pytest.raises(ValueError, match=r"matrices of shape \(3, 3\): expected \(…, 2, 3\)"):
        warp(image, np.eye(3, dtype=np.float32))
    for shape in ((4, 5, 2), (3, 4, 5), (4, 5)):
        with pytest.raises(ValueError, match=r"coordinates of shape .*: expected \(…, 2, height"):
            resample(image, np.zeros(shape, np.float32))
    rows, columns = mesh(())
    for pair in ((columns, rows), (rows, columns[0]), (rows,), (rows, columns, rows)):
        with pytest.raises(ValueError, match=r"coordinates of shapes .*: expected .* twice, or"):
            resample(image, pair)
