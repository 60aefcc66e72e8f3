import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cnnjax.augment import mixing

CLASSES = 5


@pytest.fixture(params=["mixup", "cutmix"])
def mix(request):
    return getattr(mixing, request.param)


def batch(size=7, height=9, width=12, channels=3):
    rng = np.random.default_rng(0)
    images = rng.random((size, height, width, channels)).astype(np.float32)
    return images, np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, size)]


def numbered(size, height, width):
    """Plain images of the numbers 0 to 1, each a class of its own: what was mixed can be read."""
    values = np.arange(size, dtype=np.float32) / (size - 1)
    images = np.broadcast_to(values[:, None, None, None], (size, height, width, 1))
    return np.array(images), np.eye(size, dtype=np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_strength_0_is_exact_and_another_strength_compiles_nothing(mix, channels):
    traces = []

    @jax.jit
    def apply(key, images, targets, strength):
        traces.append(strength)
        return mix(key, images, targets, strength=strength)

    images, targets = batch(channels=channels)
    same_images, same_targets = apply(jax.random.key(0), images, targets, 0.0)
    np.testing.assert_array_equal(same_images, images)
    np.testing.assert_array_equal(same_targets, targets)
    for strength in (0.5, 1.0):
        mixed_images, mixed_targets = apply(jax.random.key(0), images, targets, strength)
        assert np.any(mixed_images != images)
        assert np.any(mixed_targets != targets)
    assert len(traces) == 1


def test_plain_jit_and_vmap_agree(mix):
    keys = jax.random.split(jax.random.key(0), 3)
    images, targets = batch()
    mapped = jax.jit(jax.vmap(mix, (0, None, None)))(keys, images, targets)
    jitted = jax.jit(mix)
    for i, key in enumerate(keys):
        for one, all_ in zip(jitted(key, images, targets), mapped, strict=True):
            np.testing.assert_allclose(one, all_[i], rtol=0, atol=1e-6)
    for one, all_ in zip(mix(keys[0], images, targets), mapped, strict=True):
        np.testing.assert_allclose(one, all_[0], rtol=0, atol=1e-6)


def test_the_same_key_gives_the_same_bits_and_another_another_result(mix):
    images, targets = batch()
    jitted = jax.jit(mix)
    first, again, other = (jitted(jax.random.key(seed), images, targets) for seed in (1, 1, 2))
    for i in range(2):
        np.testing.assert_array_equal(first[i], again[i])
        assert np.any(first[i] != other[i])


def test_range_type_and_the_sum_of_the_targets_stay(mix):
    images, targets = batch(size=64)

    @jax.jit
    def apply(strength):
        return mix(jax.random.key(3), images, targets, alpha=1, strength=strength)

    for strength in (0.5, 1.0, 3.0):
        mixed, mixed_targets = apply(strength)
        assert (mixed.shape, mixed.dtype) == (images.shape, jnp.float32)
        assert np.all((np.asarray(mixed) >= -1e-6) & (np.asarray(mixed) <= 1 + 1e-6))
        assert np.all(np.asarray(mixed_targets) >= -1e-6)
        np.testing.assert_allclose(np.sum(mixed_targets, axis=1), 1, atol=1e-6)


def test_half_precision_stays_half_precision(mix):
    images, targets = batch()
    mixed, mixed_targets = mix(jax.random.key(0), images.astype(np.float16), targets)
    assert (mixed.dtype, mixed_targets.dtype) == (jnp.float16, jnp.float32)


def test_bad_arguments_are_refused_by_name(mix):
    images, targets = batch()
    for alpha in (0, -1.0):
        with pytest.raises(ValueError, match=r"^alpha=.*expected a number above 0"):
            mix(jax.random.key(0), images, targets, alpha=alpha)


def test_signals_can_be_averaged_but_have_no_box_to_cut(unchecked):
    images, targets = batch()
    signals = images[:, 0]
    mixed, mixed_targets = mixing.mixup(jax.random.key(0), signals, targets)
    whole, whole_targets = mixing.mixup(jax.random.key(0), images, targets)
    np.testing.assert_array_equal(mixed, whole[:, 0])
    np.testing.assert_array_equal(mixed_targets, whole_targets)
    with pytest.raises(ValueError, match=r"^images of shape \(7, 12, 3\): expected \(batch, heig"):
        mixing.cutmix(jax.random.key(0), signals, targets)


def test_as_many_targets_as_images(mix, unchecked):
    images, targets = batch()
    with pytest.raises(ValueError, match=r"^targets: expected 7, one for each image; got 6$"):
        mix(jax.random.key(0), images, targets[:-1])


def test_images_and_targets_are_floats(mix, unchecked):
    images, targets = batch()
    with pytest.raises(ValueError, match=r"^images of type uint8: expected floats"):
        mix(jax.random.key(0), (255 * images).astype(np.uint8), targets)
    for wrong in (targets.astype(np.int32), targets[:, 0]):
        with pytest.raises(
            ValueError, match=r"^targets of type .*: expected distributions.*one_hot"
        ):
            mix(jax.random.key(0), images, wrong)


# 0.2 is what is meant where nothing is said.
@pytest.mark.parametrize(
    ("options", "alpha"), [({}, 0.2), ({"alpha": 1.0}, 1.0), ({"alpha": 20.0}, 20.0)]
)
def test_mixup_shares_have_the_moments_of_the_beta_distribution(options, alpha):
    size = 2000
    # Every example is a class of its own: what the diagonal of the targets lacks is the partner's.
    images, targets = np.zeros((size, 1, 1, 1), np.float32), np.eye(size, dtype=np.float32)

    @jax.jit
    def lost(strength):
        mixed = mixing.mixup(jax.random.key(5), images, targets, strength=strength, **options)[1]
        return 1 - jnp.diag(mixed)

    share = np.asarray(lost(1.0))
    variance = 1 / (4 * (2 * alpha + 1))
    # Five deviations of the mean, and of the variance as if the shares were normal (they are not
    # as long-tailed). One or two examples are their own partners and lose nothing.
    assert share.mean() == pytest.approx(0.5, abs=5 * np.sqrt(variance / size))
    assert share.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / size))
    np.testing.assert_allclose(lost(0.5), share / 2, atol=1e-6)
    assert stats.kstest(share, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_mixup_mixes_image_and_target_by_the_same_share():
    size = 11
    images, targets = numbered(size, 4, 3)
    mixed, mixed_targets = mixing.mixup(jax.random.key(0), images, targets, alpha=1)
    # The plain images are numbered as their classes are: a mixed image is the mean of its classes.
    expected = np.asarray(mixed_targets) @ images[:, 0, 0, 0]
    np.testing.assert_allclose(mixed, np.tile(expected[:, None, None, None], (4, 3, 1)), atol=1e-6)
    # Every example is the partner of one, so that no class gets more than two shares.
    assert np.all(np.sum(np.asarray(mixed_targets) > 0, axis=0) <= 2)


def test_each_example_has_its_own_share_and_every_image_is_one_partner():
    size = 300
    images, targets = numbered(size, 1, 1)
    _, mixed = mixing.mixup(jax.random.key(2), images, targets, alpha=1)
    mixed = np.asarray(mixed)
    own = np.diag(mixed)
    others = mixed - np.diag(own)
    assert len(np.unique(own)) > 0.98 * size
    with_other = others.max(axis=1) > 0
    partners = others.argmax(axis=1)[with_other]
    assert len(np.unique(partners)) == len(partners) >= size - 10


def test_cutmix_targets_are_the_exact_shares_of_the_pixels():
    size, height, width = 64, 9, 14
    images, targets = numbered(size, height, width)
    values = images[:, 0, 0, 0]

    @jax.jit
    def apply(strength):
        return mixing.cutmix(jax.random.key(1), images, targets, strength=strength)

    for strength in (1.0, 0.3):
        mixed, mixed_targets = map(np.asarray, apply(strength))
        other = mixed[..., 0] != values[:, None, None]
        assert np.sum(other.any(axis=(1, 2))) > 40
        for i in range(size):
            seen, counts = np.unique(mixed[i], return_counts=True)
            assert set(seen) <= set(values)  # bit for bit
            shares = np.zeros(size)
            shares[np.searchsorted(values, seen)] = counts / (height * width)
            np.testing.assert_allclose(mixed_targets[i], shares, atol=1e-6)
            rows, columns = other[i].any(axis=1), other[i].any(axis=0)
            np.testing.assert_array_equal(other[i], np.outer(rows, columns))
            for axis in (rows, columns):  # in one piece
                assert np.sum(np.diff(np.concatenate([[0], axis, [0]])) != 0) in (0, 2)
            assert rows.sum() <= round(height * np.sqrt(strength))
            assert columns.sum() <= round(width * np.sqrt(strength))


def test_cutmix_boxes_have_the_area_that_was_drawn():
    size, edge = 3000, 20
    images = np.broadcast_to(
        np.arange(size, dtype=np.float32)[:, None, None, None] / size, (size, edge, edge, 1)
    )
    # One class: only the pixels matter here, and a target for each image would be a large matrix.
    cutmix = jax.jit(functools.partial(mixing.cutmix, alpha=1.0))
    mixed, _ = cutmix(jax.random.key(4), images, np.ones((size, 1), np.float32))
    other = np.asarray(mixed != images)[..., 0]
    share = other.mean(axis=(1, 2))
    # A box of r times the image's side, its centre anywhere, keeps on average r · (1 − r/4) of the
    # axis once it is cut off. Over all areas r² the mean share is ∫ r² · (1 − r/4)² · 2r dr.
    expected = 2 * (1 / 4 - 1 / 10 + 1 / 96)
    assert share.mean() == pytest.approx(expected, abs=0.02)
    # Centres are anywhere: the middle row is covered more often than the border, both at times.
    covered = other.any(axis=2).mean(axis=0)
    assert 0 < covered[0] < covered[edge // 2]
    assert covered[0] == pytest.approx(covered[-1], abs=0.05)


# 1 is what is meant where nothing is said.
@pytest.mark.parametrize(("options", "alpha"), [({}, 1.0), ({"alpha": 20.0}, 20.0)])
def test_cutmix_areas_have_the_distribution_of_alpha(options, alpha):
    size, edge = 2000, 40
    images = np.broadcast_to(
        np.arange(size, dtype=np.float32)[:, None, None, None] / size, (size, edge, edge, 1)
    )
    cutmix = jax.jit(functools.partial(mixing.cutmix, **options))
    mixed, _ = cutmix(jax.random.key(6), images, np.ones((size, 1), np.float32))
    rows = np.asarray(mixed != images)[..., 0].any(axis=2)
    # Boxes that the border does not cut show the side that was drawn: √(1 − λ), whole pixels.
    sides = rows.sum(1)[rows.any(1) & ~rows[:, 0] & ~rows[:, -1]]
    # A side of s pixels stays clear of the border at edge − s − 1 of its places.
    share = (np.arange(10_000) + 0.5) / 10_000
    drawn = np.round(np.sqrt(share) * edge)
    weight = stats.beta(alpha, alpha).pdf(share) * np.maximum(edge - drawn - 1, 0) * (drawn > 0)
    mean = np.average(drawn, weights=weight)
    variance = np.average((drawn - mean) ** 2, weights=weight)
    assert sides.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / len(sides)))
    assert sides.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / len(sides)))
