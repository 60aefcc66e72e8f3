import jax
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage
from skimage import color, exposure

from cnnjax.augment import colour

# Each operation, its parameter, and values that are refused.
REFUSED = {
    "sharpen": ("amount", [-1.1, (1, 0)]),
    "brighten": ("offset", [(0.2, -0.2)]),
    "brighten by a factor": ("factor", [-0.1, (1.5, 0.5)]),
    "contrast": ("factor", [-0.1, (1.5, 0.5)]),
    "gamma_contrast": ("gamma", [-1, (2, 1)]),
    "invert": ("probability", [-0.1, 1.1]),
    "hue": ("degrees", [(30, -30)]),
    "saturation": ("factor", [-0.1, (1.5, 0.5)]),
    "channel_shuffle": ("probability", [-0.1, 1.1]),
    "grey": ("amount", [-0.1, 1.1, (0, 2)]),
    "posterise": ("bits", [0, 9, (8, 4)]),
    "solarise": ("threshold", [-0.1, 1.1, (1, 0)]),
    "equalise": ("amount", [-0.1, 1.1, (0, 2)]),
    "autocontrast": ("amount", [-0.1, 1.1, (0, 2)]),
}
KEY = jax.random.key(0)


def bytes_of(height=24, width=40, channels=3):
    """A picture of smooth shapes with some noise, every level of it in use somewhere."""
    rng = np.random.default_rng(channels)
    noise = rng.normal(size=(height, width, channels))
    smooth = ndimage.gaussian_filter(noise, (3, 3, 0)) + 0.02 * noise
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return np.round(255 * smooth).astype(np.uint8)


def picture(height=24, width=40, channels=3):
    return bytes_of(height, width, channels).astype(np.float32) / np.float32(255)


def pillow(function, channels=3):
    """What a function of Pillow makes of the picture, as floats."""
    levels = bytes_of(channels=channels)
    made = function(Image.fromarray(levels[..., 0] if channels == 1 else levels))
    return np.asarray(made, np.float32).reshape(levels.shape) / 255


@pytest.mark.parametrize(
    ("name", "bad"), [(name, bad) for name, (_, bads) in REFUSED.items() for bad in bads]
)
def test_a_bad_parameter_is_refused_by_name(name, bad):
    parameter = REFUSED[name][0]
    with pytest.raises(ValueError, match=rf"^{parameter}=.*expected a number"):
        getattr(colour, name.split()[0])(KEY, picture(), **{parameter: bad})


@pytest.mark.parametrize("strength", [2.0, 4.0, 50.0])
@pytest.mark.parametrize(("name", "grey"), [("contrast", "mean"), ("saturation", "own")])
def test_a_strong_strength_leaves_grey_and_no_negative(name, grey, strength):
    image = picture()
    found = getattr(colour, name)(KEY, image, factor=0.2, strength=strength)
    luma = image @ np.float32([0.299, 0.587, 0.114])
    expected = luma.mean() if grey == "mean" else luma[..., None]
    np.testing.assert_allclose(found, np.broadcast_to(expected, image.shape), atol=1e-2)


def test_a_strong_strength_blurs_and_inverts_nothing():
    image = picture()
    expected = colour.sharpen(KEY, image, amount=-1.0)
    np.testing.assert_array_equal(colour.sharpen(KEY, image, amount=-0.5, strength=9.0), expected)


@pytest.mark.parametrize("operation", [colour.invert, colour.channel_shuffle])
@pytest.mark.parametrize("probability", [(0.0, 0.5), 1.5, "often"])
def test_a_probability_is_one_number(operation, probability, unchecked):
    with pytest.raises(ValueError, match=r"^probability=.*expected a number within \[0, 1\]"):
        operation(KEY, picture(), probability=probability)


def test_a_pair_is_drawn_from_evenly():
    offsets = jax.vmap(
        lambda key: colour.brighten(key, np.full((1, 1, 1), 0.5, np.float32), offset=(-0.1, 0.3))
    )(jax.random.split(KEY, 4000))
    drawn = np.ravel(offsets) - 0.5
    assert -0.1001 <= drawn.min() < -0.09
    assert 0.29 < drawn.max() <= 0.3001
    # Of 4,000 draws of deviation 0.4 / √12 the mean has the deviation 0.0018.
    assert drawn.mean() == pytest.approx(0.1, abs=0.008)


@pytest.mark.parametrize("amount", [-1.0, -0.4, 1.5])
def test_sharpen_against_pillow_and_scipy(amount):
    image = picture()
    result = colour.sharpen(KEY, image, amount=amount)
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]])[..., None] / 13
    blurred = ndimage.correlate(image, kernel, mode="nearest")
    expected = np.clip(image + amount * (image - blurred), 0, 1)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    # Pillow rounds the blurred picture and cuts the result off to whole levels; it leaves the
    # border as it is.
    sharp = pillow(lambda p: ImageEnhance.Sharpness(p).enhance(1 + amount))
    inside = np.s_[1:-1, 1:-1]
    atol = (1.01 + 0.5 * abs(amount)) / 255
    np.testing.assert_allclose(result[inside], sharp[inside], rtol=0, atol=atol)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.7])
def test_contrast_against_pillow(factor, channels):
    result = colour.contrast(KEY, picture(channels=channels), factor=factor)
    expected = pillow(lambda p: ImageEnhance.Contrast(p).enhance(factor), channels)
    # Pillow rounds every pixel's grey, then their mean, and cuts the result off to whole levels.
    atol = (1.01 + abs(1 - factor)) / 255
    np.testing.assert_allclose(result, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("height", [257, 258, 600])
def test_the_mean_grey_of_bytes_is_exact_however_tall_the_image(height):
    # 16 bits hold the sum of 257 white bytes.
    white = np.full((height, 2, 3), 255, np.uint8)
    np.testing.assert_array_equal(colour.contrast(KEY, white, factor=0.5), white)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.7])
def test_saturation_against_pillow(factor):
    result = colour.saturation(KEY, picture(), factor=factor)
    expected = pillow(lambda p: ImageEnhance.Color(p).enhance(factor))
    atol = (1.01 + 0.51 * abs(1 - factor)) / 255
    np.testing.assert_allclose(result, expected, rtol=0, atol=atol)


def test_grey_against_pillow():
    result = colour.grey(KEY, picture(), amount=1)
    expected = pillow(lambda p: p.convert("L").convert("RGB"))
    np.testing.assert_allclose(result, expected, rtol=0, atol=0.51 / 255)
    half = colour.grey(KEY, picture(), amount=0.5)
    np.testing.assert_allclose(half, (picture() + result) / 2, atol=1e-6)
    assert np.all(np.ptp(result, axis=-1) == 0)


def test_brighten_adds_and_clips():
    image = np.array([0.0, 0.25, 0.9], np.float32).reshape(1, 3, 1)
    result = colour.brighten(KEY, image, offset=0.2)
    np.testing.assert_allclose(result[0, :, 0], [0.2, 0.45, 1], atol=1e-6)
    result = colour.brighten(KEY, image, offset=-0.2, strength=0.5)
    np.testing.assert_allclose(result[0, :, 0], [0, 0.15, 0.8], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.1, 0.6, 1.9])
def test_brighten_by_a_factor_against_pillow(factor, channels):
    result = colour.brighten(KEY, picture(channels=channels), offset=0, factor=factor)
    expected = pillow(lambda p: ImageEnhance.Brightness(p).enhance(factor), channels)
    # Pillow cuts the result off to whole levels.
    np.testing.assert_allclose(result, expected, rtol=0, atol=1.01 / 255)
    half = colour.brighten(KEY, picture(channels=channels), offset=0, factor=factor, strength=0.5)
    whole = colour.brighten(KEY, picture(channels=channels), offset=0, factor=(1 + factor) / 2)
    np.testing.assert_allclose(half, whole, atol=1e-6)


def test_brighten_draws_its_factor_and_its_offset_apart():
    image = np.array([0.25, 0.5], np.float32).reshape(1, 2, 1)
    brighten = lambda key: colour.brighten(key, image, offset=(-0.1, 0.1), factor=(0.6, 1.4))  # noqa: E731
    dark, light = np.asarray(jax.vmap(brighten)(jax.random.split(KEY, 4000)))[:, 0, :, 0].T
    factor, offset = (light - dark) / 0.25, 2 * dark - light
    for drawn, low, high in ((factor, 0.6, 1.4), (offset, -0.1, 0.1)):
        assert low - 1e-5 <= drawn.min() < low + 0.01
        assert high - 0.01 < drawn.max() <= high + 1e-5
    # Of 4,000 independent draws the correlation has the deviation 0.016.
    assert abs(np.corrcoef(factor, offset)[0, 1]) < 0.08


@pytest.mark.parametrize("gamma", [0.0, 0.4, 2.5])
def test_gamma_contrast_against_scikit_image(gamma):
    result = colour.gamma_contrast(KEY, picture(), gamma=gamma)
    np.testing.assert_allclose(result, exposure.adjust_gamma(picture(), gamma), atol=2e-6)


def test_invert_and_solarise_against_pillow():
    inverted = colour.invert(KEY, picture(), probability=1)
    np.testing.assert_allclose(inverted, pillow(ImageOps.invert), atol=1e-6)
    # A threshold between two levels, so that rounding does not decide.
    solarised = colour.solarise(KEY, picture(), threshold=99.5 / 255)
    expected = pillow(lambda p: ImageOps.solarize(p, threshold=100))
    np.testing.assert_allclose(solarised, expected, atol=1e-6)
    everything = colour.solarise(KEY, picture(), threshold=0)
    np.testing.assert_allclose(everything, inverted, atol=1e-6)


def test_every_threshold_of_whole_bytes_is_pillows():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    for byte in range(255):  # 255 / 255 changes nothing here
        expected = np.asarray(ImageOps.solarize(Image.fromarray(levels[..., 0]), threshold=byte))
        found = np.asarray(colour.solarise(KEY, levels, threshold=byte / 255))
        np.testing.assert_array_equal(found[..., 0], expected)


@pytest.mark.parametrize(("probability", "strength"), [(0.3, 1.0), (0.6, 0.5)])
def test_invert_happens_as_often_as_told(probability, strength):
    image = np.zeros((1, 1, 1), np.float32)
    inverted = jax.vmap(
        lambda key: colour.invert(key, image, probability=probability, strength=strength)
    )(jax.random.split(KEY, 4000))
    # The deviation of the share is 0.007.
    assert np.mean(inverted) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("degrees", [-200, -30, 60, 120, 359])
def test_hue_against_scikit_image(degrees):
    image = picture()
    image[:2] = image[:2, :, :1]  # greys
    image[2, :6] = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]]
    hsv = color.rgb2hsv(image)
    hsv[..., 0] = (hsv[..., 0] + degrees / 360) % 1
    result = colour.hue(KEY, image, degrees=degrees)
    np.testing.assert_allclose(result, color.hsv2rgb(hsv), atol=5e-6)


def test_channel_shuffle_gives_every_order_equally_often():
    image = np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 1, 3)
    shuffled = jax.vmap(lambda key: colour.channel_shuffle(key, image, probability=1))(
        jax.random.split(KEY, 3000)
    )
    orders, counts = np.unique(np.asarray(shuffled)[:, 0, 0], axis=0, return_counts=True)
    assert len(orders) == 6
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(image[0], (6, 1)))
    # The deviation of a count is 20.
    np.testing.assert_allclose(counts, 500, atol=90)


def test_channel_shuffle_happens_as_often_as_told():
    image = np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 1, 3)
    shuffled = jax.vmap(
        lambda key: colour.channel_shuffle(key, image, probability=0.8, strength=0.5)
    )(jax.random.split(KEY, 4000))
    changed = np.any(np.asarray(shuffled) != image, axis=(1, 2, 3))
    # In one case of six the order is the old one; the deviation of the share is 0.0075.
    assert changed.mean() == pytest.approx(0.4 * 5 / 6, abs=0.03)


@pytest.mark.parametrize("bits", range(1, 8))
def test_posterise_against_pillow(bits):
    result = colour.posterise(KEY, picture(), bits=bits)
    expected = pillow(lambda p: ImageOps.posterize(p, bits))
    np.testing.assert_allclose(result, expected, atol=1e-7)


def test_autocontrast_against_pillow():
    # Pillow rounds to whole levels. Squeezed first, so that there is room to stretch.
    levels = (60 + bytes_of() * np.float32([0.3, 0.5, 0.6])).astype(np.uint8)
    expected = np.asarray(ImageOps.autocontrast(Image.fromarray(levels)), np.float32) / 255
    result = colour.autocontrast(KEY, levels.astype(np.float32) / 255, amount=1)
    np.testing.assert_allclose(result, expected, atol=1.01 / 255)
    # A plain channel has no contrast to raise.
    plain = np.full((4, 4, 1), 0.3, np.float32)
    np.testing.assert_array_equal(colour.autocontrast(KEY, plain, amount=1), plain)


def test_equalise_against_pillow():
    # 4,096 pixels, 16 of them the brightest: 4,080 / 255 = 16 to a level, with no remainder.
    values = np.sort(np.random.default_rng(0).normal(100, 25, (4080, 3)), axis=0)
    values = np.concatenate([np.clip(values, 0, 254), np.full((16, 3), 255)])
    levels = np.random.default_rng(1).permuted(np.round(values).astype(np.uint8), axis=0)
    levels = levels.reshape(64, 64, 3)
    assert np.all(np.sum(levels == 255, axis=(0, 1)) == 16)
    image = levels.astype(np.float32) / 255
    expected = np.asarray(ImageOps.equalize(Image.fromarray(levels)), np.float32) / 255
    result = colour.equalise(KEY, image, amount=1)
    np.testing.assert_allclose(result, expected, rtol=0, atol=0.501 / 255)
    half = colour.equalise(KEY, image, amount=0.5)
    np.testing.assert_allclose(half, (image + result) / 2, atol=1e-6)


def test_equalise_of_six_pixels_by_hand():
    # Darker than 0.2: none; than 0.4: two; than 0.8: three. Three are darker than the brightest.
    image = np.array([[0.4, 0.2, 0.8], [0.8, 0.2, 0.8]], np.float32)[..., None]
    result = colour.equalise(KEY, image, amount=1)
    expected = np.array([[2, 0, 3], [3, 0, 3]])[..., None] / 3
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_equalise_leaves_a_plain_channel_alone():
    image = picture()
    image[..., 1] = 0.3
    result = colour.equalise(KEY, image, amount=1)
    np.testing.assert_array_equal(result[..., 1], image[..., 1])
    assert np.any(result[..., 0] != image[..., 0])
