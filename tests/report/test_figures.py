"""What the figures show: the choice of the rows that stand for their families."""

import numpy as np
import pandas as pd
import pytest

from cnnjax.report import figures, palette, reading
from cnnjax.report.plotting import Line

TWO = ("ladder_pool", "ladder_gap")  # on the transformed test sets the second is better


@pytest.mark.parametrize(
    ("validation", "judge", "best"),
    [
        ((0.99, 0.90), "validation", "convolution + max pooling"),
        ((0.90, 0.99), "validation", "convolution + global average"),
        ((np.nan, np.nan), "test", "convolution + max pooling"),
        ((0.90, np.nan), "test", "convolution + max pooling"),
    ],
)
@pytest.mark.parametrize("transformed", [True, False])
def test_what_stands_for_a_family(builders, tmp_path, validation, judge, best, transformed):
    frame = builders["full_results"](
        sizes=(1078,), routes=TWO, transformations=("rotation",), seeds=2
    )
    frame = frame[frame["chosen"]]
    if not transformed:
        frame = frame[(frame["transformation"] == "none") & ~frame["initial"]]
    for column, values in (("validation_accuracy", validation), ("accuracy", (0.9, 0.8))):
        told = frame["route"].map(dict(zip(TWO, values, strict=True)))
        untouched = frame["transformation"] == "none"
        frame[column] = told if column != "accuracy" else frame[column].where(~untouched, told)
    study = reading.read(builders["save"](tmp_path, frame))
    assert study.judge == judge
    # On the transformed examples the second is better, whatever validation says of untouched ones.
    assert reading.best_of_families(study) == {
        "structure": "convolution + global average" if transformed else best
    }


def test_strengths_are_drawn_apart_for_what_else_differs(builders, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures.plotting, "curves", lambda *_, lines, **__: drawn.extend(lines))
    rows = [
        builders["row"](
            label="net",
            seed=seed,
            accuracy=0.8 + 0.1 * (decay > 0) + strength / 100 + seed / 1000,
            augment_strength=strength,
            weight_decay=decay,
        )
        for strength in (0.0, 1.0)
        for decay in (0.0, 0.1)
        for seed in range(3)
    ]
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    figures.draw(study, tmp_path)
    assert [line.mean.round(6).tolist() for line in drawn] == [[80.1, 81.1], [90.1, 91.1]]
    # Of three seeds each: t(2, 0.975) · 0.001 / √3 = 0.00248.
    np.testing.assert_allclose([line.half for line in drawn], 0.248, atol=5e-4)


def test_strengths_start_at_the_network_without_a_policy(builders, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures.plotting, "curves", lambda *_, lines, **__: drawn.append(lines))
    rows = [
        builders["row"](
            label="copies" if strength else "net",
            augment="affine" if strength else "none",
            augment_strength=strength or 1.0,  # without a policy nobody reads it
            seed=seed,
            accuracy=0.9 - strength / 10 - (0.5 - strength / 10 if name != "none" else 0.0),
            transformation=name,
            magnitude=float(name != "none"),
        )
        for strength in (0.0, 0.5, 1.0)
        for seed in range(2)
        for name in ("none", "translation")
    ]
    rows.append(builders["row"](label="other", model="linear", augment="none", accuracy=0.1))
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    figures._strengths(study, reading.at_full_size(study), tmp_path / "strengths.svg")
    (untouched,), (transformed,) = drawn
    assert untouched.x.tolist() == transformed.x.tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(untouched.mean, [90.0, 85.0, 80.0])
    # Half way between untouched and shifted: (90 + 40) / 2, and so on.
    np.testing.assert_allclose(transformed.mean, [65.0, 62.5, 60.0])


def test_the_scale_holds_bands_that_are_not_far_wider_than_the_lines():
    def line(mean, half):
        at = np.arange(len(mean), dtype=float)
        return Line("", palette.of_family("none"), at, np.array(mean), np.array(half))

    assert figures._range([line([90.0, 95.0], [2.0, np.nan])]) == (88.0, 95.25)
    low, high = figures._range([line([80.0, 95.0], [60.0, 60.0])])
    assert (low, high) == (65.0, 100.0), "as much again as the line spreads, and no more than all"
