"""What the rows of several seeds and magnitudes say together."""

import math

import numpy as np
import pytest
from fabricated import curve, row, table

from cnnjax.results import summaries


def test_invariance_is_summed_up_for_each_member_and_stage():
    frame = table(
        *curve(seed=0),
        *curve(seed=1),
        *curve(seed=1, initial=True),
        row(seed=2, chosen=False, accuracy=math.nan),
    )
    areas = summaries.invariance_summary(frame)
    assert areas.groupby(["seed", "initial"]).size().to_dict() == {
        (0, False): 2,
        (1, False): 2,
        (1, True): 2,
    }
    found = areas[areas["seed"] == 0].set_index("transformation")["area"]
    # The trapezium from 0.8 to 0.4 holds three quarters of the untouched accuracy's rectangle.
    np.testing.assert_allclose([found["rotation"], found["shear"]], [0.75, 1.0])


def test_the_first_plain_network_is_the_measure_of_corruption_errors():
    def corrupted(errors, **fields):
        where = [{"transformation": "corruption:none", "magnitude": 0.0}]
        where += [{"transformation": "corruption:fog", "magnitude": float(s)} for s in (1, 2)]
        return [
            row(**fields, **each, accuracy=1 - error)
            for each, error in zip(where, (0.0, *errors), strict=True)
        ]

    frame = table(
        *corrupted((0.1, 0.2), route="plain", label="plain"),
        *corrupted((0.2, 0.4), route="wide", label="wide"),
        *corrupted((0.3, 0.0), route="c", label="c", family="structure"),
    )
    found = summaries.corruption_summary(frame)
    means = found[found["corruption"] == ""].set_index("route")["error"]
    # Of 30 %: 30, 60 and 30.
    assert means.to_dict() == pytest.approx({"plain": 1.0, "wide": 2.0, "c": 1.0})
