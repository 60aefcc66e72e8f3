"""Squared distances against scipy's."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cnnjax import ops


def test_squared_distances_are_scipys():
    random = np.random.default_rng(0)
    x, codes = random.normal(size=(5, 7)), random.normal(size=(3, 7))
    x, codes = x.astype(np.float32), codes.astype(np.float32)
    expected = cdist(x, codes, "sqeuclidean")
    np.testing.assert_allclose(ops.squared_distances(x, codes), expected, rtol=1e-5)


def test_a_vector_lies_at_its_own_code():
    codes = 1e4 + np.random.default_rng(1).normal(size=(4, 9)).astype(np.float32)
    assert not np.diag(ops.squared_distances(codes, codes)).any()


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"codes\.shape=\(3, 1\): expected \(classes, 2\)"):
        ops.squared_distances(np.zeros((1, 2), np.float32), np.zeros((3, 1), np.float32))
