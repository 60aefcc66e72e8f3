import hashlib
import random

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from cnnjax.data import SIGNALS, load, loading, signals


@pytest.fixture(scope="module")
def plain():
    return load("mnist1d")


@pytest.fixture(scope="module")
def shuffled():
    return load("mnist1d_shuffled")


def splits(dataset):
    return dataset.train, dataset.validation, dataset.test


def test_sizes_and_types(plain):
    assert [part.images.shape for part in splits(plain)] == [
        (4000, 40, 1),
        (1000, 40, 1),
        (1000, 40, 1),
    ]
    for images, labels in splits(plain):
        assert images.dtype == np.float32
        assert labels.dtype == np.int32
        assert not images.flags.writeable
    assert plain.num_classes == len(plain.class_names) == 10
    assert "mnist1d" in plain.source


def test_they_are_known_as_signals():
    shapes = {name: load(name).test.images.shape for name in loading.GENERATED}
    assert {name for name, shape in shapes.items() if len(shape) == 3} == set(SIGNALS)


def test_labels_are_the_published_ones_bit_for_bit(plain, shuffled):
    for dataset in (plain, shuffled):
        hashes = [
            hashlib.sha256(part.labels.astype("<i4").tobytes()).hexdigest()[:16]
            for part in splits(dataset)
        ]
        # The first and the last are those of the authors' frozen file, mnist1d_data.pkl of their
        # repository; the one between, of validation, is our own and only has to stay.
        assert hashes == ["349d9015145a1826", "a681e01d5d1bf3fa", "6d4fabd193f078c2"]


def test_signals_are_the_published_ones(plain):
    # Values of the authors' frozen file, from which ours are nowhere farther than 2.4e-7. SciPy's
    # interpolation may round differently elsewhere, so compare values, not bits.
    np.testing.assert_allclose(
        plain.train.images[0, :4, 0], [-0.33201, -0.47191, -0.7787, -1.00974], atol=1e-4
    )
    np.testing.assert_allclose(
        plain.test.images[0, :4, 0], [-0.07877, -0.21073, -0.09175, 0.28267], atol=1e-4
    )


def test_published_signals_are_standardised(plain):
    values = np.concatenate([plain.train.images, plain.test.images]).astype(np.float64)
    assert abs(values.mean()) < 1e-5
    assert abs(values.std() - 1) < 1e-5
    deviations = [part.images.std(dtype=np.float64) for part in (plain.train, plain.test)]
    np.testing.assert_allclose(deviations, [0.998, 1.009], atol=1e-3)


def test_splits_share_no_signal(plain):
    values = np.concatenate([part.images for part in splits(plain)])
    assert len({signal.tobytes() for signal in values}) == 6000


def test_validation_is_as_hard_as_the_test_set(plain, shuffled):
    # A wrong scale, or another order of the positions, would bring neighbours down to chance.
    for dataset in (plain, shuffled):
        neighbours = KNeighborsClassifier(1).fit(dataset.train.images[..., 0], dataset.train.labels)
        validation, test = (
            neighbours.score(part.images[..., 0], part.labels)
            for part in (dataset.validation, dataset.test)
        )
        assert validation > 0.4
        assert abs(validation - test) < 0.06


def test_one_permutation_shuffles_all_three_splits(plain, shuffled):
    # Which position of the plain signals each shuffled position equals, found by brute force.
    columns, shuffled_columns = plain.train.images[..., 0].T, shuffled.train.images[..., 0].T
    order = [int(np.argmin(np.abs(columns - column).max(axis=1))) for column in shuffled_columns]
    assert sorted(order) == list(range(40))
    assert order != list(range(40))
    for part, shuffled_part in zip(splits(plain), splits(shuffled), strict=True):
        np.testing.assert_allclose(part.images[:, order], shuffled_part.images, atol=1e-5)


def test_the_global_generators_are_left_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    signals._make.__wrapped__(signals.PUBLISHED_SEED, False)
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
