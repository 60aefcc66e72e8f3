"""The tables of a launch: written whole, read back exactly, and summarised as scipy would."""

import math
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnjax import files, intervals, results, summaries, terminal
from cnnjax.errors import UserError

SAMPLE = {"str": "word", "int64": 3, "float64": 0.5, "bool": True}


def row(**fields) -> dict:
    plain = {name: SAMPLE[kind] for name, kind in results.SCHEMA.items()}
    known = {
        "group": "g",
        "route": "r",
        "label": "R",
        "family": "none",
        "status": "done",
        "initial": False,
        "transformation": "none",
        "magnitude": 0.0,
        "accuracy": 0.9,
        "errors": 10.0,
    }
    return plain | known | fields


def table(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(list(rows))[list(results.SCHEMA)].astype(results.SCHEMA)


def curve(**fields) -> list[dict]:
    """A member whose accuracy falls from 0.8 to 0.4 over the rotations, and not over the shears."""
    falling = {0.0: 0.8, 10.0: 0.6, 20.0: 0.4}
    rotated = [
        row(transformation="rotation", magnitude=m, accuracy=a) for m, a in falling.items() if m
    ]
    sheared = [row(transformation="shear", magnitude=m, accuracy=0.8) for m in (0.1, 0.2)]
    return [each | fields for each in [row(accuracy=0.8), *rotated, *sheared]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.parquet"


def test_rows_come_back_with_the_types_of_the_schema(path):
    rows = [row(seed=0), row(seed=1, validation_accuracy=math.nan, features="deskew+hog")]
    results.append(path, rows)
    frame = results.read(path)
    pd.testing.assert_frame_equal(frame, table(*rows))
    assert list(frame.columns) == list(results.SCHEMA)
    assert [str(kind) for kind in frame.dtypes] == list(results.SCHEMA.values())


def test_a_member_that_was_not_chosen_has_no_measurements(path):
    bare = row(chosen=False)
    for name in ("examples", "accuracy", "errors", "consistency"):
        del bare[name]
    results.append(path, [bare])
    frame = results.read(path)
    assert frame[["accuracy", "errors", "consistency"]].isna().all(axis=None)
    assert frame["examples"].tolist() == [0]


def test_groups_follow_each_other_and_are_replaced_whole(path):
    results.append(path, [row(group="a", seed=0), row(group="a", seed=1)])
    results.append(path, [row(group="b", seed=2)])
    once = results.read(path)
    assert once["seed"].tolist() == [0, 1, 2]
    results.append(path, [row(group="b", seed=2)])
    pd.testing.assert_frame_equal(results.read(path), once)
    results.append(path, [row(group="a", seed=7)])
    assert sorted(results.read(path)["seed"]) == [2, 7]


def test_an_empty_table_has_its_columns_and_can_grow(tmp_path):
    path = tmp_path / "equivariance.parquet"
    results.append(path, [])
    assert list(results.read(path).columns) == list(results.EQUIVARIANCE)
    measured = {name: SAMPLE[kind] for name, kind in results.EQUIVARIANCE.items()}
    results.append(path, [measured])
    results.append(path, [])
    assert results.read(path).to_dict("records") == [measured]


def test_the_same_rows_make_the_same_file(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for seed in range(3):
            results.append(tmp_path / folder / "results.parquet", [row(group=str(seed), seed=seed)])
    first, second = ((tmp_path / folder / "results.parquet").read_bytes() for folder in "ab")
    assert first == second


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": None}, r"missing columns \['seed'\]"),
        ({"sead": 1}, r"unexpected columns \['sead'\]"),
    ],
)
def test_a_row_fits_the_schema(path, change, words):
    fields = {name: value for name, value in (row() | change).items() if value is not None}
    with pytest.raises(ValueError, match=words):
        results.append(path, [fields])
    assert not path.exists()


def test_an_append_that_fails_leaves_the_table_as_it_was(path, monkeypatch):
    results.append(path, [row(group="a")])
    before = path.read_bytes()

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        results.append(path, [row(group="b")])
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["results.parquet"]


@pytest.mark.parametrize("content", [b"", b"not a table", b"PAR1 half a table"])
def test_a_corrupt_table_is_told_in_one_line(path, content):
    path.write_bytes(content)
    for touch in (results.read, lambda where: results.append(where, [row()])):
        with pytest.raises(UserError, match=r"results\.parquet: is not a readable table") as error:
            touch(path)
        assert "\n" not in str(error.value)


def test_a_truncated_table_is_told_in_one_line(path):
    results.append(path, [row()])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="is not a readable table"):
        results.read(path)


def test_a_table_of_something_else_is_told_in_one_line(path):
    pd.DataFrame({"group": ["a"]}).to_parquet(path)
    with pytest.raises(UserError, match=r"other columns than expected \(accuracy, augment"):
        results.read(path)


def test_a_table_without_the_later_hyperparameters_is_read_and_goes_on(path):
    results.append(path, [row(group="a", canvas=29, optimizer="sgd")])
    later = ["train_on", "canvas", "normalise", "model_options", "augment_ranges"]
    later += ["optimizer", "schedule", "warmup", "final", "momentum"]
    pd.read_parquet(path).drop(columns=later).to_parquet(path)
    old = results.read(path)
    assert list(old.columns) == list(results.SCHEMA)
    assert old["accuracy"].tolist() == [0.9]
    assert old[["canvas", "optimizer"]].to_numpy().tolist() == [[-1, ""]]
    assert old[["final", "momentum"]].isna().all(axis=None)
    results.append(path, [row(group="b", canvas=28, optimizer="adamw")])
    both = results.read(path)
    assert both[["canvas", "optimizer"]].to_numpy().tolist() == [[-1, ""], [28, "adamw"]]


def test_a_missing_table_is_told_in_one_line(path):
    with pytest.raises(UserError, match="there is no such file"):
        results.read(path)


def test_only_known_tables_are_written(tmp_path):
    with pytest.raises(ValueError, match="expected a file named after results"):
        results.append(tmp_path / "other.parquet", [])


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


def test_an_empty_table_says_so():
    assert terminal.table(table(row()).iloc[:0]) == "no results yet"


def test_a_replacement_that_fails_leaves_nothing(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as temporary:
        temporary.write_text(str(1 / 0))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_table_with_holes_is_told_in_one_line(path):
    results.append(path, [row()])
    pd.read_parquet(path).assign(seed=None).to_parquet(path)
    with pytest.raises(UserError, match=r"other values than expected .*; delete it and launch"):
        results.read(path)
