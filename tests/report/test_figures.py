"""What the figures show: who stands for a family, and which numbers each panel is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from cnnjax.report import figures, palette, plotting, reading
from cnnjax.report.plotting import Dot, Line

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
    others = ({"model": "linear"}, {"steps": 7}, {"optimizer": "sgd"}, {"train_size": 9})
    for place, other in enumerate(others):
        row = builders["row"](label=f"other {place}", augment="none", accuracy=0.1)
        rows.append(row | other)
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    figures._strengths(study, reading.at_full_size(study), tmp_path / "strengths.svg")
    (untouched,), (transformed,) = drawn
    assert untouched.x.tolist() == transformed.x.tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(untouched.mean, [90.0, 85.0, 80.0])
    # Half way between untouched and shifted: (90 + 40) / 2, and so on.
    np.testing.assert_allclose(transformed.mean, [65.0, 62.5, 60.0])


@pytest.fixture(scope="module")
def drawn(full_workdir: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What the panels of the full study are asked to draw, by file and title; nothing is drawn."""
    given: list[dict[str, Any]] = []
    found = {}

    def compose(panels, path, *, legend=(), **_):
        for panel in panels:
            panel.draw(None)
            found[path.stem, panel.title] = given.pop() | {"legend": legend}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures.plotting, "compose", compose)
        for kind in ("curves", "pairs", "layers", "costs"):
            patch.setattr(figures.plotting, kind, lambda _, **told: given.append(told))
        figures.draw(reading.read(full_workdir), full_workdir / "figures")
    return found


TRANSFORMATIONS = ("translation", "rotation", "scale", "shear", "noise")


@pytest.mark.parametrize(
    ("file", "value", "place", "route"),
    [
        ("accuracy", "accuracy", 0, "mlp"),
        ("accuracy", "accuracy", -1, "gap_affine"),
        ("consistency", "consistency", 0, "mlp"),
        ("consistency", "consistency", -1, "gap_affine"),
        # A family's own figure begins with no route, and goes on in the order of the page.
        ("family_structure_accuracy", "accuracy", 0, "mlp"),
        ("family_structure_accuracy", "accuracy", 1, "ladder_dense"),
        ("family_structure_consistency", "consistency", 0, "mlp"),
        ("family_structure_consistency", "consistency", 1, "ladder_dense"),
    ],
)
def test_a_line_is_the_mean_of_what_its_file_is_named_after(
    drawn, full_frame, builders, file, value, place, route
):
    for name in TRANSFORMATIONS:
        line = drawn[file, name.capitalize()]["lines"][place]
        curves = builders["heights"](full_frame, route, name, value)
        assert line.x.tolist() == curves.columns.tolist()
        wanted = 100 * np.array(builders["student"](curves))
        np.testing.assert_allclose([line.mean, line.half], wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("file", "title"),
    [
        ("train_size", "Accuracy and training examples"),
        ("family_structure_accuracy", "Training size"),
    ],
)
def test_the_line_over_training_sizes_is_the_untouched_accuracy(
    drawn, full_frame, builders, file, title
):
    line = drawn[file, title]["lines"][0]
    rows = full_frame[
        (full_frame["route"] == "mlp")
        & (full_frame["transformation"] == "none")
        & ~full_frame["initial"]
        & full_frame["chosen"]
    ]
    cells = rows.pivot_table(index="seed", columns="train_size", values="accuracy")
    assert line.x.tolist() == [100, 300, 1078]
    np.testing.assert_allclose([line.mean, line.half], 100 * np.array(builders["student"](cells)))


@pytest.mark.parametrize(
    ("entry", "route"), [("MLP-800", "mlp"), ("global average, affine × 1", "gap_affine")]
)
def test_a_pair_is_consistency_before_training_and_after(drawn, full_frame, builders, entry, route):
    for name in TRANSFORMATIONS:
        rows = {row[0]: row[2:] for row in drawn["initial_and_trained", name.capitalize()]["rows"]}
        for dot, initial in zip(rows[entry], (True, False), strict=True):
            curves = builders["heights"](full_frame, route, name, "consistency", initial=initial)
            wanted = builders["student"](builders["along"](curves))
            np.testing.assert_allclose(dot, 100 * np.array(wanted))


@pytest.mark.parametrize("entry", ["locally connected", "global average, affine × 1"])
def test_hollow_layers_are_those_at_initialisation(drawn, full_workdir, builders, entry):
    frame = pd.read_parquet(full_workdir / "equivariance.parquet")
    told = drawn["equivariance", entry]
    # The smallest and the largest magnitude, as the legend names them.
    named = {
        "translation by 1 px": ("translation", 1.0),
        "translation by 4 px": ("translation", 4.0),
        "rotation by 90°": ("rotation", 90.0),
    }
    series = {style.marker: named[text] for text, style in told["legend"] if text in named}
    found = [(*series[line.style.marker], line.style.hollow) for line in told["lines"]]
    assert set(found) == {(*each, initial) for each in named.values() for initial in (True, False)}
    for (name, magnitude, initial), line in zip(found, told["lines"], strict=True):
        rows = frame[
            (frame["label"] == entry)
            & (frame["transformation"] == name)
            & (frame["magnitude"] == magnitude)
            & (frame["initial"] == initial)
        ]
        layers = rows.pivot_table(index="seed", columns="layer_index", values="error")
        np.testing.assert_allclose([line.mean, line.half], builders["student"](layers))
        assert bool(line.style.dashes) == initial


@pytest.mark.parametrize(
    ("title", "column"),
    [
        ("Parameters", "parameters"),
        ("Work", "multiply_accumulates"),
        ("Training", "training_seconds"),
    ],
)
def test_each_panel_of_costs_is_over_its_own_cost(drawn, full_frame, builders, title, column):
    whole = full_frame[(full_frame["train_size"] == 1078) & full_frame["chosen"]]
    wanted = []
    for route, rows in whole.groupby("route"):
        curves = [builders["heights"](whole, route, name, "accuracy") for name in TRANSFORMATIONS]
        seeds = np.mean([builders["along"](each) for each in curves], axis=0)
        mean, half = builders["student"](100 * seeds)
        wanted.append((rows.groupby("seed")[column].first().mean(), mean, half))
    points = drawn["cost", title]["points"]
    np.testing.assert_allclose(sorted((cost, *dot) for _, _, cost, dot in points), sorted(wanted))


def test_no_interval_of_an_accuracy_goes_beyond_0_or_100_percent():
    axes = pyplot.figure().add_subplot()
    style = palette.of_family("none")
    points = [("plain", style, 10.0, Dot(97.0, 40.0)), ("", style, 1000.0, Dot(30.0, 60.0))]
    plotting.costs(axes, points, x_label="trainable numbers")
    ends = [path.vertices[:, 1] for bars in axes.collections for path in bars.get_paths()]
    np.testing.assert_allclose(ends, [[57, 100], [0, 90]])
    pyplot.close(axes.figure)


def test_the_scale_holds_bands_that_are_not_far_wider_than_the_lines():
    def line(mean, half):
        at = np.arange(len(mean), dtype=float)
        return Line("", palette.of_family("none"), at, np.array(mean), np.array(half))

    assert figures._range([line([90.0, 95.0], [2.0, np.nan])]) == (88.0, 95.25)
    low, high = figures._range([line([80.0, 95.0], [60.0, 60.0])])
    assert (low, high) == (65.0, 100.0), "as much again as the line spreads, and no more than all"


def test_layers_of_blocks_are_told_apart():
    assert figures._layer_names(["a/conv1", "a/conv2", "output"]) == ["conv1", "conv2", "output"]
    names = figures._layer_names(["a/conv", "b/conv", "output"])
    assert names == ["a.conv", "b.conv", "output"]
