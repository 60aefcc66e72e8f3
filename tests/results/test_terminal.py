"""The table that a launch prints."""

import math

import numpy as np
import pytest
from fabricated import curve, row, table
from scipy import stats

from cnnjax.results import terminal


def test_the_terminal_table():
    frame = table(
        *[
            each
            for seed, shift in enumerate((-0.01, 0.0, 0.01))
            for each in _shifted(curve(seed=seed), shift)
        ],
        row(seed=3, status="diverged", chosen=False, accuracy=math.nan),
        *curve(seed=0, route="s", label="one seed", parameters=1_234_567, group="h"),
        row(seed=0, route="d", label="lost", group="i", status="diverged", chosen=False),
        row(seed=0, accuracy=0.3, train_size=1),  # smaller training sets are not shown
    )
    text = terminal.table(frame)
    lines = text.splitlines()
    head = "route accuracy % errors rotation shear parameters MACs train s seeds"
    assert lines[0].split() == head.split()
    half = 100 * stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    many, one, lost = lines[2:5]
    assert many.startswith("R ")
    areas = np.array([0.59 / 0.79, 0.60 / 0.80, 0.61 / 0.81])  # means of each curve, relative
    spread = stats.t.ppf(0.975, 2) * stats.sem(areas)
    assert f"10.0 ± 0.0  {areas.mean():.2f} ± {spread:.2f}  1.00 ± 0.00" in many
    assert f"80.00 ± {half:.2f}" in many
    assert many.endswith("n=3, 1 of 4 diverged")
    assert one.startswith("one seed")
    assert "80.00  " in one
    assert "±" not in one
    assert "1,234,567" in one
    assert one.split()[2:6] == ["80.00", "10.0", "0.75", "1.00"]
    assert one.endswith("n=1")
    assert "–" in lost
    assert lost.endswith("n=0, 1 of 1 diverged")
    assert "30.00" not in text
    # Columns of figures end below each other.
    ends = [line.index("1,234,567") + 9 if "1,234,567" in line else 0 for line in lines]
    assert lines[0].index("parameters") + len("parameters") == max(ends)


def _shifted(rows: list[dict], shift: float) -> list[dict]:
    return [each | {"accuracy": each["accuracy"] + shift} for each in rows]


def test_the_terminal_table_tells_strengths_apart():
    distorted = {"augment": "affine", "label": "distorted"}
    frame = table(
        row(augment="none", augment_strength=0.5),
        # Validation chose other rates for other strengths, the greater strength's comes first.
        row(**distorted, augment_strength=1.0, learning_rate=1e-3, accuracy=0.7),
        row(**distorted, augment_strength=0.5, learning_rate=3e-3, accuracy=0.8),
    )
    lines = terminal.table(frame, choose=("optimizer.learning_rate",)).splitlines()
    assert lines[0].split()[:5] == ["route", "augment", "strength", "accuracy", "%"]
    assert [line.split()[1:3] for line in lines[2:5]] == [
        ["–", "90.00"],
        ["0.5", "80.00"],
        ["1", "70.00"],
    ]


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("optimizer.learning_rate", "learning_rate"),
        ("optimizer.label_smoothing", "label_smoothing"),
        ("augment.strength", "augment_strength"),
    ],
)
def test_a_value_that_never_trained_has_a_line_unless_validation_chose(field, column):
    lost = {"status": "diverged", "chosen": False, "accuracy": math.nan}
    frame = table(
        *(row(**{column: 0.25}, seed=seed) for seed in range(2)),
        *(row(**{column: 0.75}, seed=seed, **lost) for seed in range(2)),
    )
    compared, chosen = (
        terminal.table(frame, choose=choose).splitlines()[2:-1] for choose in ((), (field,))
    )
    assert [line.split()[1:3] for line in compared] == [["0.25", "90.00"], ["0.75", "–"]]
    assert compared[1].endswith("n=0, 2 of 2 diverged")
    assert len(chosen) == 1
    assert chosen[0].split()[1] == "90.00"


def test_the_terminal_table_says_that_features_are_not_counted():
    plain, featured = (terminal.table(table(row(features=name))) for name in ("none", "deskew+hog"))
    assert "MACs: of the network, features not counted" in featured.splitlines()[-1]
    assert "not counted" not in plain


def test_an_empty_table_says_so():
    assert terminal.table(table(row()).iloc[:0]) == "no results yet"
