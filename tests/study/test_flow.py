"""A whole launch on a small study: what it leaves, and what an interruption costs."""

import shutil
import threading

import numpy as np
import pandas as pd
import pytest
from launches import launch, on_signals, small, untouched
from ml_collections import ConfigDict

from cnnjax import augment, data, environment, results, sweep, train
from cnnjax.errors import UserError
from cnnjax.report import page, reading
from cnnjax.study import evaluation, flow, planning

TIMES = ["training_seconds", "images_per_second"]
GROUP = ["group", "seed", "learning_rate", "train_size", "initial", "transformation", "magnitude"]


def test_every_member_has_its_rows(whole):
    table, _ = whole
    runs = untouched(table)
    assert len(runs) == len(runs[GROUP].drop_duplicates()) == 2 * 2 * 2 * 2
    assert set(table["status"]) == {"done"}
    full = table[table["chosen"] & (table["train_size"] == table["train_size"].max())]
    cells = full.groupby(["route", "seed"])[["initial", "transformation", "magnitude"]].apply(len)
    assert cells.tolist() == [2 * 3] * 4, "trained and at initialisation: none, translation, noise"


def test_members_that_differ_in_a_number_alone_keep_their_own_guesses(tmp_path):
    config = small(sweep="route=mlp;seed=0:2;augment.strength=0,2", choose=())
    config.invariance.equivariance = False
    config.steps = 40
    table = launch(config, tmp_path / "strengths")
    read = reading.read(tmp_path / "strengths")
    assert len(read.entries) == 2
    right = read.predictions["first"] == read.predictions["truth"]
    found = right.groupby([read.predictions["entry"], read.predictions["seed"]]).mean()
    untouched = read.measured[
        (read.measured["transformation"] == "none") & ~read.measured["initial"]
    ]
    told = untouched.set_index(["entry", "seed"])["accuracy"]
    assert len(told) == len(found) == 4
    np.testing.assert_allclose(found.sort_index(), told.sort_index())
    assert told.nunique() > 2
    assert len(table["group"].unique()) == 1


def test_the_page_of_a_launch_tells_its_figures(whole, tmp_path):
    table, workdir = whole
    shutil.copytree(workdir, tmp_path / "drawn")
    text = page.write(tmp_path / "drawn").read_text()
    rows = table[table["chosen"] & ~table["initial"] & (table["transformation"] == "none")]
    for label, own in rows[rows["train_size"] == 1079].groupby("label"):
        assert label in text
        assert f"{100 * own['accuracy'].mean():.1f}" in text
    assert {path.stem for path in (tmp_path / "drawn" / "figures").glob("*.svg")} >= {"accuracy"}
    assert text.count('class="tile"') > 0


def test_signals_are_trained_with_distortions_of_their_own(tmp_path):
    table = launch(on_signals("signals"), tmp_path / "signals")
    assert set(table["augment"]) == {"signals"}
    assert set(table["status"]) == {"done"}


def test_composed_operations_are_trained_with(tmp_path):
    config = small(sweep="route=linear;augment.strength=0,1", choose=())
    config.augment.name = "sequence"
    config.augment.ranges = {"translate_x": {"fraction": 0.1}, "brighten": {}}
    table = launch(config, tmp_path / "composed")
    assert set(table["augment"]) == {"sequence(translate_x,brighten)"}
    assert len(set(table["group"])) == 1
    assert set(table["status"]) == {"done"}


def test_mixtures_are_trained_with_and_told_apart(tmp_path):
    config = small()
    config.routes.linear.augment = ConfigDict({"mix": "cutmix"})
    config.routes.mlp.augment = ConfigDict({"name": "affine", "mix": "mixup"})
    config.sweep, config.choose = "route=*", ()
    config = sweep.resolve(config)
    plans = planning.plan_all(sweep.group(sweep.expand(config)))
    assert [plan.recipe.mix for plan in plans] == [augment.cutmix, augment.mixup]
    table = launch(config, tmp_path / "mixed")
    told = table.groupby("route")["augment"].unique()
    assert told.map(list).to_dict() == {"linear": ["cutmix"], "mlp": ["affine+mixup"]}
    assert set(table["status"]) == {"done"}


def test_the_next_group_is_compiled_while_one_is_measured(tmp_path, monkeypatch):
    prepared, done = [threading.Event(), threading.Event()], []
    honest_prepare, honest_train = train.prepare, train.train
    honest_measure = evaluation.measure

    def prepare(*arguments, **options):
        assert options["members_layout"] == "map"
        done.append("prepare")
        result = honest_prepare(*arguments, **options)
        prepared[done.count("prepare") - 1].set()
        return result

    def trained(*arguments, **options):
        assert options["checkpoint_seconds"] == 7.0
        result = honest_train(*arguments, **options)
        done.append("trained")
        return result

    def measure(*arguments):
        assert prepared[min(done.count("trained"), 1)].wait(timeout=120)
        return honest_measure(*arguments)

    monkeypatch.setattr(train, "prepare", prepare)
    monkeypatch.setattr(train, "train", trained)
    monkeypatch.setattr(evaluation, "measure", measure)
    config = small(sweep="route=*;seed=0", choose=(), layout="map", checkpoint_seconds=7.0)
    launch(config, tmp_path / "ahead")
    assert done == ["prepare", "trained", "prepare", "trained"], "nothing compiles beside training"


@pytest.mark.parametrize("table", ["predictions", "results"])
def test_a_launch_that_died_between_two_tables_ends_with_the_same_rows(
    table, whole, tmp_path, monkeypatch
):
    append, died = results.append, []

    def dying(path, rows):
        if path.stem == table and not died:
            died.append(path)
            raise KeyboardInterrupt
        append(path, rows)

    monkeypatch.setattr(results, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        launch(small(), tmp_path)
    resumed = launch(small(), tmp_path)
    pd.testing.assert_frame_equal(resumed.drop(columns=TIMES), whole[0].drop(columns=TIMES))
    for name in ("equivariance", "predictions"):
        pair = [results.read(folder / f"{name}.parquet") for folder in (tmp_path, whole[1])]
        pd.testing.assert_frame_equal(*pair)


@pytest.mark.parametrize("name", ["equivariance", "predictions"])
def test_a_table_that_was_deleted_is_measured_anew(name, whole, tmp_path, monkeypatch):
    workdir = tmp_path / "again"
    shutil.copytree(whole[1], workdir)
    (workdir / f"{name}.parquet").unlink()
    # Killed in between, after the first group: what is still missing is not taken for finished.
    append, died = results.append, []

    def dying(path, rows):
        append(path, rows)
        if path.stem == "results" and not died:
            died.append(path)
            raise KeyboardInterrupt

    monkeypatch.setattr(results, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        launch(small(), workdir)
    assert len(results.finished(workdir)) == 1
    launch(small(), workdir)
    assert len(environment.read(workdir / "environment.json")) == 3, "one a launch"
    for each in results.SCHEMAS:
        pair = [results.read(folder / f"{each}.parquet") for folder in (workdir, whole[1])]
        pd.testing.assert_frame_equal(*pair)


def test_a_finished_launch_trains_nothing_more(whole, monkeypatch):
    table, workdir = whole
    monkeypatch.setattr(flow.train, "train", lambda *_, **__: pytest.fail("trained again"))
    environment = (workdir / "environment.json").read_text()
    pd.testing.assert_frame_equal(launch(small(), workdir), table)
    assert (workdir / "environment.json").read_text() == environment, "this launch made no result"


def test_results_of_other_code_are_kept_and_told(whole, tmp_path, monkeypatch, capfd):
    table, workdir = whole
    shutil.copytree(workdir, tmp_path / "again")
    launch(small(), tmp_path / "again")
    assert "other code" not in capfd.readouterr().err
    monkeypatch.setattr(environment, "code", lambda: "edited")
    pd.testing.assert_frame_equal(launch(small(), tmp_path / "again"), table)
    said = "again: keeps results that were made with other code of cnnjax; choose another"
    assert said in capfd.readouterr().err
    monkeypatch.setattr(environment, "usable_cores", lambda: 999)
    monkeypatch.setattr(environment, "_version", lambda _: "0.0")
    launch(small(), tmp_path / "again")
    others = "of cnnjax and with another jaxlib and on another number of cores; choose another"
    assert others in capfd.readouterr().err


def test_other_examples_than_a_launch_was_begun_with_are_one_clear_error(
    whole, tmp_path, monkeypatch
):
    _, workdir = whole
    shutil.copytree(workdir, tmp_path / "again")
    digits = data.load("digits", None)
    fewer = digits._replace(test=data.Split(*(each[:-1] for each in digits.test)))
    monkeypatch.setattr(data, "load", lambda *_: fewer)
    with pytest.raises(UserError, match=r"again: was begun with other examples of digits; give th"):
        launch(small(), tmp_path / "again")
    for left in ("results.parquet", "checkpoints"):  # without them nothing is mixed
        path = tmp_path / "again" / left
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    table = launch(small(), tmp_path / "again")
    assert table["examples"].max() == 358
