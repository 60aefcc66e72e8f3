"""The tables of a launch: written whole, and read back exactly."""

import math
import os

import pandas as pd
import pytest
from fabricated import SAMPLE, row, table

from cnnjax import results
from cnnjax.errors import UserError


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


def test_a_missing_table_is_told_in_one_line(path):
    with pytest.raises(UserError, match="there is no such file"):
        results.read(path)


def test_only_known_tables_are_written(tmp_path):
    with pytest.raises(ValueError, match="expected a file named after results"):
        results.append(tmp_path / "other.parquet", [])


def test_a_table_with_holes_is_told_in_one_line(path):
    results.append(path, [row()])
    pd.read_parquet(path).assign(seed=None).to_parquet(path)
    with pytest.raises(UserError, match=r"other values than expected .*; delete it and launch"):
        results.read(path)
