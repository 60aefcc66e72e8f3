"""Policies of the catalogue's operations: how often what is applied, and how strongly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.augment.policies import (
    AugMix,
    OneOf,
    RandAugment,
    Sequence,
    SomeOf,
    TrivialAugment,
    move,
)

KEY = jax.random.key(0)


def add(key, image, *, amount, strength):
    """Adds a number: what was applied to an image can be read off it."""
    del key
    return image + amount * strength


def adding(*amounts):
    return tuple(functools.partial(add, amount=amount) for amount in amounts)


def zeros(batch):
    return jnp.zeros((batch, 2, 3, 1)), jnp.zeros(batch, jnp.int32)


def real(batch=7):
    rng = np.random.default_rng(0)
    return rng.random((batch, 9, 12, 3)).astype(np.float32), np.zeros(batch, np.int32)


GEOMETRY = functools.partial(
    move,
    draws=(augment.draw_rotate, functools.partial(augment.draw_shear_x, ratio=(-0.3, 0.3))),
)
OPERATIONS = (GEOMETRY, augment.horizontal_flip, functools.partial(augment.scale, factor=0.7))
ALL = [
    Sequence(OPERATIONS),
    OneOf(OPERATIONS),
    SomeOf(OPERATIONS, least=1),
    RandAugment(OPERATIONS),
    TrivialAugment(OPERATIONS),
    AugMix(OPERATIONS),
    Sequence((OneOf(OPERATIONS), SomeOf(OPERATIONS))),
]


@pytest.fixture(params=ALL, ids=lambda policy: type(policy).__name__, scope="module")
def policy(request):
    """A policy and its compiled form, with the number of times it was traced."""
    traces = []

    def traced(key, images, labels, strength):
        traces.append(images.shape)
        return request.param(key, images, labels, strength)

    return request.param, jax.jit(traced), traces


def test_strength_is_traced_and_zero_gives_the_images_back(policy):
    _, compiled, traces = policy
    images, labels = real()
    strong = compiled(KEY, images, labels, 1.0)
    weak = compiled(KEY, images, labels, 0.0)
    np.testing.assert_array_equal(weak, images)
    assert np.abs(np.asarray(strong) - images).max() > 0.05
    assert len(traces) == 1
    assert 0 <= strong.min() <= strong.max() <= 1


def test_the_same_key_gives_the_same_bits_and_another_key_others(policy):
    _, compiled, _ = policy
    images, labels = real()
    first = np.asarray(compiled(KEY, images, labels, 1.0))
    assert first.tobytes() == np.asarray(compiled(KEY, images, labels, 1.0)).tobytes()
    assert np.any(first != np.asarray(compiled(jax.random.key(1), images, labels, 1.0)))


def test_half_precision_stays_half_precision(policy):
    plain, _, _ = policy
    images, labels = real()
    halves = jax.ShapeDtypeStruct(images.shape, jnp.float16)
    assert jax.eval_shape(plain, KEY, halves, labels).dtype == jnp.float16


def test_bytes_go_through_a_policy_as_bytes(policy):
    _, compiled, _ = policy
    images, labels = real()
    images = np.round(255 * images).astype(np.uint8)
    found = np.asarray(compiled(KEY, images, labels, 1.0)).astype(int)
    expected = 255 * compiled(KEY, (images / 255).astype(np.float32), labels, 1.0)
    assert compiled(KEY, images, labels, 0.0).dtype == np.uint8
    np.testing.assert_array_equal(compiled(KEY, images, labels, 0.0), images)
    # Each of at most three operations rounds, and none of them makes more of a difference.
    assert np.abs(found - expected).max() < 1.6


def test_a_distortion_takes_bytes():
    images, labels = real(6)
    images = np.round(255 * images).astype(np.uint8)
    distortion = augment.build("affine_elastic")
    found = distortion(KEY, images, labels, 0.5)
    expected = 255 * distortion(KEY, (images / 255).astype(np.float32), labels, 0.5)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.501)


def test_bytes_are_no_signals_to_a_distortion(unchecked):
    planes = np.zeros((4, 9, 12), np.uint8)
    with pytest.raises(ValueError, match="signals of type uint8: expected floats"):
        augment.Distortion(translation=2.0)(KEY, planes)


@pytest.mark.parametrize(
    "work",
    [
        augment.gaussian_blur,
        augment.motion_blur,
        Sequence((augment.horizontal_flip, augment.vertical_flip)),
    ],
    ids=["gaussian_blur", "motion_blur", "a sequence"],
)
def test_called_plainly_a_second_time_nothing_is_compiled(work, compilations):
    images, _ = real()
    subject = images if isinstance(work, Sequence) else images[0]
    work(KEY, subject)
    compilations.clear()
    work(jax.random.key(1), subject)
    assert not compilations


def test_a_distortion_is_a_policy_like_any():
    images, labels = real(6)
    distortion = augment.build("affine_elastic", alpha=(10.0, 20.0), sigma=(3.0, 4.0))
    key = jax.random.split(KEY, 1)[0]
    np.testing.assert_array_equal(
        Sequence((distortion,))(KEY, images, labels, 0.5), distortion(key, images, labels, 0.5)
    )
    strengths = jnp.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    out = np.asarray(OneOf((distortion, augment.rotate))(KEY, images, labels, strengths))
    np.testing.assert_array_equal(out[::2], images[::2])
    assert (np.abs(out - images)[1::2].max(axis=(1, 2, 3)) > 0.05).all()


def test_a_strength_for_each_image(policy):
    _, compiled, _ = policy
    images, labels = real()
    strengths = np.array([0, 1, 0, 1, 0, 1, 0], np.float32)
    mixed = np.asarray(compiled(KEY, images, labels, strengths))
    np.testing.assert_array_equal(mixed[::2], images[::2])
    whole = np.asarray(compiled(KEY, images, labels, np.ones(7, np.float32)))
    np.testing.assert_allclose(mixed[1::2], whole[1::2], atol=1e-6)


def test_a_policy_equals_itself_compiled(policy):
    plain, compiled, _ = policy
    images, labels = real()
    np.testing.assert_allclose(
        plain(KEY, images, labels, 0.5), compiled(KEY, images, labels, 0.5), atol=1e-5
    )


def test_a_sequence_applies_everything_in_order():
    double = lambda key, image, *, strength: image * 2 * strength  # noqa: E731
    out = Sequence((*adding(1.0), double, *adding(3.0)))(KEY, *zeros(4))
    assert np.unique(out).tolist() == [5.0]


@pytest.mark.parametrize("policy", [Sequence, functools.partial(SomeOf, least=2)])
def test_each_operation_of_a_policy_draws_for_itself(policy):
    half = jnp.full((4000, 1, 1, 1), 0.5)
    brighten = functools.partial(augment.brighten, offset=(-0.2, 0.2))
    both = policy((brighten, brighten))(KEY, half, jnp.zeros(4000, jnp.int32)) - 0.5
    # Variances add up. With one draw for both the sum would have twice this; four standard errors
    # of a triangle's variance are 0.075.
    np.testing.assert_allclose(np.var(both), 2 * 0.4**2 / 12, rtol=0.08)


def test_what_annotates_an_image_moves_by_the_motion_that_move_drew(unchecked):
    draws = (augment.draw_rotate, augment.draw_translate_x, augment.draw_perspective)
    image = np.zeros((40, 40, 1), np.float32)
    image[12:28, 16:30] = 1
    moved = np.asarray(move(KEY, image, draws=draws, strength=0.5))
    motion = augment.draw_move(KEY, [40, 40], draws=draws, strength=0.5)
    np.testing.assert_array_equal(augment.move_image(image, motion), moved)
    (box,) = np.asarray(augment.move_boxes(jnp.array([[12.0, 16, 28, 30]]), motion))
    rows, columns = (np.flatnonzero((moved > 0.5).any(axis=(1 - axis, 2))) for axis in (0, 1))
    seen = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
    np.testing.assert_allclose(box, seen, atol=0.75)


def test_each_motion_of_a_move_draws_for_itself():
    ramp = jnp.arange(41.0)[None, :, None] / 40
    shift = functools.partial(augment.draw_translate_x, fraction=(-0.1, 0.1))
    twice = functools.partial(move, draws=(shift, shift), border="edge")
    moved = jax.jit(jax.vmap(twice, (0, None)))(jax.random.split(KEY, 2000), ramp)
    # The middle of the ramp tells the shift in pixels; four standard errors are 0.106.
    shifts = 20 - 40 * moved[:, 0, 20, 0]
    np.testing.assert_allclose(np.var(shifts), 2 * 8.2**2 / 12, rtol=0.11)


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 9, 31])
def test_one_of_gives_each_image_exactly_one(batch):
    out = np.asarray(jax.jit(OneOf(adding(1.0, 10.0, 100.0)))(KEY, *zeros(batch)))
    assert np.isin(out, [1.0, 10.0, 100.0]).all()
    assert (out == out[:, :1, :1]).all()
    counts = [np.sum(out[:, 0, 0, 0] == amount) for amount in (1.0, 10.0, 100.0)]
    assert max(counts) <= -(-batch // 3)


@pytest.mark.parametrize("batch", [1, 4, 5])
def test_one_of_is_fair_to_every_image(batch):
    # 3,000 draws of a third: five standard deviations are 0.043.
    choose = jax.vmap(lambda key: OneOf(adding(1.0, 10.0, 100.0))(key, *zeros(batch))[:, 0, 0, 0])
    chosen = np.asarray(jax.jit(choose)(jax.random.split(KEY, 3000)))
    for amount in (1.0, 10.0, 100.0):
        np.testing.assert_allclose(np.mean(chosen == amount, axis=0), 1 / 3, atol=0.043)


def test_one_of_keeps_the_images_in_their_places():
    images = jnp.arange(10.0)[:, None, None, None] * jnp.ones((1, 2, 2, 1))
    out = OneOf(adding(1000.0, 2000.0))(KEY, images, jnp.zeros(10, jnp.int32))
    np.testing.assert_array_equal(out % 1000, images)


def test_some_of_picks_between_least_and_most():
    out = np.asarray(SomeOf(adding(1, 10, 100, 1000), least=1, most=3)(KEY, *zeros(4000)))
    picked = np.array([sum(int(digit) for digit in str(int(each))) for each in out[:, 0, 0, 0]])
    # A third each, within five standard deviations.
    np.testing.assert_allclose(
        np.bincount(picked, minlength=5) / 4000, [0, 1 / 3, 1 / 3, 1 / 3, 0], atol=0.038
    )
    single = out[picked == 1, 0, 0, 0]
    for amount in (1, 10, 100, 1000):
        assert abs(np.mean(single == amount) - 0.25) < 0.06


def test_randaugment_draws_each_round_anew():
    # Two rounds, as published with most networks, if nothing else is said.
    out = np.asarray(RandAugment(adding(1.0, 10.0))(KEY, *zeros(4000)))[:, 0, 0, 0]
    shares = [np.mean(out == total) for total in (2.0, 11.0, 20.0)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.04)


def test_trivialaugment_draws_its_strength_evenly():
    out = np.asarray(TrivialAugment(adding(1.0))(KEY, *zeros(4000), 0.5))[:, 0, 0, 0]
    np.testing.assert_allclose(np.quantile(out, [0.0, 0.5, 1.0]), [0.0, 0.25, 0.5], atol=0.02)


def test_augmix_has_the_published_moments():
    # Each operation adds a; a chain adds a·depth, on average 2a; the weights sum to 1; E m = 1/2.
    amount = 0.01
    out = np.asarray(AugMix(adding(amount))(KEY, *zeros(20_000)))[:, 0, 0, 0]
    assert abs(out.mean() - amount) < 5 * out.std() / np.sqrt(20_000)
    # depths d of variance 2/3, w of E w² = 1/6: E(Σ w d)² = 4 + 3·(2/3)/6; E m² = 1/3.
    np.testing.assert_allclose(np.mean(out**2), amount**2 * (4 + 1 / 3) / 3, rtol=0.04)


def test_augmix_mixes_its_chains_by_its_alpha():
    # Chains of ±a: E(m Σ wᵢ·±a)² = a² · E m² · 3 · E w², by the variances of Beta(α, α) and of
    # Dirichlet(α, α, α). An α of 1 would give it 1.6 times.
    alpha, amount = 5.0, 0.5
    images, labels = zeros(8000)
    policy = AugMix(adding(-amount, amount), depth=1, alpha=alpha)
    out = np.asarray(policy(KEY, images + 0.5, labels))[:, 0, 0, 0] - 0.5
    mixed = 1 / 4 + 1 / (4 * (2 * alpha + 1))
    shares = 1 / 9 + 2 / (9 * (3 * alpha + 1))
    error = np.std(out**2) / np.sqrt(8000)
    assert abs(np.mean(out**2) - amount**2 * mixed * 3 * shares) < 5 * error


SIGNAL_OPERATIONS = (
    augment.gain,
    functools.partial(augment.shift, fraction=(-0.3, 0.3)),
    augment.pitch,
)


@pytest.mark.parametrize(
    "policy",
    [
        Sequence(SIGNAL_OPERATIONS),
        OneOf(SIGNAL_OPERATIONS),
        SomeOf(SIGNAL_OPERATIONS, least=1),
        RandAugment(SIGNAL_OPERATIONS),
        augment.build("signals"),
    ],
    ids=["sequence", "one_of", "some_of", "randaugment", "named"],
)
def test_signals_go_through_policies_as_images_do(policy):
    signals = np.random.default_rng(0).normal(size=(7, 40, 2)).astype(np.float32)
    labels, traces = np.zeros(7, np.int32), []

    @jax.jit
    def compiled(strength):
        traces.append(None)
        return policy(KEY, signals, labels, strength)

    whole, half, none = (np.asarray(compiled(strength)) for strength in (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(none, signals)
    assert whole.shape == signals.shape
    change, gentle = (np.abs(out - signals).max(axis=(1, 2)) for out in (whole, half))
    assert (change > 0.01).all()
    assert np.any(change != gentle)
    assert len(traces) == 1


def test_a_signal_in_a_batch_is_changed_as_alone():
    signals = np.random.default_rng(0).normal(size=(5, 40, 1)).astype(np.float32)
    out = Sequence((augment.speed,))(KEY, signals, np.zeros(5, np.int32), 0.7)
    keys = jax.random.split(jax.random.split(KEY, 1)[0], 5)
    for each, signal, found in zip(keys, signals, out, strict=True):
        np.testing.assert_allclose(augment.speed(each, signal, strength=0.7), found, atol=1e-6)


def test_a_chain_of_motions_is_one_resample():
    image = real(1)[0][0]
    text = jax.make_jaxpr(functools.partial(GEOMETRY, KEY))(image).pretty_print()
    separate = jax.make_jaxpr(functools.partial(augment.rotate, KEY))(image).pretty_print()
    assert text.count("gather[") == separate.count("gather[")


SMALLER = functools.partial(augment.crop, new_size=(1, 2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SomeOf(OPERATIONS, least=2, most=1), "least=2, most=1: expected"),
        (lambda: SomeOf(OPERATIONS, most=9), "most=9: expected"),
        (lambda: RandAugment(OPERATIONS, rounds=0), "rounds=0: expected a whole number ≥ 1"),
        (lambda: AugMix(OPERATIONS, width=0), "width=0: expected a whole number ≥ 1"),
        (lambda: AugMix(OPERATIONS, depth=0), "depth=0: expected a whole number ≥ 1"),
        (lambda: AugMix(OPERATIONS, alpha=0.0), "alpha=0.0: expected a number above 0"),
        (lambda: Sequence(())(KEY, *zeros(2)), "operations=.*at least one"),
        (lambda: OneOf(())(KEY, *zeros(2)), "operations=.*at least one"),
        (lambda: move(KEY, zeros(1)[0][0], draws=()), "at least one"),
        (
            lambda: Sequence((functools.partial(augment.gain, decibels=3),))(KEY, *zeros(2)),
            r"^images of shape \(2, 2, 3, 1\): expected \(batch, length, channels\) for gain$",
        ),
        (
            lambda: SomeOf((augment.rotate,))(KEY, jnp.zeros((2, 40, 1)), jnp.zeros(2, int)),
            r"^images of shape \(2, 40, 1\): expected \(batch, height, width, ch.* for rotate$",
        ),
        *(
            (
                # Of the image that was given, not of the share that an operation would have had.
                lambda policy=policy: policy((augment.rotate,) * 2)(KEY, jnp.zeros((40, 60, 3))),
                r"^images of shape \(40, 60, 3\): .* for rotate; one image is a batch as images\[N",
            )
            for policy in (Sequence, OneOf, SomeOf, RandAugment, TrivialAugment)
        ),
        *(
            (
                lambda policy=policy: policy((lambda key, image, *, strength=1.0: image * 0.5,))(
                    KEY, np.full((2, 8, 8, 1), 200, np.uint8)
                ),
                r"^<lambda> makes float32 of uint8: expected the images' own type",
            )
            for policy in (Sequence, OneOf, SomeOf, RandAugment, TrivialAugment)
        ),
        (
            lambda: AugMix(SIGNAL_OPERATIONS)(KEY, jnp.zeros((2, 40, 1)), jnp.zeros(2, int)),
            r"^images of shape \(2, 40, 1\): expected \(batch, height, width, channels\)$",
        ),
        *(
            (lambda make=make: make(augment.rotate), "operations=.*expected a tuple")
            for make in (Sequence, OneOf, SomeOf, RandAugment, TrivialAugment, AugMix)
        ),
        (lambda: SomeOf(OPERATIONS, least=0.5), "least=0.5: expected a whole number"),
        (
            lambda: Sequence((augment.draw_rotate,))(KEY, *zeros(2)),
            "draw_rotate draws a motion: expected it among `draws` of `move`",
        ),
        (lambda: move(KEY, zeros(1)[0][0], draws=augment.draw_rotate), "draws=.*expected a tuple"),
        (lambda: move(KEY, zeros(1)[0][0], draws=(augment.rotate,)), "draws: .*; got rotate"),
        (lambda: augment.build("ciresan")(KEY, zeros(2)[0]), "labels=None: .* gentle_labels"),
        *(
            (
                lambda policy=policy: policy((augment.rotate, SMALLER))(KEY, *zeros(2)),
                r"^crop makes \(1, 2, 1\) of \(2, 3, 1\): expected the same size of every oper",
            )
            for policy in (OneOf, RandAugment, TrivialAugment, AugMix)
        ),
    ],
)
def test_bad_input_is_refused(make, words, unchecked):
    with pytest.raises(ValueError, match=words):
        make()


def test_labels_that_nobody_reads_may_be_left_out(policy):
    plain, traced, _ = policy
    images, labels = real()
    without = jax.jit(lambda key, images: plain(key, images, strength=1.0))(KEY, images)
    np.testing.assert_allclose(without, traced(KEY, images, labels, 1.0), atol=1e-6)


@pytest.mark.parametrize("make", [Sequence, OneOf, RandAugment, TrivialAugment, AugMix])
def test_a_distortion_that_needs_labels_is_given_none_that_are_made_up(make):
    gentle = augment.Distortion(rotation=90.0, gentle_labels=(0,), gentle=0.0)
    images, labels = real()
    with pytest.raises(ValueError, match="labels=None: expected the images' classes"):
        make((gentle,))(KEY, images)
    assert make((gentle,))(KEY, images, labels).shape == images.shape


def test_whole_numbers_may_be_flipped_and_cropped_one_after_another(unchecked):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 1)).astype(np.uint8)
    policy = Sequence((augment.horizontal_flip, functools.partial(augment.crop, padding=1)))
    found, expected = policy(KEY, images), policy(KEY, images / np.float32(255))
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found / np.float32(255), expected, atol=1e-6)


def test_mixtures_of_whole_numbers_are_refused(unchecked):
    images, labels = real()
    with pytest.raises(ValueError, match=r"^images of type int32: expected floats"):
        AugMix((augment.horizontal_flip,))(KEY, (255 * images).astype(np.int32), labels)
