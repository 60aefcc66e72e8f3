import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from cnnjax import augment
from cnnjax.augment import displacement_field, smoothing_matrix

KEY = jax.random.key(0)
PICTURE = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)


@pytest.mark.parametrize(("size", "sigma"), [(28, 4.0), (29, 5.5), (7, 1.0), (12, 20.0)])
def test_smoothing_is_scipys_gaussian_filter_with_zeros_beyond_the_border(size, sigma):
    expected = ndimage.gaussian_filter1d(
        np.eye(size), sigma, axis=0, mode="constant", cval=0.0, truncate=9.0
    )
    np.testing.assert_allclose(smoothing_matrix(size, sigma), expected, atol=1e-8)


def published_field(count, size, sigma, alpha, seed=0):
    """Simard's construction, draw by draw."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (count, 2, *size))
    return alpha * ndimage.gaussian_filter(noise, sigma, axes=(2, 3), mode="constant", truncate=6.0)


def covariance_by_theory(size, sigma, alpha):
    """Of the flattened field: α²/3 · (K_h K_hᵀ) ⊗ (K_w K_wᵀ)."""
    kernels = [
        ndimage.gaussian_filter1d(np.eye(n), sigma, axis=0, mode="constant", truncate=9.0)
        for n in size
    ]
    return alpha**2 / 3 * np.kron(*(kernel @ kernel.T for kernel in kernels))


@pytest.mark.parametrize("per_image", [False, True])
def test_moments_are_those_of_the_published_construction(per_image):
    count, size, sigma, alpha = 3000, (12, 9), 2.0, 17.0
    field = displacement_field(
        jax.random.key(0),
        count,
        size,
        alpha=jnp.full(count, alpha),
        sigma=jnp.full(count, sigma) if per_image else sigma,
        smallest_sigma=1.5,
    )
    assert field.shape == (count, 2, *size)
    expected = covariance_by_theory(size, sigma, alpha)
    largest = expected.max()
    for sample in (np.asarray(field), published_field(count, size, sigma, alpha)):
        flat = sample.reshape(count, 2, -1)
        np.testing.assert_allclose(flat.mean(0), 0, atol=5 * np.sqrt(largest / count))
        for direction in (0, 1):
            found = np.cov(flat[:, direction].T)
            # Five standard errors of an estimated covariance.
            np.testing.assert_allclose(found, expected, atol=5 * largest * np.sqrt(2 / count))
        between = flat[:, 0].T @ flat[:, 1] / count
        np.testing.assert_allclose(between, 0, atol=5 * largest / np.sqrt(count))


def test_a_sigma_for_each_image_is_smoothed_alike_with_a_table_and_without(monkeypatch):
    from cnnjax.augment.elastic import _smoothed_basis

    sigma = jnp.array([4.0, 4.5, 6.0])
    tabled = _smoothed_basis(40, sigma, 4.0)
    monkeypatch.setitem(_smoothed_basis.__globals__, "LARGEST_TABLE", 39)
    np.testing.assert_allclose(_smoothed_basis(40, sigma, 4.0), tabled, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 0, np.float32(0.9)])
def test_a_sigma_below_a_pixel_is_refused(sigma, unchecked):
    with pytest.raises(ValueError, match=r"^sigma=.*: expected at least 1 pixel"):
        displacement_field(jax.random.key(0), 1, (8, 8), alpha=jnp.ones(1), sigma=sigma)


def test_the_reduced_basis_loses_no_visible_variance():
    # The basis itself, without sampling: what the field would be for each single number drawn.
    from cnnjax.augment.elastic import _basis

    for size, sigma in [(28, 4.0), (29, 5.0), (28, 1.0), (64, 2.5)]:
        kernel = smoothing_matrix(size, sigma)
        reduced = kernel @ _basis(size, sigma)
        np.testing.assert_allclose(
            reduced @ reduced.T, kernel @ kernel.T, atol=1e-4 * (kernel @ kernel.T).max()
        )
    assert _basis(28, 4.0).shape[1] < 12


def test_distribution_is_as_near_to_the_published_as_a_thousand_draws_can_tell():
    count, size = 4000, (11, 11)
    ours = displacement_field(
        jax.random.key(1), count, size, alpha=jnp.full(count, 34.0), sigma=4.0
    )
    theirs = published_field(count, size, 4.0, 34.0)
    middle = (slice(None), 0, 5, 5)
    assert stats.ks_2samp(np.asarray(ours)[middle], theirs[middle]).pvalue > 0.01


def test_each_image_has_its_own_sigma_and_alpha():
    count = 2000
    sigma = jnp.where(jnp.arange(count) < count // 2, 5.0, 6.0)
    alpha = jnp.where(jnp.arange(count) % 2 == 0, 36.0, 18.0)
    field = np.asarray(
        displacement_field(
            jax.random.key(2), count, (29, 29), alpha=alpha, sigma=sigma, smallest_sigma=5.0
        )
    )
    for s in (5.0, 6.0):
        for a in (36.0, 18.0):
            which = (np.asarray(sigma) == s) & (np.asarray(alpha) == a)
            kernel = smoothing_matrix(29, s)
            expected = a / np.sqrt(3) * np.sum(kernel[14] ** 2)
            found = field[which][:, :, 14, 14].std()
            np.testing.assert_allclose(found, expected, rtol=0.1)


def test_signals_move_along_their_length_only():
    field = displacement_field(jax.random.key(3), 500, (1, 40), alpha=jnp.ones(500), sigma=4.0)
    assert not np.any(field[:, 0])
    expected = np.sqrt(np.sum(smoothing_matrix(40, 4.0)[20] ** 2) / 3)
    np.testing.assert_allclose(np.std(field[:, 1, 0, 20]), expected, rtol=0.15)
    upright = displacement_field(jax.random.key(3), 500, (40, 1), alpha=jnp.ones(500), sigma=4.0)
    assert not np.any(upright[:, 1])
    np.testing.assert_allclose(np.std(upright[:, 0, 20, 0]), expected, rtol=0.15)


def test_a_sigma_for_each_image_needs_its_lower_bound():
    with pytest.raises(ValueError, match="smallest_sigma=None: expected a number"):
        displacement_field(jax.random.key(0), 2, (4, 4), alpha=jnp.ones(2), sigma=jnp.full(2, 3.0))


def test_elastic_reads_where_its_field_says():
    for sigma in (4.0, (3.0, 5.0)):
        motion = augment.draw_elastic(KEY, (9, 7), alpha=60.0, sigma=sigma)
        (field,) = motion.steps
        assert np.abs(field).max() > 0.3
        expected = ndimage.map_coordinates(
            PICTURE[..., 2], np.mgrid[:9, :7] + np.asarray(field), order=1, mode="grid-constant"
        )
        found = augment.elastic(KEY, PICTURE, alpha=60.0, sigma=sigma)[..., 2]
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
