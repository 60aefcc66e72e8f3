"""Means with Student's confidence interval."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Interval(NamedTuple):
    """A mean with its confidence interval, mean ± half, over n values."""

    mean: float
    half: float
    n: int


def interval(
    values: "Sequence[float] | np.ndarray | pd.Series", *, level: float = 0.95
) -> Interval:
    """The mean of a sample and the half width of Student's confidence interval for it.

    half = t · s / √n, with s the sample's standard deviation and t the quantile of Student's
    distribution with n − 1 degrees of freedom that leaves (1 − level)/2 on either side.

    Args:
      values: The sample, such as one accuracy a seed.
      level: Confidence, in (0, 1).

    Returns:
      Mean, half width and n. The half width of fewer than two values is NaN: one run says nothing
      about its spread.

    Raises:
      ValueError: `level` is not a confidence.

    >>> mean, half, n = interval([0.90, 0.92, 0.94])
    >>> round(mean, 3), round(half, 3), n
    (0.92, 0.05, 3)
    """
    import numpy as np
    from scipy import stats

    if not 0 < level < 1:
        raise ValueError(f"level={level}: expected a number in (0, 1)")
    sample = np.asarray(values, np.float64)
    n = len(sample)
    if n == 0:
        return Interval(math.nan, math.nan, 0)
    mean = float(sample.mean())
    if n == 1:
        return Interval(mean, math.nan, 1)
    quantile = stats.t.ppf(0.5 + level / 2, n - 1)
    return Interval(mean, float(quantile * sample.std(ddof=1) / math.sqrt(n)), n)
