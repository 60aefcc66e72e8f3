import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal

from cnnjax.augment import signals

OPERATIONS = ["additive_noise", "gain", "pitch", "shift", "speed", "time_mask"]
KEY = jax.random.key(0)


@pytest.fixture(params=[*OPERATIONS, "circular"], scope="module")
def name(request):
    return request.param


def named(name):
    if name == "circular":
        return functools.partial(signals.shift, circular=True)
    return getattr(signals, name)


@functools.cache
def compiled(name):
    """The operation of a key, a signal and a strength."""
    return jax.jit(lambda key, values, strength: named(name)(key, values, strength=strength))


def wave(length=90, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(length, channels)).astype(np.float32)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def sine(frequency, length=4096):
    """In cycles a length."""
    time = np.arange(length) / length
    return np.sin(2 * np.pi * frequency * time).astype(np.float32)[:, None]


def peak(values):
    """The strongest frequency of a signal of one channel, in cycles a length."""
    spectrum = np.abs(np.fft.rfft(np.asarray(values)[:, 0] * np.hanning(len(values))))
    return np.argmax(spectrum)


@pytest.mark.parametrize(
    ("length", "dtype"), [(1, jnp.float32), (7, jnp.float32), (90, jnp.bfloat16)]
)
def test_any_length_and_precision(name, length, dtype):
    values = wave(length).astype(dtype)
    result = compiled(name)(KEY, values, 1.0)
    assert (result.shape, result.dtype) == ((length, 2), dtype)
    assert np.all(np.isfinite(result))
    np.testing.assert_array_equal(compiled(name)(KEY, values, 0.0), values)


@pytest.mark.parametrize(
    ("refusing", "options"),
    [
        ("gain", {"decibels": (3, 1)}),
        ("shift", {"fraction": 1.5}),
        ("speed", {"factor": 0.0}),
        ("pitch", {"semitones": 30}),
        ("time_mask", {"fraction": -0.1}),
        ("additive_noise", {"deviation": -1.0}),
    ],
)
def test_a_parameter_outside_its_range_is_refused_by_name(refusing, options):
    (parameter,) = options
    with pytest.raises(ValueError, match=rf"{parameter}=.*: expected a number or a pair"):
        getattr(signals, refusing)(KEY, wave(), **options)


@pytest.mark.parametrize("decibels", [-40.0, 6.0, 20.0])
def test_gain_is_in_decibels(decibels):
    expected = wave() * 10 ** (decibels / 20)
    np.testing.assert_allclose(signals.gain(KEY, wave(), decibels=decibels), expected, rtol=1e-5)


def test_a_circle_turns_more_than_once_above_strength_1():
    signal = np.arange(8.0, dtype=np.float32)[:, None]
    turned = signals.shift(KEY, signal, fraction=0.75, circular=True, strength=2.0)
    np.testing.assert_allclose(turned, np.roll(signal, 4, axis=0))


@pytest.mark.parametrize("fraction", [-1.0, -0.5, 0.1, 0.255, 1.0])
@pytest.mark.parametrize("circular", [False, True])
def test_shift_is_scipys(fraction, circular):
    mode = "grid-wrap" if circular else "grid-constant"
    expected = ndimage.shift(wave(), (fraction * 90, 0), order=1, mode=mode)
    result = signals.shift(KEY, wave(), fraction=fraction, circular=circular)
    np.testing.assert_allclose(result, expected, atol=2e-5)


@pytest.mark.parametrize("factor", [0.5, 0.83, 1.0, 1.37, 3.0])
def test_speed_is_numpys_interpolation(factor):
    values = wave()
    # One zero beyond the end, to which the last sample fades.
    padded = np.concatenate([values, np.zeros((1, 2))])
    position = np.arange(90) * factor
    expected = np.stack([np.interp(position, np.arange(91), c, right=0.0) for c in padded.T], 1)
    result = signals.speed(KEY, values, factor=factor)
    np.testing.assert_allclose(result, expected, atol=3e-5)


@pytest.mark.parametrize(
    ("operation", "position"),
    [
        (functools.partial(signals.speed, factor=0.9), lambda t: t * float(np.float32(0.9))),
        (functools.partial(signals.shift, fraction=-0.123), lambda t: t - len(t) * -0.123),
    ],
)
def test_half_a_minute_of_sound_is_read_as_precisely_as_a_second(operation, position):
    time = np.arange(1_323_000)
    values = np.sin(np.pi / 2 * time)[:, None].astype(np.float32)
    at = position(time)
    within = at < len(time) - 1  # zeros follow
    left = np.floor(at[within]).astype(int)
    past = (at[within] - left)[:, None]
    expected = (1 - past) * values[left] + past * values[left + 1]
    # A distance has the precision of float32 itself, a hundredth of a sample here, all over.
    found = np.asarray(operation(KEY, values))[within]
    np.testing.assert_allclose(
        found, expected, atol=0.04 if "fraction" in operation.keywords else 2e-3
    )
    assert np.abs(np.diff(found - expected, axis=0)).max() < 0.08


@functools.cache
def pitched(window):
    """`signals.pitch` by a number of semitones that is traced: the strength, of 1 semitone."""
    return jax.jit(
        lambda values, semitones: signals.pitch(
            KEY, values, semitones=1.0, window=window, strength=semitones
        )
    )


@pytest.mark.parametrize("semitones", [-12.0, -5.0, -0.4, 1e-4, 1.0, 4.0, 7.5, 12.0])
@pytest.mark.parametrize("frequency", [200, 333])
def test_pitch_moves_a_sine_to_its_frequency_and_keeps_its_loudness(semitones, frequency):
    result = np.asarray(pitched(256)(sine(frequency), semitones))
    assert result.shape == (4096, 1)
    assert peak(result) == pytest.approx(frequency * 2 ** (semitones / 12), abs=1)
    # Linear reading and the overlap of the frames cost a little of √½.
    assert result[512:-512].std() == pytest.approx(np.sqrt(0.5), rel=0.04)


def test_pitch_by_a_number_is_pitch_by_that_strength_of_one():
    off = signals.pitch(KEY, sine(200), semitones=5.0, window=256) - pitched(256)(sine(200), 5.0)
    # In the last window the tone breaks off: bins are left whose phase is that of a rounding.
    np.testing.assert_allclose(off[:-256], 0, atol=2e-3)
    np.testing.assert_allclose(off[-256:], 0, atol=5e-2)


def test_pitch_keeps_the_tempo():
    # A tone that is on in the third quarter only stays there.
    values = sine(256) * np.repeat([0, 0, 1, 0], 1024)[:, None].astype(np.float32)
    for semitones in (-7.0, 7.0):
        changed = np.asarray(pitched(128)(values, semitones))
        loud = np.abs(signal.hilbert(changed[:, 0])) > 0.5
        first, last = np.flatnonzero(loud)[[0, -1]]
        assert (first, last) == pytest.approx((2048, 3072), abs=100)


@pytest.mark.parametrize("semitones", [1e-4, 3.0])
def test_pitch_keeps_the_loudness_of_each_tone_of_a_chord(semitones):
    tones = {200: 1.0, 400: 0.5, 600: 0.7}
    chord = sum(loudness * sine(frequency) for frequency, loudness in tones.items())
    result = np.asarray(pitched(256)(chord, semitones))[:, 0]
    spectrum = np.abs(np.fft.rfft(result * np.hanning(4096))) / 1024
    for frequency, loudness in tones.items():
        at = round(frequency * 2 ** (semitones / 12))
        # A tone between two bins is spread over its neighbours; Hann's window takes 1½ of a power.
        found = np.sqrt(np.sum(spectrum[at - 5 : at + 6] ** 2) / 1.5)
        assert found == pytest.approx(loudness, rel=0.12)


@pytest.mark.parametrize("window", [0, 4, 30])
def test_pitch_refuses_a_window_that_four_hops_do_not_fill(window):
    with pytest.raises(ValueError, match=f"window={window}: expected None or a multiple of 4"):
        signals.pitch(KEY, wave(), window=window)


@pytest.mark.parametrize(("fraction", "count"), [(0.3, 3), (0.25, 2), (0.0, 0), (1.0, 10)])
def test_a_mask_has_its_length_and_may_start_anywhere(fraction, count):
    masked = jax.vmap(lambda key: signals.time_mask(key, jnp.ones((10, 2)), fraction=fraction))
    results = np.asarray(masked(keys(400)))
    np.testing.assert_array_equal(results[..., 0], results[..., 1])
    zeros = results[..., 0] == 0
    np.testing.assert_array_equal(zeros.sum(1), count)
    if 0 < count < 10:
        # One stretch: as many steps into zeros as out of them, one at most.
        assert np.all(np.abs(np.diff(zeros.astype(int), axis=1)).sum(1) <= 2)
        starts = np.bincount(zeros.argmax(1), minlength=10)
        places = 10 - count + 1
        assert np.all(starts[:places] > 400 / places / 2)
        assert np.all(starts[places:] == 0)


def test_noise_has_its_deviation():
    noise = np.asarray(signals.additive_noise(KEY, np.zeros((20000, 1), np.float32), deviation=0.3))
    assert noise.mean() == pytest.approx(0, abs=5 * 0.3 / np.sqrt(20000))
    assert noise.std() == pytest.approx(0.3, rel=0.03)
    half = signals.additive_noise(
        KEY, np.zeros((20000, 1), np.float32), deviation=0.3, strength=0.5
    )
    np.testing.assert_allclose(half, noise / 2, atol=1e-6)


def test_noise_is_independent_between_channels_and_samples():
    noise = np.asarray(signals.additive_noise(KEY, np.zeros((10000, 3), np.float32), deviation=0.3))
    series = [*noise[1:].T, *noise[:-1].T]
    between = np.corrcoef(series) - np.eye(6)
    # A channel goes with itself, and with nothing else: not even with itself a sample later.
    assert np.abs(between).max() < 5 / np.sqrt(10000)


def test_parameters_are_drawn_evenly_from_their_range():
    gains = jax.vmap(lambda key: signals.gain(key, jnp.ones((1, 1))))(keys(2000))
    decibels = 20 * np.log10(np.asarray(gains).ravel())
    assert (decibels.min(), decibels.max()) == pytest.approx((-6, 6), abs=0.1)
    assert decibels.mean() == pytest.approx(0, abs=0.4)
    assert decibels.std() == pytest.approx(12 / np.sqrt(12), abs=0.2)


def test_no_strength_plays_a_signal_backwards():
    x = np.arange(1, 7, dtype=np.float32)[:, None]
    found = signals.speed(jax.random.key(0), x, factor=0.5, strength=3.0)
    np.testing.assert_allclose(found, np.ones_like(x), atol=1e-4)  # the tape stands still
