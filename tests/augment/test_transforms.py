import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.transform import ProjectiveTransform

from cnnjax import augment
from cnnjax.augment.composed import MOTIONS, OPERATIONS

# What a number out of place is for each: (the parameter, a value that is refused).
TRANSFORMS = {
    "rotate": ("degrees", (3.0, 1.0)),
    "shear_x": ("ratio", (3.0, 1.0)),
    "shear_y": ("ratio", (3.0, 1.0)),
    "translate_x": ("fraction", (3.0, 1.0)),
    "translate_y": ("fraction", (3.0, 1.0)),
    "scale": ("factor", 0.0),
    "crop_and_pad": ("fraction", -0.5),
    "perspective": ("inward", 0.3),
    "elastic": ("alpha", -1.0),
    "crop": ("position", 1.5),
    "horizontal_flip": ("probability", 1.5),
    "vertical_flip": ("probability", -0.5),
}
KEEPING = [name for name in TRANSFORMS if name != "crop"]
RESAMPLED = [name for name in KEEPING if not name.endswith("flip")]
KEY = jax.random.key(0)


def function(name):
    if name == "crop":
        return functools.partial(augment.crop, new_size=(6, 5))
    return getattr(augment, name)


def picture(shape=(9, 7, 3), seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("order", ["nearest", "bilinear", "bicubic"])
def test_strength_zero_gives_other_shapes_back_with_every_option(name, order):
    transform = function(name)
    options = {"order": order, "border": "wrap"} if name in RESAMPLED else {}
    for shape in [(5, 31, 1), (49, 28, 3)]:
        same = transform(KEY, picture(shape), strength=0.0, **options)
        np.testing.assert_array_equal(same, picture(shape))


@pytest.mark.parametrize("name", RESAMPLED)
def test_options_reach_the_resample(name):
    shrinking = {"factor": 0.7} if name == "scale" else {}
    transform = functools.partial(function(name), **shrinking)
    transform = jax.jit(transform, static_argnames=("order", "border", "fill"))
    results = [
        transform(KEY, picture(), **options)
        for options in ({}, {"order": "bicubic"}, {"border": "edge"}, {"fill": 0.5})
    ]
    for other in results[1:]:
        assert not np.array_equal(other, results[0])
    assert 0 <= np.min(results[1]) <= np.max(results[1]) <= 1


def test_every_public_signature_is_key_image_or_size_and_keyword_options():
    public = {
        **{f"draw_{name}": draw for name, draw in MOTIONS.items()},
        **{name: OPERATIONS[name] for name in MOTIONS},
    }
    assert set(public) == set(TRANSFORMS) | {f"draw_{name}" for name in TRANSFORMS}
    for name, value in public.items():
        key, subject, *options = inspect.signature(value).parameters.values()
        assert (key.name, subject.name) == ("key", "size" if "draw_" in name else "image")
        assert all(option.kind is option.KEYWORD_ONLY for option in options)
        assert all(o.default is not o.empty for o in options if o.name != "new_size")
        assert {TRANSFORMS[name.removeprefix("draw_")][0], "strength"} <= {o.name for o in options}
        if name in RESAMPLED:
            assert {"order", "border", "fill"} <= {o.name for o in options}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_is_out_of_range_is_refused(name):
    parameter, value = TRANSFORMS[name]
    with pytest.raises(ValueError, match=f"{parameter}=.*: expected a number"):
        function(name)(KEY, picture(), **{parameter: value})


def test_other_bad_inputs_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"new_size=\(10, 3\): expected lengths from 1 to those"):
        augment.crop(KEY, picture(), new_size=(10, 3))
    with pytest.raises(ValueError, match=r"new_size=\(14, 3\): .* those of \(13, 11\)"):
        augment.crop(KEY, picture(), new_size=(14, 3), padding=2)
    with pytest.raises(ValueError, match="new_size=20: expected a pair"):
        augment.crop(KEY, picture(), new_size=20)
    with pytest.raises(ValueError, match=r"padding=\(2, 2\): expected a whole number"):
        augment.crop(KEY, picture(), padding=(2, 2))
    with pytest.raises(ValueError, match=r"fill=\(0\.5, 0\.4, 0\.3\): expected a number"):
        augment.rotate(KEY, picture(), fill=(0.5, 0.4, 0.3))
    with pytest.raises(ValueError, match="padding=-1: expected a whole number ≥ 0"):
        augment.crop(KEY, picture(), padding=-1)
    with pytest.raises(ValueError, match=r"fill: expected a number .*, got an array of \(\)"):
        augment.rotate(KEY, picture(), fill=jnp.float32(0.5))
    with pytest.raises(ValueError, match="fill: expected a number; of all arguments `strength`"):
        jax.jit(lambda fill: augment.crop(KEY, picture(), padding=2, fill=fill))(0.5)
    with pytest.raises(ValueError, match="border='zero': expected one of constant"):
        augment.crop(KEY, picture(), padding=1, border="zero")
    with pytest.raises(ValueError, match=r"sigma=0.5: expected a number .* within \[1, inf\)"):
        augment.elastic(KEY, picture(), sigma=0.5)
    with pytest.raises(ValueError, match="order='cubic'"):
        augment.rotate(KEY, picture(), order="cubic")
    with pytest.raises(ValueError, match="border='zero'"):
        augment.rotate(KEY, picture(), border="zero")


@pytest.mark.parametrize("degrees", [np.inf, (0.0, np.inf), np.nan])
def test_an_infinite_angle_is_refused(degrees):
    with pytest.raises(ValueError, match=r"degrees=.*(inf|nan).*: expected .* of finite numbers"):
        augment.rotate(KEY, picture(), degrees=degrees)


@pytest.mark.parametrize("fill", [255, -0.5, np.nan])
@pytest.mark.parametrize("name", ["rotate", "crop"])
def test_a_fill_on_another_scale_is_refused(name, fill):
    with pytest.raises(ValueError, match=r"fill=.*: expected a number within \[0, 1\]"):
        function(name)(KEY, picture(), fill=fill)


def by_scipy(image, forward, shift=(0.0, 0.0)):
    """Moves a picture about its centre by a forward matrix on (row, column)."""
    inverse = np.linalg.inv(forward)
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - inverse @ (centre + shift)
    channels = [
        ndimage.affine_transform(
            image[..., c].astype(np.float64), inverse, offset, order=1, mode="grid-constant"
        )
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, -1)


COSINE, SINE = np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))


@pytest.mark.parametrize(
    ("name", "options", "forward", "shift"),
    [
        ("rotate", {"degrees": 20}, [[COSINE, -SINE], [SINE, COSINE]], (0, 0)),
        ("shear_x", {"ratio": 0.3}, [[1, 0], [-0.3, 1]], (0, 0)),
        ("shear_y", {"ratio": 0.3}, [[1, -0.3], [0, 1]], (0, 0)),
        ("translate_x", {"fraction": 0.25}, np.eye(2), (0, 0.25 * 7)),
        ("translate_y", {"fraction": -0.25}, np.eye(2), (-0.25 * 9, 0)),
        ("scale", {"factor": 0.8}, np.eye(2) * 0.8, (0, 0)),
    ],
)
def test_fixed_parameters_agree_with_scipy(name, options, forward, shift):
    found = getattr(augment, name)(KEY, picture(), **options)
    expected = by_scipy(picture(), np.array(forward), np.array(shift))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rotation_turns_counter_clockwise_and_shear_y_lifts_the_right():
    square = picture((6, 6, 1))
    np.testing.assert_allclose(augment.rotate(KEY, square, degrees=90), np.rot90(square), atol=1e-5)
    line = np.zeros((9, 5, 1), np.float32)
    line[4] = 1
    lifted = augment.shear_y(KEY, line, ratio=1.0)[..., 0]
    np.testing.assert_array_equal(lifted, np.eye(9, 5, -2)[:, ::-1])


def test_axes_scale_apart_only_if_told():
    together = augment.draw_scale(KEY, (9, 7)).steps[0]
    apart = augment.draw_scale(KEY, (9, 7), each_axis=True).steps[0]
    assert together[0, 0] == together[1, 1]
    assert apart[0, 0] != apart[1, 1]
    strong = augment.draw_scale(KEY, (9, 7), factor=0.5, strength=5.0).steps[0]
    np.testing.assert_allclose(strong[0, 0], 10)


def test_crop_and_pad_agrees_with_pillow():
    image = picture((20, 30, 1))
    # Cropping: Pillow resizes a box of the image; bilinear, enlarging, it smooths nothing.
    box = (0.1 * 30, 0.1 * 20, 0.9 * 30, 0.9 * 20)
    expected = Image.fromarray(image[..., 0]).resize((30, 20), Image.Resampling.BILINEAR, box=box)
    found = augment.crop_and_pad(KEY, image, fraction=-0.1)[..., 0]
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-5)
    # Padding by half the size on each side shows the picture half as large: each pixel of it is the
    # mean of two by two.
    image = picture((20, 32, 1))
    found = augment.crop_and_pad(KEY, image, fraction=0.5)[..., 0]
    halved = image[..., 0].reshape(10, 2, 16, 2).mean((1, 3))
    np.testing.assert_allclose(found, np.pad(halved, [(5, 5), (8, 8)]), atol=1e-5)


def test_crop_and_pad_draws_each_side():
    motions = jax.vmap(lambda key: augment.draw_crop_and_pad(key, (20, 30)))(
        jax.random.split(KEY, 500)
    )
    down, across = motions.steps[0][:, 0, 0], motions.steps[0][:, 1, 1]
    for step in (down, across):
        # The sum of two even draws from ±0.1: a triangle on ±0.2.
        assert 0.8 <= step.min() < 0.83
        np.testing.assert_allclose(np.std(step), 0.2 / np.sqrt(6), rtol=0.15)
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.15


def test_perspective_agrees_with_scikit_image():
    size = np.array([9, 7])
    motion = augment.draw_perspective(KEY, (9, 7))
    matrix = np.asarray(motion.steps[0], np.float64)
    # Where the corners went, and that it is within what was asked for.
    home = np.array([[-0.5, -0.5], [-0.5, 6.5], [8.5, 6.5], [8.5, -0.5]])
    corners = np.append(home, np.ones((4, 1)), 1) @ np.linalg.inv(matrix).T
    corners = corners[:, :2] / corners[:, 2:]
    assert 0.01 < np.abs((corners - home) / size).max() <= 0.1001
    transform = ProjectiveTransform.from_estimate(corners, home)
    where = transform(np.mgrid[:9, :7].reshape(2, -1).T).T.reshape(2, 9, 7)
    expected = ndimage.map_coordinates(picture()[..., 1], where, order=1, mode="grid-constant")
    np.testing.assert_allclose(augment.perspective(KEY, picture())[..., 1], expected, atol=1e-4)
    # All corners inward alike: the picture on 60 % of the canvas.
    found = augment.perspective(KEY, picture(), inward=0.2)
    np.testing.assert_allclose(found, by_scipy(picture(), np.eye(2) * 0.6), atol=1e-4)


def test_elastic_reads_where_its_field_says():
    for sigma in (4.0, (3.0, 5.0)):
        motion = augment.draw_elastic(KEY, (9, 7), alpha=60.0, sigma=sigma)
        (field,) = motion.steps
        assert np.abs(field).max() > 0.3
        expected = ndimage.map_coordinates(
            picture()[..., 2], np.mgrid[:9, :7] + np.asarray(field), order=1, mode="grid-constant"
        )
        found = augment.elastic(KEY, picture(), alpha=60.0, sigma=sigma)[..., 2]
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"alpha": 20.0, "sigma": 3.0}])
def test_displacements_are_as_large_as_smoothed_noise(options):
    alpha, sigma = options.get("alpha", 34.0), options.get("sigma", 4.0)
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    response = ndimage.gaussian_filter(impulse, sigma, truncate=5.0)
    # Even noise on ±1 has the variance 1/3; weighted sums of it add the squares of the weights.
    expected = alpha * np.sqrt(np.square(response).sum() / 3)
    draw = jax.jit(
        jax.vmap(functools.partial(augment.draw_elastic, size=(28, 28), **options)),
        static_argnames=(),
    )
    (fields,) = draw(jax.random.split(KEY, 600)).steps
    middle = np.asarray(fields)[:, :, 14, 14]
    np.testing.assert_allclose(middle.std(0), expected, rtol=0.08)
    half = jax.vmap(functools.partial(augment.draw_elastic, size=(28, 28), strength=0.5, **options))
    np.testing.assert_allclose(
        half(jax.random.split(KEY, 600)[:3]).steps[0], fields[:3] / 2, atol=1e-5
    )


def test_elastic_draws_its_alpha_and_its_sigma_apart():
    def fields(alpha):
        draws = functools.partial(
            augment.draw_elastic, size=(30, 30), alpha=alpha, sigma=(1.5, 5.0)
        )
        return np.asarray(jax.jit(jax.vmap(draws))(jax.random.split(KEY, 400)).steps[0])

    drawn, unit = fields((10.0, 50.0)), fields(1.0)
    # α is a factor on the field of its key; σ shows in how steep a field is for its size.
    alpha = np.sqrt(np.mean(drawn**2, (1, 2, 3)) / np.mean(unit**2, (1, 2, 3)))
    np.testing.assert_allclose([alpha.min(), alpha.max()], [10, 50], atol=0.6)
    slopes = np.mean(np.diff(unit, axis=2) ** 2, (1, 2, 3))
    sigma = np.sqrt(np.mean(unit**2, (1, 2, 3)) / slopes / 2)
    assert sigma.std() > 0.8
    assert abs(np.corrcoef(alpha, sigma)[0, 1]) < 5 / np.sqrt(400)


def test_a_crop_of_whole_numbers_is_filled_on_their_own_scale(unchecked):
    image = np.full((4, 4, 1), 7, np.uint8)
    for fill, expected in ((1.0, 255), (0.5, 128), (0.0, 0)):
        found = augment.crop(KEY, image, padding=np.int64(2), position=0.0, fill=fill)
        assert found.dtype == np.uint8
        assert found[0, 0, 0] == expected
        assert found[3, 3, 0] == 7


def test_crop_cuts_out_every_part_equally_often():
    image = np.arange(5 * 6, dtype=np.float32).reshape(5, 6, 1) / 30
    crop = functools.partial(augment.crop, new_size=(3, 5))
    parts = np.asarray(jax.vmap(crop, (0, None))(jax.random.split(KEY, 1200), image))
    starts = np.round(parts[:, 0, 0, 0] * 30).astype(int)
    for start, part in zip(starts, parts, strict=True):
        y, x = divmod(start, 6)
        np.testing.assert_array_equal(part, image[y : y + 3, x : x + 5])
    found, counts = np.unique(starts, return_counts=True)
    assert found.tolist() == [0, 1, 6, 7, 12, 13]
    # Each is expected 200 times, with a standard deviation of 13.
    assert np.all(np.abs(counts - 200) < 60)
    motion = augment.draw_crop(KEY, (5, 6), new_size=(3, 5))
    np.testing.assert_array_equal(augment.move_image(image, motion), crop(KEY, image))
    for position, (y, x) in {0.0: (0, 0), 0.5: (1, 1), 1.0: (2, 1)}.items():
        part = crop(KEY, image, position=position)
        np.testing.assert_array_equal(part, image[y : y + 3, x : x + 5])


@pytest.mark.parametrize(
    ("border", "fill", "mode"),
    [
        ("constant", 0.0, {"mode": "constant"}),
        ("constant", 0.3, {"mode": "constant", "constant_values": np.float32(0.3)}),
        ("edge", 0.0, {"mode": "edge"}),
        ("reflect", 0.0, {"mode": "symmetric"}),
        ("wrap", 0.0, {"mode": "wrap"}),
    ],
)
@pytest.mark.parametrize("new_size", [None, (4, 9)])
def test_a_padded_crop_is_a_slice_of_what_numpy_pads(border, fill, mode, new_size):
    image, padding = picture((5, 6, 3)), 2
    height, width = new_size or (5, 6)
    larger = np.pad(image, [(padding, padding), (padding, padding), (0, 0)], **mode)
    places = [(y, x) for y in range(10 - height) for x in range(11 - width)]

    def both(key):
        part = augment.crop(
            key, image, new_size=new_size, padding=padding, border=border, fill=fill
        )
        motion = augment.draw_crop(key, (5, 6), new_size=new_size, padding=padding)
        corner = augment.move_points(jnp.zeros((1, 2)), motion)[0]
        return part, augment.move_image(image, motion, border=border, fill=fill), corner

    parts, moved, corners = jax.jit(jax.vmap(both))(jax.random.split(KEY, 400))
    np.testing.assert_array_equal(parts, moved)
    found = [(y, x) for y, x in (padding - np.asarray(corners, int)).tolist()]
    for part, (y, x) in zip(parts, found, strict=True):
        np.testing.assert_array_equal(part, larger[y : y + height, x : x + width])
    assert sorted(set(found)) == places
    # Of 400 draws to at most 25 places.
    expected = 400 / len(places)
    for place in places:
        assert abs(found.count(place) - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [("horizontal_flip", picture()[:, ::-1]), ("vertical_flip", picture()[::-1])],
)
def test_flips_have_their_probability_and_their_motion(name, mirrored):
    flip, draws = getattr(augment, name), getattr(augment, f"draw_{name}")
    np.testing.assert_array_equal(flip(KEY, picture(), probability=1.0), mirrored)
    np.testing.assert_array_equal(flip(KEY, picture(), probability=0), picture())

    def both(key):
        motion = draws(key, (9, 7), probability=0.6, strength=0.5)
        moved = augment.move_image(picture(), motion)
        return flip(key, picture(), probability=0.6, strength=0.5), moved

    flipped, moved = jax.vmap(both)(jax.random.split(KEY, 1000))
    np.testing.assert_array_equal(flipped, moved)
    count = np.sum(np.all(flipped == mirrored, (1, 2, 3)))
    assert abs(count - 300) < 5 * np.sqrt(1000 * 0.3 * 0.7)


def test_ranges_are_drawn_from_evenly():
    motions = jax.vmap(lambda key: augment.draw_translate_x(key, (9, 10), fraction=(0.1, 0.3)))(
        jax.random.split(KEY, 1000)
    )
    pixels = -np.asarray(motions.steps[0][:, 1, 2])
    assert 1 <= pixels.min() < 1.02
    assert 2.98 < pixels.max() <= 3.00001
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [2, 2 / np.sqrt(12)], atol=0.05)
