"""What the figures show: the choice of the rows that stand for their families."""

import numpy as np
import pandas as pd
import pytest

from cnnjax import report
from cnnjax.report import figures, reading

TWO = ("ladder_pool", "ladder_gap")  # on the transformed test sets the second is better


@pytest.mark.parametrize(
    ("validation", "judge", "best"),
    [
        ((0.99, 0.90), "validation", "convolution + max pooling"),
        ((0.90, 0.99), "validation", "convolution + global average"),
        ((np.nan, np.nan), "test", "convolution + global average"),
        ((0.99, np.nan), "test", "convolution + global average"),
    ],
)
def test_validation_says_which_route_stands_for_its_family(
    builders, tmp_path, validation, judge, best
):
    frame = builders["full_results"](
        sizes=(1078,), routes=TWO, transformations=("rotation",), seeds=2
    )
    frame = frame[frame["chosen"]]
    told = frame["route"].map(dict(zip(TWO, validation, strict=True)))
    study = reading.read(builders["save"](tmp_path, frame.assign(validation_accuracy=told)))
    assert study.judge == judge
    assert figures.best_of_families(study) == {"structure": best}


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


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.97, "highest accuracy on untouched validation examples"),
        (np.nan, "highest accuracy over all transformations of the test set"),
    ],
)
def test_the_page_says_who_chose(builders, tmp_path, accuracy, words):
    frame = builders["full_results"](
        sizes=(1078,), routes=TWO, transformations=("rotation",), seeds=2
    ).assign(validation_accuracy=accuracy)
    page = report.write(builders["save"](tmp_path, frame)).read_text()
    assert words in page
