"""The sentences against frames whose winners are known."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnjax.report import answer, reading

SPREAD = np.array([-0.001, 0.0, 0.001])
CURVES = {"translation": (1.0, 2.0), "rotation": (10.0, 20.0)}


def members(row: Callable, label: str, family: str, accuracy: float, **more: Any) -> list[dict]:
    """Three seeds around an accuracy, with curves where `kept` and `before` give their heights."""
    kept, before = more.pop("kept", {}), more.pop("before", None)
    rows = []
    for seed, shift in enumerate(SPREAD):
        common = {"label": label, "route": label, "family": family, "seed": seed, **more}
        rows.append(row(**common, accuracy=accuracy + shift))
        for name, share in kept.items():
            for magnitude in CURVES[name]:
                where = {"transformation": name, "magnitude": magnitude}
                flat = (accuracy + shift) * share
                rows.append(row(**common, **where, accuracy=flat, consistency=share + shift))
                if before is not None:
                    level = before + shift
                    rows.append(
                        row(**common, **where, accuracy=0.1, consistency=level, initial=True)
                    )
        if before is not None:
            rows.append(row(**common, accuracy=0.1, consistency=1.0, initial=True))
    return rows


@pytest.fixture
def study(builders, tmp_path: Path) -> Callable[..., reading.Study]:
    """Reads a study of the given rows."""

    def make(*rows: list[dict], config: dict | None = None) -> reading.Study:
        frame = pd.DataFrame([each for group in rows for each in group])
        return reading.read(builders["save"](tmp_path / "work", frame, config=config or {}))

    return make


def plain(sentence: str) -> str:
    """The sentence as it is read."""
    return sentence.striptags().replace("  ", " ")


def test_a_clear_winner_is_named_with_its_lead_over_no_route(study, builders):
    row = builders["row"]
    found = study(
        members(row, "pixels", "none", 0.90),
        members(row, "ladder", "structure", 0.95),
        members(row, "shown copies", "training", 0.97),
    )
    first = plain(answer.sentences(found)[0])
    # Three values 0.001 apart: t(2, 0.975) · 0.001 / √3 = 4.3027 · 0.000577 = 0.00248.
    assert first == (
        "Untouched shown copies is right most often, on 97.0 ± 0.2 % of 360 test examples "
        "(10.8 ± 0.9 errors; n = 3); that is 7.0 points above no route "
        "(pixels, 90.0 ± 0.2 %; the intervals do not overlap)."
    )


def test_overlapping_intervals_have_no_winner(study, builders):
    row = builders["row"]
    found = study(
        members(row, "pixels", "none", 0.90),
        members(row, "a", "structure", 0.9500),
        members(row, "b", "training", 0.9510),
        members(row, "far", "features", 0.93),
    )
    first = plain(answer.sentences(found)[0])
    assert "no clear winner" in first
    assert "b has the highest mean" in first
    assert "its interval overlaps a; b is 5.1 points above no route (pixels" in first
    assert "far" not in first


def test_equal_results_are_a_draw_even_without_spread(study, builders):
    row = builders["row"]
    same = [
        row(label=label, family="structure", seed=seed, accuracy=0.95)
        for label in ("a", "b")
        for seed in range(3)
    ]
    assert "no clear winner" in answer.sentences(study(same))[0]


def test_one_seed_never_makes_a_winner(study, builders):
    row = builders["row"]
    found = study(
        [row(label="pixels", family="none", accuracy=0.2)],
        [row(label="copies", family="training", accuracy=0.99)],
    )
    first = plain(answer.sentences(found)[0])
    assert first.startswith("Untouched No clear winner can be named, since single seeds")
    assert "±" not in first


def test_a_row_of_one_seed_is_left_out_among_rows_with_intervals(study, builders):
    row = builders["row"]
    curves = {"translation": 0.5}
    found = study(
        members(row, "pixels", "none", 0.90, kept=curves),
        members(row, "copies", "training", 0.97, kept={"translation": 0.9}),
        members(row, "lonely", "structure", 0.99, kept={"translation": 0.95})[:3],
    )
    untouched, *_, single = map(plain, answer.sentences(found))
    assert untouched.startswith("Untouched copies is right most often, on 97.0 ± 0.2 %")
    assert untouched.endswith("; left out for having one seed: lonely.")
    assert "no clear winner" not in single
    assert single.endswith("; left out for having one seed: lonely.")


def test_a_row_that_is_left_out_is_not_compared_with(study, builders):
    row = builders["row"]
    found = study(
        members(row, "pixels", "none", 0.97)[:1],
        members(row, "copies", "training", 0.95),
        members(row, "ladder", "structure", 0.90),
    )
    untouched = plain(answer.sentences(found)[0])
    assert "next is ladder with 90.0" in untouched
    assert untouched.count("pixels") == 1


def test_no_route_may_win(study, builders):
    row = builders["row"]
    found = study(members(row, "pixels", "none", 0.97), members(row, "ladder", "structure", 0.95))
    first = plain(answer.sentences(found)[0])
    assert first.startswith("Untouched pixels is right most often")
    assert "it takes no route, and the best that does, ladder, gets 95.0 ± 0.2 %" in first


def test_each_family_is_told_by_its_best_row_and_what_that_costs(study, builders):
    row, kept = builders["row"], {"translation": 0.5, "rotation": 0.5}
    found = study(
        members(row, "pixels", "none", 0.80, kept=kept),
        members(row, "hog", "features", 0.80, kept=kept, features="hog"),
        # Less on the untouched examples, more on all others: this one stands for its family.
        members(
            row,
            "ladder",
            "structure",
            0.90,
            kept={"translation": 0.9, "rotation": 0.7},
            parameters=60_000,
            multiply_accumulates=1_000_000,
            training_seconds=21.0,
        ),
        members(row, "steps", "structure", 0.95, kept=kept),
    )
    second = plain(answer.sentences(found)[1])
    # 0.8 · (½ · (1 + 0.5) + 0.5) / 2 = 0.5; 0.9 · (1.85 + 1.55) / 4 = 0.765.
    assert second.startswith(
        "Transformed Averaged over translation and rotation, no route is right"
    )
    assert "no route is right on 50.0 ± 0.2 % (pixels; 61.7 k parameters, 417 k MACs, " in second
    assert "features 50.0 ± 0.2 %, which is no clear change (hog; 61.7 k parameters" in second
    assert "417 k MACs after its features, " in second
    assert re.search(r"structure 76.5 ± \S+ % \(ladder; 60 k parameters, 1 M MACs, 21 s", second)
    assert "steps" not in second


def test_transformations_name_their_keepers(study, builders):
    row = builders["row"]
    found = study(
        members(row, "pixels", "none", 0.95, kept={"translation": 0.5, "rotation": 0.5}),
        members(row, "ladder", "structure", 0.95, kept={"translation": 0.9, "rotation": 0.7}),
        members(row, "copies", "training", 0.95, kept={"translation": 0.6, "rotation": 0.7}),
    )
    third = plain(answer.sentences(found)[2])
    # From 1 at no shift to 0.9 at 1 and 2 pixels: (0.95 + 0.9) / 2 = 0.925.
    assert "kept by ladder (95.0 % untouched) against translation (92.5 ±" in third
    assert "no clear winner against rotation" in third


def test_rows_of_one_family_are_told_by_what_they_keep_and_cost(study, builders):
    row = builders["row"]
    found = study(
        members(row, "small", "none", 0.90, kept={"translation": 0.5}, parameters=10_000),
        members(row, "large", "none", 0.95, kept={"translation": 0.9}, parameters=60_000),
    )
    _, second, third = map(plain, answer.sentences(found))
    assert second.startswith("One by one The largest share of its untouched accuracy is kept by")
    assert third.startswith("Cost large costs 60 k parameters"), "a name stays as it is"
    assert "the smallest, small, has 10,000 parameters" in third


def test_the_cost_of_features_is_not_passed_over(study, builders):
    found = study(
        members(builders["row"], "pixels", "none", 0.90),
        members(builders["row"], "hog", "features", 0.95, features="hog"),
        members(builders["row"], "ladder", "structure", 0.93),
    )
    cost = plain(answer.sentences(found)[-1])
    assert "hog costs 61.7 k parameters, 417 k multiply–accumulates (its features not" in cost
    assert "no route (pixels) costs 61.7 k parameters, 417 k multiply–accumulates and" in cost


def test_the_only_row_has_nobody_to_win_against(study, builders):
    kept = {"translation": 0.5, "rotation": 0.7}
    found = study(members(builders["row"], "pixels", "training", 0.95, kept=kept))
    second = plain(answer.sentences(found)[1])
    # From 1 at no shift to 0.5 at 1 and 2 pixels: (0.75 + 0.5) / 2; rotations lose three fifths.
    assert re.search(r"62.5 ± \S+ % against translation", second)
    assert re.search(r"pixels keeps .*77.5 ± \S+ % against rotation", second)
    assert "winner" not in second


def test_published_figures_are_judged_by_the_interval(study, builders):
    row = builders["row"]
    config = {
        "published": [
            {"label": "LeNet", "error": 6.0, "source": "x"},
            {"label": "MLP", "accuracy": 91.0, "source": "y"},
            {"label": "net", "error": 3.05, "source": "z"},
            {"label": "elsewhere", "error": 1.0, "source": "w"},
        ]
    }
    found = study(
        members(row, "LeNet", "structure", 0.95),
        members(row, "MLP", "none", 0.90),
        members(row, "Net", "training", 0.97),
        config=config,
    )
    second = plain(answer.sentences(found)[1])
    assert second.startswith("Published Ours against published: the error is lower")
    assert "error is lower than published for LeNet: 5.00 ± 0.25 % against 6.00 %;" in second
    assert "higher than published for MLP: 10.00 ± 0.25 % against 9.00 %;" in second
    assert "within our interval for Net: 3.00 ± 0.25 % against 3.05 %." in second
    assert "elsewhere" not in second
    assert answer.published(found)["ours"].isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("fields", "compared"),
    [
        ({}, ["", "mlp · a", ""]),
        ({"dataset": "fashion_mnist"}, []),
        ({"split": "validation"}, []),
        ({"split": "mnist test"}, []),
    ],
)
def test_published_figures_are_of_one_label_data_set_and_test_set(
    study, builders, fields, compared
):
    items = [
        {"label": label, "dataset": "mnist", "error": 1.0, "source": "x"}
        for label in ("linear", "MLP · A", "swept")
    ]
    found = study(
        [
            builders["row"](accuracy=0.9, seed=seed, **({"dataset": "mnist"} | fields | more))
            for seed in range(2)
            for more in (
                # The name of a model or a route is no label.
                {"label": "linear, shuffled", "route": "linear", "model": "linear"},
                {"label": "mlp · a"},
                {"label": "swept", "augment_strength": 1.0},
                {"label": "swept", "augment_strength": 2.0},
            )
        ],
        config={"published": items},
    )
    assert answer.published(found)["entry"].tolist() == compared


def test_data_sets_do_not_compete(study, builders):
    row = builders["row"]
    found = study(
        members(row, "easy", "none", 0.99, dataset="one"),
        members(row, "also easy", "structure", 0.98, dataset="one"),
        members(row, "hard", "none", 0.50, dataset="two"),
        members(row, "harder", "structure", 0.40, dataset="two"),
    )
    first = plain(answer.sentences(found)[0])
    assert "On one, easy is right most often" in first
    assert "on two, hard is right most often" in first


def test_labels_are_escaped(study, builders):
    row = builders["row"]
    found = study(
        members(row, "<script>alert(1)</script>", "training", 0.97, kept={"translation": 0.9}),
        members(row, "a & b", "none", 0.9, kept={"translation": 0.5}),
    )
    text = "".join(answer.sentences(found))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a &amp; b" in text


numbers = st.floats(0, 1).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(numbers, numbers.map(lambda x: x / 10)), min_size=2, max_size=6))
def test_a_clear_winner_beats_every_interval(values):
    frame = pd.DataFrame(values, columns=["value", "value_half"])
    found = answer.contest(frame, "value")
    assert found is not None
    assert found.best["value"] == frame["value"].max()
    lower = found.best["value"] - found.best["value_half"]
    others = frame.drop(index=found.best.name)
    above = (others["value"] + others["value_half"] < lower).all()
    assert found.clear == above
