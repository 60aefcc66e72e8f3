import jax
import numpy as np
import pytest

from cnnjax.augment import named

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("size", "padding"),
    [((32, 32), 4), ((28, 28), 4), ((224, 224), 28), ((48, 40), 5), ((3, 5), 1)],
)
def test_the_crop_of_photographs_pads_an_eighth_of_the_shorter_side(size, padding):
    draws = jax.vmap(lambda key: named._draw_padded_crop(key, size, strength=1.0))(
        jax.random.split(KEY, 3000)
    )
    assert draws.new_size == size
    corners = np.asarray(draws.steps[0])[:, :, 2]
    assert np.unique(corners).tolist() == list(range(-padding, padding + 1))


# Cubuk et al. (2020), appendix; at M = 30 of 30.
LARGEST = {
    "rotate": {"degrees": (-30, 30)},
    "shear_x": {"ratio": (-0.3, 0.3)},
    "shear_y": {"ratio": (-0.3, 0.3)},
    "translate_x": {"fraction": (-0.45, 0.45)},
    "translate_y": {"fraction": (-0.45, 0.45)},
    "posterise": {"bits": 4},
    "solarise": {"threshold": (0, 1)},
    "equalise": {"amount": 1},
    "autocontrast": {"amount": 1},
}
ENHANCED = {
    "brighten": {"offset": 0, "factor": (0.1, 1.9)},
    "contrast": {"factor": (0.1, 1.9)},
    "saturation": {"factor": (0.1, 1.9)},
    "sharpen": {"amount": (-0.9, 0.9)},
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("randaugment", LARGEST | ENHANCED | {"identity": {}}),
        ("trivialaugment", LARGEST | ENHANCED | {"identity": {}}),
        # Hendrycks et al. (2020): none that the corruptions of ImageNet-C overlap with.
        ("augmix", LARGEST),
    ],
)
def test_the_operations_are_the_papers(name, expected):
    found = {}
    for operation in named.build(name).operations:
        bound = getattr(operation, "func", operation)
        found[bound.__name__] = getattr(operation, "keywords", {})
    assert found == expected


def test_one_image_in_fourteen_is_left_alone():
    images = np.random.default_rng(0).random((14, 9, 9, 3)).astype(np.float32)
    policy = jax.jit(named.build("trivialaugment"))
    after = policy(KEY, images, np.zeros(14, np.int32), 1.0)
    same = [np.array_equal(*each) for each in zip(images, after, strict=True)]
    assert 1 <= sum(same) <= 4  # and what posterise, solarise and their like happen to leave


def spans(values, low, high):
    """Whether draws fill a range: the outermost of 1,000 even ones are within a hundredth of it."""
    near = 0.01 * (high - low)
    assert (values.min(), values.max()) == pytest.approx((low, high), abs=near)


def test_photographs_are_flipped_turned_scaled_and_cropped_first():
    geometry, _ = named.build("standard").operations
    # A picture that tells its positions: its rows are one channel, its columns the other.
    picture = np.mgrid[:32, :32].transpose(1, 2, 0).astype(np.float32) / 32
    moving = jax.jit(jax.vmap(lambda key: geometry(key, picture, strength=1.0)))
    read = 32 * np.asarray(moving(jax.random.split(KEY, 1000)), np.float64)
    # About the middle, far from what is mirrored in, it is read at A · (y, x) + b.
    places = np.stack([*(np.mgrid[:32, :32] - 15.5), np.ones((32, 32))], -1)
    middle = (slice(12, 20), slice(12, 20))
    inner = read[:, *middle].reshape(1000, -1, 2) - 15.5
    found = (np.linalg.pinv(places[middle].reshape(-1, 3)) @ inner).swapaxes(1, 2)
    linear, offset = found[:, :, :2], found[:, :, 2:]
    determinant = np.linalg.det(linear)
    assert np.mean(determinant < 0) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(1000))
    spans(np.rad2deg(np.arctan2(linear[:, 0, 1], linear[:, 0, 0])), -10, 10)
    spans(1 / np.sqrt(np.abs(determinant)), 0.9, 1.1)
    # The crop comes last, of whole pixels.
    corners = np.linalg.solve(linear, offset)
    np.testing.assert_allclose(corners, np.round(corners), atol=0.01)
    assert np.unique(np.round(corners)).tolist() == list(range(-4, 5))
    # What lies outside is the mirror image, its outermost pixels included.
    where = np.einsum("nij,yxj->nyxi", found, places) + 15.5
    mirrored = np.abs((where + 32.5) % 64 - 32) - 0.5
    np.testing.assert_allclose(read, np.clip(mirrored, 0, 31), atol=0.01)


def test_photographs_change_brightness_or_contrast_or_saturation_last():
    _, colour = named.build("standard").operations
    image = np.array([[[0.5, 0.4, 0.6], [0.4, 0.55, 0.45]]])
    images = np.tile(image.astype(np.float32), (3000, 1, 1, 1))
    changed = np.asarray(colour(KEY, images, np.zeros(3000, np.int32), 1.0), np.float64)
    grey = image @ [[0.299], [0.587], [0.114]]
    # What one of the three says of the change is the same for every value if it was that one.
    for said, low, high in (
        (changed - image, -0.2, 0.2),
        ((changed - grey.mean()) / (image - grey.mean()), 0.5, 1.5),
        ((changed - grey) / (image - grey), 0.5, 1.5),
    ):
        same = np.ptp(said, axis=(1, 2, 3)) < 1e-5
        assert same.sum() == pytest.approx(1000, abs=5)  # next to no change looks like any of them
        spans(said[same].mean((1, 2, 3)), low, high)


def test_signals_are_amplified_shifted_hurried_and_interrupted():
    # Two channels, a constant and the time, so loud that the noise is next to nothing: their ratio
    # is the time that a sample was read at, wherever it was read.
    length, loud = 200, 1e4
    time = np.arange(length)
    signal = loud * np.stack([np.ones(length), time / length], -1).astype(np.float32)
    signals, labels = np.tile(signal, (1000, 1, 1)), np.zeros(1000, np.int32)
    out = np.asarray(jax.jit(named.build("signals"))(KEY, signals, labels, 1.0), np.float64)
    gains = np.median(out[..., 0], 1) / loud
    spans(20 * np.log10(gains), -3, 3)
    factors, shifts, gaps = [], [], []
    for constant, ramp in zip(out[..., 0], out[..., 1], strict=True):
        whole = np.flatnonzero(constant > 0.99 * np.median(constant))
        read = ramp[whole] / constant[whole] * length
        factor, start = np.polyfit(whole, read, 1)
        factors.append(factor)
        shifts.append(-start / length)
        gaps.append(whole[-1] - whole[0] + 1 - len(whole))
    spans(np.array(factors), 0.9, 1.1)
    spans(np.array(shifts), -0.1, 0.1)
    # Whole samples, below a tenth; a gap at either end is not told from a shift.
    assert (min(gaps), max(gaps)) == (0, 19)


def test_signals_get_noise():
    silence, labels = np.zeros((1000, 200, 2), np.float32), np.zeros(1000, np.int32)
    noise = jax.jit(named.build("signals"))(KEY, silence, labels, 1.0)
    # Estimated from 400 values: a twenty-eighth of itself off.
    deviations = np.std(noise, axis=(1, 2))
    assert deviations.min() < 0.001
    assert 0.095 < deviations.max() < 0.12
    assert deviations.mean() == pytest.approx(0.05, abs=5 * 0.1 / np.sqrt(12 * 1000))
