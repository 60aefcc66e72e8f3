import colorsys
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import interpolate

from cnnjax.augment import weather

OPERATIONS = ["clouds", "fast_snowy_landscape", "fog", "rain", "snowflakes"]
WHITENING = ["clouds", "fog", "snowflakes"]


@pytest.fixture(params=OPERATIONS, scope="module")
def name(request):
    return request.param


@functools.cache
def compiled(name):
    """The operation of a key, a picture and a strength."""
    return jax.jit(lambda key, image, s: getattr(weather, name)(key, image, strength=s))


def picture(channels=3, seed=0):
    return np.random.default_rng(seed).random((13, 10, channels)).astype(np.float32)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def many(operation, count, image, **options):
    """Results for as many keys."""
    function = functools.partial(operation, **options)
    return np.asarray(jax.jit(jax.vmap(function, (0, None)))(keys(count), image))


@pytest.mark.parametrize(("size", "dtype"), [((1, 1), jnp.float32), ((2, 9), jnp.bfloat16)])
def test_any_size_and_precision(name, size, dtype):
    image = np.full((*size, 2), 0.3).astype(dtype)
    result = np.asarray(compiled(name)(jax.random.key(0), image, 1.0))
    assert (result.shape, result.dtype) == (image.shape, dtype)
    assert np.all((result >= 0) & (result <= 1))


@pytest.mark.parametrize("name", [*WHITENING, "fast_snowy_landscape"])
def test_the_stronger_the_whiter_and_never_darker(name):
    image = picture()
    steps = [np.asarray(compiled(name)(keys(1)[0], image, s)) for s in (0.0, 0.3, 0.6, 1.0)]
    for weaker, stronger in itertools.pairwise(steps):
        assert stronger.mean() > weaker.mean()
        if name in WHITENING:
            assert np.all(stronger >= weaker)
        else:
            # Its lightness grows; a colour may give up saturation on its way to white.
            light = [step.max(-1) + step.min(-1) for step in (weaker, stronger)]
            assert np.all(light[1] >= light[0] - 1e-6)


@pytest.mark.parametrize(
    ("refusing", "options"),
    [
        ("clouds", {"intensity": 1.1}),
        ("clouds", {"density": (0.5, 0.1)}),
        ("clouds", {"sparsity": 0.0}),
        ("clouds", {"exponent": 1.0}),
        ("fog", {"intensity": -0.1}),
        ("fog", {"density": 2.0}),
        ("fog", {"unevenness": -0.5}),
        ("fog", {"exponent": -9.0}),
        ("snowflakes", {"density": 1.5}),
        ("snowflakes", {"flake_size": -1}),
        ("snowflakes", {"angle": 75}),
        ("snowflakes", {"speed": 1.5}),
        ("rain", {"density": -0.5}),
        ("rain", {"drop_size": 2}),
        ("rain", {"angle": -90}),
        ("rain", {"speed": -1}),
        ("rain", {"intensity": 2.0}),
        ("rain", {"opacity": -1.0}),
        ("rain", {"darkening": 1.5}),
        ("fast_snowy_landscape", {"lightness_threshold": 100}),
        ("fast_snowy_landscape", {"lightness_multiplier": -1.0}),
    ],
)
def test_a_parameter_outside_its_range_is_refused_by_name(refusing, options):
    (parameter,) = options
    with pytest.raises(ValueError, match=rf"{parameter}=.*: expected a number or a pair"):
        getattr(weather, refusing)(jax.random.key(0), picture(), **options)


# --- the noise


@functools.cache
def noises(side):
    return jax.jit(
        jax.vmap(
            lambda key, slope: weather.octave_noise(key, (side, side), exponent=slope), (0, None)
        )
    )


@pytest.mark.parametrize("exponent", [-3.0, -2.0, -1.5])
def test_the_noises_spectrum_falls_with_the_stated_slope(exponent):
    side = 128
    noise = noises(side)(keys(24), exponent)
    taper = np.hanning(side)[:, None] * np.hanning(side)
    noise = np.asarray(noise) - np.mean(noise, (1, 2), keepdims=True)
    power = np.mean(np.abs(np.fft.fft2(noise * taper)) ** 2, 0)
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(side) * side], indexing="ij"))
    # The octaves' cells are 64 to 2 pixels wide: their cutoffs are at 1 to 32 cycles a picture.
    rings = np.array([3, 4, 6, 8, 11, 16, 22, 30])
    mean = [np.mean(power[np.abs(frequency - ring) < 0.15 * ring]) for ring in rings]
    assert np.all(np.diff(mean) < 0)
    slope = np.polyfit(np.log(rings), np.log(mean), 1)[0]
    assert slope == pytest.approx(2 * exponent, abs=0.6)


def test_the_noise_fills_zero_to_one_evenly_over_the_picture():
    draw = jax.jit(jax.vmap(lambda key: weather.octave_noise(key, (24, 32))))
    noise = np.asarray(draw(keys(400)))
    np.testing.assert_array_equal(noise.min((1, 2)), 0)
    np.testing.assert_allclose(noise.max((1, 2)), 1, atol=1e-6)
    assert noise.mean() == pytest.approx(0.5, abs=0.02)
    assert 0.2 < noise.std() < 0.3
    # No place is brighter than another on average: 400 draws of deviation below 0.3.
    np.testing.assert_allclose(noise.mean(0), 0.5, atol=0.09)


def test_an_octave_is_the_cubic_b_spline_through_its_grid():
    size, cell = 23, 4.0
    matrix = weather._spline(size, cell)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    values = np.random.default_rng(0).random(matrix.shape[1])
    knots = np.arange(-3, len(values) + 1)
    expected = interpolate.BSpline(knots, values, 3)(np.arange(size) / cell)
    np.testing.assert_allclose(matrix @ values, expected, atol=1e-6)


def test_fewer_octaves_are_smoother():
    def roughness(octaves):
        draw = functools.partial(weather.octave_noise, exponent=-1.0, octaves=octaves)
        noise = jax.jit(jax.vmap(lambda key: draw(key, (32, 32))))(keys(20))
        return float(np.mean(np.abs(np.diff(noise, axis=-1))))

    steps = [roughness(octaves) for octaves in (1, 2, 4)]
    assert steps == sorted(steps)
    assert roughness(99) == steps[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": (0, 3)}, "size="), ({"size": (4, 4), "octaves": 0}, "octaves=0: expected")],
)
def test_the_noise_refuses_what_it_cannot_draw(options, message):
    with pytest.raises(ValueError, match=message):
        weather.octave_noise(jax.random.key(0), **options)


# --- clouds and fog


def test_clouds_are_noise_to_a_power_as_opacity():
    image = np.full((20, 30, 3), 0.2, np.float32)
    fixed = {"intensity": 0.9, "density": 0.8, "exponent": -2.0}
    one, two = (
        (many(weather.clouds, 1, image, sparsity=power, **fixed)[0] - 0.2) / (0.9 - 0.2) / 0.8
        for power in (1.0, 2.0)
    )
    assert (one.min(), one.max()) == pytest.approx((0, 1), abs=1e-5)
    np.testing.assert_allclose(two, one**2, atol=1e-5)
    np.testing.assert_array_equal(one[..., 0], one[..., 2])


def test_fog_is_denser_smoother_and_everywhere():
    image = np.zeros((32, 32, 1), np.float32)
    mist = many(weather.fog, 50, image, intensity=1.0, density=0.8, unevenness=0.25)
    cloud = many(weather.clouds, 50, image, intensity=1.0, density=0.8)
    np.testing.assert_allclose(mist.max((1, 2, 3)), 0.8, atol=1e-5)
    np.testing.assert_allclose(mist.min((1, 2, 3)), 0.6, atol=1e-5)
    assert mist.mean() == pytest.approx(0.7, abs=0.02)
    assert cloud.mean() < 0.4
    assert np.abs(np.diff(mist, axis=2)).mean() < np.abs(np.diff(cloud, axis=2)).mean() / 2


@pytest.mark.parametrize("exponent", [-1.0, -4.0])
def test_fog_is_as_rough_as_noise_of_its_exponent(exponent):
    # As uneven as can be, fog is the noise itself: three octaves of it, here of other keys.
    image = np.zeros((32, 32, 1), np.float32)
    bare = {"intensity": 1.0, "density": 1.0, "unevenness": 1.0, "exponent": exponent}
    draw = functools.partial(weather.octave_noise, size=(32, 32), exponent=exponent, octaves=3)
    noise = jax.jit(jax.vmap(draw))(keys(300, seed=1))
    ours, theirs = (
        np.abs(np.diff(layer, axis=2)).mean((1, 2))
        for layer in (many(weather.fog, 300, image, **bare)[..., 0], noise)
    )
    error = np.hypot(ours.std(), theirs.std()) / np.sqrt(300)
    assert abs(ours.mean() - theirs.mean()) < 5 * error


def test_what_is_brighter_than_the_clouds_stays():
    image = np.array([0.1, 0.95], np.float32).repeat(60).reshape(12, 10, 1)
    result = many(weather.clouds, 1, image, intensity=0.9)[0]
    np.testing.assert_array_equal(result[6:], image[6:])
    assert result[:6].max() > 0.3


# --- snow and rain

STILL = {"speed": 0, "angle": 0}


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 1.0])
def test_flakes_are_as_dense_as_asked_and_evenly_bright(density):
    image = np.zeros((32, 24, 1), np.float32)
    flakes = many(weather.snowflakes, 30, image, density=density, flake_size=0.0, **STILL)
    count = flakes.size
    # Flakes of one pixel; five standard deviations of the count.
    error = 5 * np.sqrt(density * (1 - density) / count)
    assert np.mean(flakes > 0) == pytest.approx(density, abs=error)
    if density:
        bright = flakes[flakes > 0]
        assert bright.min() >= 0.5
        assert bright.mean() == pytest.approx(0.75, abs=5 * 0.5 / np.sqrt(12 * len(bright)))


def test_a_flake_is_as_wide_as_asked():
    image = np.zeros((64, 64, 1), np.float32)
    layer = many(weather.snowflakes, 60, image, density=0.01, flake_size=0.125, **STILL)[..., 0]
    # A flake w pixels wide holds w² times its brightness, ¾ on average, and there is one on
    # density · pixels / w² cells: some 43 of them.
    assert layer.mean() == pytest.approx(0.01 * 0.75, rel=0.45)
    peaks = np.argwhere((layer == layer.max((1, 2), keepdims=True)) & (layer >= 0.5))
    inside = [p for p in peaks if np.all(p[1:] >= 8) and np.all(p[1:] < 56)]
    assert len(inside) >= 5
    for down, right in [(4, 0), (-4, 0), (0, 4), (0, -4)]:
        share = [layer[n, y + down, x + right] / layer[n, y, x] for n, y, x in inside]
        # Here and there a neighbour shines in.
        assert np.median(share) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("angle", [-40.0, 0.0, 25.0])
@pytest.mark.parametrize(
    ("falling", "fixed"),
    [
        (weather.snowflakes, {"flake_size": 0.0}),
        # Of rain nothing but the streaks.
        (weather.rain, {"drop_size": 0.0, "intensity": 1.0, "opacity": 1.0, "darkening": 0.0}),
    ],
    ids=["snowflakes", "rain"],
)
def test_streaks_lie_along_their_angle_and_have_their_length(falling, fixed, angle):
    image = np.zeros((96, 96, 1), np.float32)
    options = {"density": 0.0004, "speed": 0.25, "angle": angle}
    layer = many(falling, 40, image, **fixed, **options)[..., 0]
    # The correlation of the layer with itself, as far as a streak reaches: its second moments.
    spectrum = np.mean(np.abs(np.fft.fft2(layer, (192, 192))) ** 2, 0)
    correlation = np.fft.fftshift(np.fft.ifft2(spectrum).real)[96 - 16 : 97 + 16, 96 - 16 : 97 + 16]
    correlation = np.where(correlation > 0.2 * correlation.max(), correlation, 0)
    y, x = np.mgrid[-16:17, -16:17]
    slope = np.sum(correlation * x * y) / np.sum(correlation * y * y)
    assert np.rad2deg(np.arctan(slope)) == pytest.approx(angle, abs=4)
    # 24 pixels long along the angle, and one pixel more at each end that fades away. The shortest
    # run of rows is that of a picture with one streak.
    runs = (layer > 0).any(2).sum(1)
    expected = 24 * np.cos(np.deg2rad(angle)) + 2
    alone = runs[(runs > 0) & (layer[:, 0].max(1) == 0) & (layer[:, -1].max(1) == 0)]
    assert alone.min() == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize(
    ("falling", "fixed"),
    [
        (weather.snowflakes, {"flake_size": 0.1, "speed": 0.03}),
        (weather.rain, {"drop_size": 0.1, "speed": 0.2, "darkening": 0.0}),
    ],
    ids=["snowflakes", "rain"],
)
def test_it_falls_on_the_first_rows_and_the_last_as_on_those_between(falling, fixed):
    image = np.zeros((60, 40, 1), np.float32)
    layer = many(falling, 1000, image, density=0.2, **fixed)[..., 0]
    rows = layer.mean(2)
    error = rows.std(0) / np.sqrt(len(rows))
    assert np.all(error < 0.03 * rows.mean())
    assert np.all(np.abs(rows.mean(0) - rows.mean()) < 5 * error)


def test_rain_darkens_between_its_streaks():
    image = np.full((40, 32, 3), 0.5, np.float32)
    wet = many(weather.rain, 20, image, density=0.01, darkening=0.2, intensity=0.8, opacity=0.5)
    assert wet.min() == pytest.approx(0.4, abs=1e-6)
    assert 0.55 < wet.max() <= 0.4 + 0.5 * (0.8 - 0.4) + 1e-6


def test_more_rain_with_density_and_strength():
    image = np.full((40, 32, 3), 0.5, np.float32)
    fixed = {"darkening": 0.2, "intensity": 0.8, "opacity": 0.5}
    share = [
        np.mean(many(weather.rain, 20, image, density=density, **fixed) > 0.41)
        for density in (0.002, 0.02)
    ]
    assert 0 < share[0] < share[1] / 3
    apart = [np.abs(compiled("rain")(keys(1)[0], image, s) - image).mean() for s in (0.2, 0.5, 1.0)]
    assert apart[0] < apart[1] < apart[2]


# --- snow on the ground


@pytest.mark.parametrize(("threshold", "factor"), [(0.5, 1.7), (1.0, 2.5), (0.3, 0.4)])
def test_the_snowy_landscape_is_that_of_the_colour_space_hls(threshold, factor):
    image = np.concatenate([picture(), np.zeros((1, 10, 3)), np.ones((1, 10, 3))])
    image[0, 0], image[0, 1] = (1, 0, 0), (0, 0.5, 0.5)
    image = image.astype(np.float32)

    def by_hand(pixel):
        hue, light, saturation = colorsys.rgb_to_hls(*pixel)
        light = min(light * factor, 1) if light < threshold else light
        return colorsys.hls_to_rgb(hue, light, saturation)

    expected = np.apply_along_axis(by_hand, -1, image.astype(np.float64))
    result = weather.fast_snowy_landscape(
        jax.random.key(0), image, lightness_threshold=threshold, lightness_multiplier=factor
    )
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_the_snowy_landscape_of_a_grey_picture():
    image = jnp.array([0.0, 0.2, 0.4, 0.6]).reshape(1, 4, 1)
    result = weather.fast_snowy_landscape(
        jax.random.key(0), image, lightness_threshold=0.5, lightness_multiplier=3.0
    )
    np.testing.assert_allclose(result.ravel(), [0.0, 0.6, 1.0, 0.6], atol=1e-6)


def test_at_strength_1_the_multiplier_is_what_was_asked_to_the_last_bit():
    # 1 + (0.1 − 1) is not 0.1 in float32; an eighth takes no bit away.
    image = np.full((1, 1, 1), 0.125, np.float32)
    result = weather.fast_snowy_landscape(
        jax.random.key(0), image, lightness_threshold=1.0, lightness_multiplier=0.1
    )
    assert result.item() == np.float32(0.1) / 8


def test_parameters_are_drawn_evenly_from_their_range():
    image = np.full((1, 1, 1), 0.2, np.float32)
    results = many(weather.fast_snowy_landscape, 2000, image, lightness_multiplier=(1.0, 4.0))
    factors = results.ravel() / 0.2
    assert (factors.min(), factors.max()) == pytest.approx((1, 4), abs=0.02)
    assert factors.mean() == pytest.approx(2.5, abs=0.1)
    assert factors.std() == pytest.approx(3 / np.sqrt(12), abs=0.05)
