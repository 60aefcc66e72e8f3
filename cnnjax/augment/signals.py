"""Random changes of one signal, key first: floats of (length, channels), of any amplitude.

Rules and `strength` are those of the operations on images; nothing is clipped. Batch them with
jax.vmap. Between its samples a signal is read by linear interpolation, and it continues with zeros.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from cnnjax.augment.draw import Range, Scalar, between, ends, float_signal, parameter
from cnnjax.ops.pixels import single

__all__ = ["additive_noise", "gain", "pitch", "shift", "speed", "time_mask"]

# Samples between times that are multiplied exactly: see `_times`.
BLOCK = 4096

Signal = Float[Array | np.ndarray, "length channels"]
NewSignal = Float[Array, "length channels"]


def _read(
    signal: Signal, start: Int[Array | np.ndarray, "*#shape"], past: Float[Array, "*#shape"]
) -> Float[Array, "*shape channels"]:
    """Gives (1 − {p}) · x[⌊p⌋] + {p} · x[⌊p⌋ + 1], in float32 at least, zeros beyond the ends.

    p is `start` + `past`, added up as whole samples and parts of one: after a million samples a
    position in one float32 is a sixteenth of a sample off, which is heard as noise.
    """
    length = len(signal)
    # One sample of zeros at either end stands for all that lies beyond it.
    rim = jnp.pad(single(signal), ((1, 1), (0, 0)))
    # The sample and its weight come from one position; the compiler must not round it twice.
    past = jax.lax.optimization_barrier(past)
    left = jnp.floor(past)
    at = jnp.asarray(start) + jnp.clip(left, -(2.0**29), 2.0**29).astype(jnp.int32) + 1
    first, second = (
        rim.at[jnp.clip(index, 0, length + 1)].get(mode="promise_in_bounds")
        for index in (at, at + 1)
    )
    return first + (past - left)[..., None] * (second - first)


def gain(
    key: PRNGKeyArray, signal: Signal, *, decibels: Range = (-6.0, 6.0), strength: Scalar = 1.0
) -> NewSignal:
    """Amplifies: y = x · 10^(g / 20).

    Args:
      key: The random key.
      signal: The signal.
      decibels: Gain g, in decibels; 6 is nearly twice the amplitude. 0 changes nothing.
      strength: Factor on g, at least 0; may be traced. 0 gives the signal back exactly.

    Returns:
      The amplified signal, not clipped.

    Raises:
      ValueError: `decibels` is not a number or a pair.

    >>> import jax, jax.numpy as jnp
    >>> gain(jax.random.key(0), jnp.ones((3, 1)), decibels=20).round(4).tolist()
    [[10.0], [10.0], [10.0]]
    """
    signal = float_signal(signal)
    drawn = parameter(key, "decibels", decibels, neutral=0, strength=strength)
    factor = jnp.exp2(drawn * (math.log2(10) / 20))
    return (single(signal) * factor).astype(signal.dtype)


def shift(
    key: PRNGKeyArray,
    signal: Signal,
    *,
    fraction: Range = (-0.25, 0.25),
    circular: bool = False,
    strength: Scalar = 1.0,
) -> NewSignal:
    """Moves a signal in time: y[t] = x(t − fraction · length).

    Args:
      key: The random key.
      signal: The signal.
      fraction: Distance as a fraction of the length, in [−1, 1]; positive is later. 0 changes
        nothing.
      circular: Whether what leaves at one end comes back at the other; otherwise zeros follow.
      strength: Factor on the distance, at least 0; may be traced. 0 gives the signal back exactly.

    Returns:
      The moved signal, of the same length. Parts of a sample are interpolated linearly.

    Raises:
      ValueError: `fraction` is outside [−1, 1].
    """
    # Without bounds: a strength above 1 turns what is circular more than once.
    ends("fraction", fraction, least=-1, most=1)
    signal = float_signal(signal)
    length = len(signal)
    distance = length * parameter(key, "fraction", fraction, neutral=0, strength=strength)
    distance = jnp.clip(distance, -(2.0**29), 2.0**29)
    if not circular:
        return _read(signal, np.arange(length), -distance).astype(signal.dtype)
    # One sample more, the first one again, lets the interpolation pass the seam.
    ring = jnp.concatenate([signal, signal[:1]])
    whole = jnp.floor(-distance)
    start = jnp.mod(np.arange(length) + jnp.mod(whole, length).astype(jnp.int32), length)
    return _read(ring, start, -distance - whole).astype(signal.dtype)


def speed(
    key: PRNGKeyArray, signal: Signal, *, factor: Range = (0.8, 1.25), strength: Scalar = 1.0
) -> NewSignal:
    """Plays a signal faster or slower from its start: y[t] = x(factor · t).

    Tempo and pitch change together, as on a tape. Nothing is filtered: a factor above 1 folds
    frequencies beyond 1 / (2 · factor) cycles a sample back.

    Args:
      key: The random key.
      signal: The signal.
      factor: How many times as fast, above 0. 1 changes nothing.
      strength: Moves the factor between 1 and the drawn one, at least 0, and beyond it, to 0 at
        most; may be traced. 0 gives the signal back exactly.

    Returns:
      The signal, of the same length, within the signal's own range and 0: cut at its end, or
      followed by zeros.

    Raises:
      ValueError: `factor` is not above 0.
    """
    signal = float_signal(signal)
    # A great strength stops the tape, but never turns it round.
    faster = parameter(key, "factor", factor, neutral=1, strength=strength, least=1e-6)
    start, past = _times(len(signal), faster)
    return _read(signal, start, past).astype(signal.dtype)


def _times(
    length: int, factor: Float[Array, ""]
) -> tuple[Int[Array, " length"], Float[Array, " length"]]:
    """T · factor as whole samples and what is past them, precise for long signals too.

    t and the factor are each split into a coarse part of few bits and a fine one: the product of
    the coarse parts is exact, and the others are small.
    """
    time = np.arange(length)
    fine = jnp.asarray(time % BLOCK, jnp.float32)
    coarse = (time - time % BLOCK).astype(np.float32)
    factor = jnp.minimum(factor, max(2.0**10, length))  # at which all but the first is beyond
    blunt = jnp.round(factor * 2**9) / 2**9
    exact = coarse * blunt
    whole = jnp.floor(exact)
    past = (exact - whole) + coarse * (factor - blunt) + fine * factor
    return jnp.minimum(whole, 2.0**29).astype(jnp.int32), jnp.asarray(past)


def pitch(
    key: PRNGKeyArray,
    signal: Signal,
    *,
    semitones: Range = (-4.0, 4.0),
    window: int | None = None,
    strength: Scalar = 1.0,
) -> NewSignal:
    """Raises or lowers the pitch and keeps the tempo and the length, by a phase vocoder.

    With the ratio r = 2^(semitones / 12), the Hann window h of W samples and the hop H = W / 4, the
    signal is read about the times c_k = k · H at r times its speed, once around c_k and once a hop
    of the result earlier: A_k = FFT(h · x(c_k + r · u)) and B_k = FFT(h · x(c_k + r · (u − H))) for
    −W / 2 ≤ u < W / 2. From B_k to A_k the phase of a frequency advances by what it must advance
    from one frame of the result to the next. With the sum over neighbouring bins
    Z[b] = Y_{k−1}[b] − Y_{k−1}[b − 1] − Y_{k−1}[b + 1], which keeps the bins of one tone together,
    and v = Z · conj(B_k), the frame is Y_k = A_k · v / |v|, or A_k where v is 0. The result is
    Σ_k h · IFFT(Y_k) at c_k, divided by Σ_k h², which is 3/2 everywhere, as frames start before the
    signal. All that is read beyond the ends is zero. Reading is linear and not filtered, so that a
    ratio above 1 folds frequencies beyond 1 / (2r) cycles a sample back. A tone comes out within a
    few hundredths of its loudness; what has no pitch, such as noise, changes its waveform at any
    ratio but 1.

    Args:
      key: The random key.
      signal: The signal; its channels are changed alike.
      semitones: Twelfths of an octave, in [−24, 24]; positive is higher. 0 changes nothing.
      window: W, a multiple of 4 and at least 8; it should hold several periods of the lowest
        frequency. None takes the power of two at or below a quarter of the length, in [16, 2048].
      strength: Factor on the semitones, at least 0, which end at ±24; may be traced. 0 gives the
        signal back exactly.

    Returns:
      The signal with its frequencies multiplied by r, of the same length.

    Raises:
      ValueError: `semitones` is outside [−24, 24], or `window` is not a multiple of 4 or below 8.

    Reference:
      Laroche, Dolson: New phase-vocoder techniques for pitch-shifting. WASPAA 1999. Puckette:
      Phase-locked vocoder. WASPAA 1995, for the two transforms and the sum over neighbours.
    """
    if window is None:
        window = 2 ** min(max((len(signal) // 4).bit_length() - 1, 4), 11)
    if not isinstance(window, int | np.integer) or window < 8 or window % 4:
        raise ValueError(f"window={window!r}: expected None or a multiple of 4, at least 8")
    signal = float_signal(signal)
    length, channels = signal.shape
    raised = parameter(
        key, "semitones", semitones, neutral=0, strength=strength, least=-24, most=24
    )
    ratio = jnp.exp2(raised / 12)

    hop = window // 4
    # From two hops before the start, so that every sample lies in four frames.
    count = math.ceil(length / hop) + 4
    centres = (np.arange(count) - 2) * hop
    around = np.arange(window, dtype=np.float32) - window / 2
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    past = ratio * np.stack([around, around - hop])[:, None, :]
    spectra = jnp.fft.rfft(_read(signal, centres[:, None], past) * hann[:, None], axis=2)
    here, before = spectra[0], spectra[1]

    def follow(last: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        now, earlier = pair
        beside = jnp.pad(last, ((1, 1), (0, 0)))
        turn = jnp.conj(earlier) * (last - beside[:-2] - beside[2:])
        size = jnp.abs(turn)
        silent = size < np.finfo(np.float32).tiny
        result = now * jnp.where(silent, 1, turn / jnp.where(silent, 1, size))
        return result, result

    _, turned = jax.lax.scan(follow, jnp.zeros_like(here[0]), (here, before))
    frames = jnp.fft.irfft(turned, window, axis=1)

    # Quarter j of frame k belongs to hop k + j of the result: four shifted sums, no scatter.
    quarters = (frames * hann[:, None]).reshape(count, 4, hop, channels)
    total = sum(
        (jnp.pad(quarters[:, j], ((j, 3 - j), (0, 0), (0, 0))) for j in range(4)),
        start=jnp.zeros((), frames.dtype),
    )
    # Frame 0 starts two hops and half a window before sample 0: four hops. Σ h² is 3/2 everywhere.
    changed = total.reshape(-1, channels)[4 * hop : 4 * hop + length] / 1.5
    return jnp.where(raised == 0, signal, changed.astype(signal.dtype))


def time_mask(
    key: PRNGKeyArray, signal: Signal, *, fraction: Range = (0.0, 0.2), strength: Scalar = 1.0
) -> NewSignal:
    """Sets one stretch of a signal to zero, at a random place.

    The stretch has n = ⌊fraction · length⌋ samples and starts at any of 0 … length − n, all equally
    likely, in all channels at once.

    Args:
      key: The random key.
      signal: The signal.
      fraction: Share of the length, in [0, 1]. 0 changes nothing.
      strength: Factor on the share, at least 0; may be traced. 0 gives the signal back exactly.

    Returns:
      The masked signal.

    Raises:
      ValueError: `fraction` is outside [0, 1].

    Reference:
      Park et al.: SpecAugment. Interspeech 2019, arXiv:1904.08779; its time masking, on the signal
      itself instead of its spectrogram.
    """
    shares = ends("fraction", fraction, least=0, most=1)
    signal = float_signal(signal)
    length = len(signal)
    units = jax.random.uniform(key, (2,))
    share = jnp.asarray(strength, jnp.float32) * between(shares, units[0])
    # A thousandth of a sample forgives the rounding of shares such as 0.3 of 10.
    count = jnp.floor(jnp.minimum(share, 1) * length + 1e-3)
    start = jnp.floor(units[1] * (length - count + 1))
    time = np.arange(length, dtype=np.float32)
    masked = (time >= start) & (time < start + count)
    return jnp.where(masked[:, None], jnp.zeros((), signal.dtype), signal)


def additive_noise(
    key: PRNGKeyArray, signal: Signal, *, deviation: Range = (0.0, 0.1), strength: Scalar = 1.0
) -> NewSignal:
    """Adds independent normal noise to every value: y = x + σ · n, n ~ N(0, 1).

    Args:
      key: The random key.
      signal: The signal.
      deviation: Standard deviation σ, in units of the signal, at least 0. 0 changes nothing.
      strength: Factor on σ, at least 0; may be traced. 0 gives the signal back exactly.

    Returns:
      The noisy signal, not clipped.

    Raises:
      ValueError: `deviation` is negative.
    """
    signal = float_signal(signal)
    level_key, noise_key = jax.random.split(key)
    level = parameter(level_key, "deviation", deviation, neutral=0, strength=strength, least=0)
    noise = level * jax.random.normal(noise_key, signal.shape)
    return (single(signal) + noise).astype(signal.dtype)
