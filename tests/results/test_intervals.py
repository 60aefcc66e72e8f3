"""The interval of a mean, as scipy would give it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnjax.results import intervals


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=9).filter(lambda v: np.ptp(v) > 1e-6),
    st.floats(0.5, 0.999),
)
def test_the_interval_is_students(values, level):
    mean, half, n = intervals.interval(values, level=level)
    error = stats.sem(values)
    low, high = stats.t.interval(level, n - 1, loc=np.mean(values), scale=error)
    assert n == len(values)
    np.testing.assert_allclose([mean - half, mean + half], [low, high], rtol=1e-9, atol=1e-9)


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert intervals.interval([0.5])[:1] == (0.5,)
    assert math.isnan(intervals.interval([0.5]).half)
    assert intervals.interval([0.5]).n == 1
    assert intervals.interval([]).n == 0
    assert math.isnan(intervals.interval([]).mean)
    assert intervals.interval([0.5, 0.5]) == (0.5, 0.0, 2)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_the_level_of_an_interval_is_a_probability(level):
    with pytest.raises(ValueError, match="expected a number in"):
        intervals.interval([1.0, 2.0], level=level)
