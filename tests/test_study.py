"""A whole launch on a small study: what it leaves, what it chooses, what an interruption costs."""

import json
import pathlib
import re
import shutil
import threading
import time

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict

from cnnjax import (
    augment,
    data,
    environment,
    evaluation,
    models,
    nn,
    ops,
    pictures,
    planning,
    progress,
    results,
    study,
    summaries,
    sweep,
    train,
)
from cnnjax import config as configs
from cnnjax.errors import UserError
from cnnjax.report import page, reading

TIMES = ["training_seconds", "images_per_second"]
SPLITS = ["train", "validation", "test"]
GROUP = ["group", "seed", "learning_rate", "train_size", "initial", "transformation", "magnitude"]


def small(**fields):
    """Two groups of few and short runs on the digits."""
    config = configs.default()
    config.name, config.title, config.question = "small", "Small", "Does it run?"
    config.steps, config.batch_size = 6, 32
    config.invariance.transformations = ConfigDict({"translation": (2.0,), "noise": (0.5,)})
    config.routes.linear = ConfigDict({"label": "linear", "model": {"name": "linear"}})
    config.routes.mlp = ConfigDict(
        {
            "label": "small MLP",
            "family": "training",
            "model": {"name": "mlp800", "options": {"width": 8}},
            "augment": {"name": "affine"},
        }
    )
    config.sweep = "route=*;seed=0:2;dataset.train_size=40,0;optimizer.learning_rate=1e-4,1e-2"
    config.choose = ("optimizer.learning_rate",)
    for name, value in fields.items():
        config[name] = value
    return sweep.resolve(config)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """The report has tests of its own; here it would only take time."""
    monkeypatch.setattr(study.report, "write", lambda workdir: workdir / "report.html")


def launch(config, workdir):
    workdir.mkdir(exist_ok=True)
    study.run(planning.plan_all(sweep.group(sweep.expand(config))), config, workdir=workdir)
    return results.read(workdir / "results.parquet")


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """An uninterrupted launch: its table, its folder, each group's plan and what it trained."""
    honest, seen = evaluation.measure, {}

    def measure(plan, trained, config):
        seen[plan.group.name] = plan, trained
        return honest(plan, trained, config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study.report, "write", lambda workdir: workdir / "report.html")
        patch.setattr(study.evaluation, "measure", measure)
        workdir = tmp_path_factory.mktemp("whole")
        return launch(small(), workdir), workdir, seen


@pytest.fixture(scope="module")
def whole(observed):
    """The table and the folder of that launch."""
    return observed[:2]


@pytest.fixture(scope="module")
def retested(whole, tmp_path_factory):
    """Its table if every test label had been the next digit's: the same networks, measured anew."""
    honest = study.data.load

    def load(name, data_dir):
        dataset = honest(name, data_dir)
        mislabelled = dataset.test._replace(labels=(dataset.test.labels + 1) % 10)
        return dataset._replace(test=mislabelled)

    workdir = tmp_path_factory.mktemp("retested") / "again"
    shutil.copytree(whole[1], workdir)
    (workdir / "results.parquet").unlink()
    (workdir / "environment.json").unlink()  # which says that the examples were others
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study.report, "write", lambda workdir: workdir / "report.html")
        patch.setattr(study.data, "load", load)
        return launch(small(), workdir)


def untouched(table):
    """One row a run: what is said of the trained network on images as they are."""
    return table[~table["initial"] & (table["transformation"] == "none")]


@pytest.fixture(scope="module")
def on_validation(observed):
    """Each member's share of the validation split that it gets right, worked out by hand."""
    images, labels = data.load("digits").validation
    found = {}
    for name, (plan, trained) in observed[2].items():
        inputs = plan.recipe.door(ops.unit(images))
        stacked = jax.device_get(trained.states.variables)
        for member in range(len(plan.group.members)):
            variables = jax.tree.map(lambda leaf, member=member: leaf[member], stacked)
            logits = np.asarray(plan.module.apply(variables, inputs))
            found[name, member] = np.mean(logits.argmax(1) == labels)
    return found


def test_every_member_has_its_rows(whole):
    table, _ = whole
    runs = untouched(table)
    assert len(runs) == len(runs[GROUP].drop_duplicates()) == 2 * 2 * 2 * 2
    assert set(table["status"]) == {"done"}
    full = table[table["chosen"] & (table["train_size"] == table["train_size"].max())]
    cells = full.groupby(["route", "seed"])[["initial", "transformation", "magnitude"]].apply(len)
    assert cells.tolist() == [2 * 3] * 4, "trained and at initialisation: none, translation, noise"


def test_every_hyperparameter_is_told():
    config = small(sweep="route=mlp;seed=3", choose=())
    fields = {
        **{"dataset.canvas": 30, "dataset.normalise": "signed"},
        **{"dataset.train_on": "train+validation", "augment.ranges.rotation": 5.0},
        **{"optimizer.name": "sgd", "optimizer.schedule": "exponential", "optimizer.warmup": 2},
        **{"optimizer.final": 0.5, "optimizer.momentum": 0.8},
    }
    runs = sweep.expand(sweep.resolve(config, overrides=fields))
    (plan,) = planning.plan_all(sweep.group(runs))
    trained = train.Trained(states=None, seconds=1.0, initial=None)
    told = evaluation._describe(plan, runs[0], 0, trained, config)
    wanted = {name.rpartition(".")[2]: value for name, value in fields.items()}
    wanted |= {"optimizer": wanted.pop("name"), "model_options": '{"width": 8}', "seed": 3}
    wanted["augment_ranges"] = json.dumps({"rotation": wanted.pop("rotation")})
    assert {name: told[name] for name in wanted} == wanted
    # Nothing that a run may differ in is left out of the table.
    untold = {"epochs", "examples", "initial", "equivariance", "test_on", "mix", "sweep"}
    leaves = {name.rpartition(".")[2] for name in configs.flatten(configs.default())}
    leaves -= {name.rpartition(".")[2] for name in configs.LAUNCH_WIDE}
    assert leaves - untold - {"name", "strength"} <= set(results.SCHEMA)


def test_a_launch_measured_on_validation_never_sees_the_test_set(monkeypatch, tmp_path):
    honest = study.data.load

    def load(name, data_dir):
        dataset = honest(name, data_dir)
        unseen = dataset.test._replace(labels=np.full_like(dataset.test.labels, 99))
        return dataset._replace(test=unseen)

    monkeypatch.setattr(study.data, "load", load)
    table = launch(small(measure_on="validation", choose=()), tmp_path / "tuning")
    runs = untouched(table)
    assert set(table["split"]) == {"validation"}
    assert runs["accuracy"].tolist() == runs["validation_accuracy"].tolist()
    assert runs["accuracy"].min() > 0, "no network answers 99"
    predictions = results.read(tmp_path / "tuning" / "predictions.parquet")
    truth = honest("digits", None).validation.labels.tolist()
    for _, own in predictions.groupby(["group", "member"]):
        assert own.sort_values("index")["truth"].tolist() == truth


def test_curves_on_part_of_the_test_set_start_on_that_part(tmp_path):
    config = small(sweep="route=linear;seed=0:1", choose=())
    config.invariance.examples = 100
    config.invariance.initial = False
    table = launch(config, tmp_path / "part")
    predictions = results.read(tmp_path / "part" / "predictions.parquet")
    right = (predictions["first"] == predictions["truth"]).to_numpy()
    untouched = table[table["magnitude"] == 0].set_index("transformation")
    assert untouched["examples"].to_dict() == {"none": 359, "translation": 100, "noise": 100}
    assert untouched["accuracy"]["none"] == right.mean()
    for name in ("translation", "noise"):
        assert untouched["accuracy"][name] == right[:100].mean() != right.mean()
        assert (table[table["transformation"] == name]["examples"] == 100).all()


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


def test_corruptions_are_rows_of_the_chosen_members(tmp_path):
    config = small(sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-4,1e-2")
    config.invariance.transformations = ConfigDict()
    config.invariance.corruptions = ConfigDict({"contrast": (1, 5)})
    config.invariance.examples = 100
    table = launch(config, tmp_path / "corrupted")
    shown = table[table["chosen"] & ~table["initial"]]
    names = ["none", "corruption:none", "corruption:contrast", "corruption:contrast"]
    for _, member in shown.groupby("member"):
        assert member["transformation"].tolist() == names
        assert member["magnitude"].tolist() == [0.0, 0.0, 1.0, 5.0]
        assert member["examples"].tolist() == [359, 100, 100, 100]
    assert len(shown) == 2 * len(names)
    assert not summaries.corruptions(table[table["initial"] | ~table["chosen"]]).any()


def test_each_route_is_measured_in_full_on_its_own_largest_training_set(tmp_path):
    config = small(sweep="route=linear,few;seed=0:1", choose=())
    config.routes.few = ConfigDict(
        {"label": "few", "model": {"name": "linear"}, "dataset": {"train_size": 40}}
    )
    config.routes.linear.sweep = "dataset.train_size=100,0"
    config.invariance.corruptions = ConfigDict({"contrast": (5,)})
    config.invariance.initial = False
    table = launch(config, tmp_path / "few")
    assert len(set(table["group"])) == 1
    curves = table[table["magnitude"] > 0].groupby("route")["train_size"].unique()
    assert curves.map(list).to_dict() == {"few": [40], "linear": [1079]}
    assert summaries.corruptions(table[table["route"] == "few"]).any()
    predictions = results.read(tmp_path / "few" / "predictions.parquet")
    assert set(predictions["route"]) == set(curves.index)


def test_batch_statistics_and_dropout_are_trained_and_measured(tmp_path, monkeypatch):
    honest, seen = evaluation.measure, []

    def measure(plan, trained, config):
        seen.append((plan, jax.device_get(trained.states.variables)))
        return honest(plan, trained, config)

    monkeypatch.setattr(study.evaluation, "measure", measure)
    few = data.load("digits", None)  # enough for eight layers of convolution
    few = few._replace(
        **{name: data.Split(*(each[:40] for each in getattr(few, name))) for name in SPLITS}
    )
    monkeypatch.setattr(study.data, "load", lambda *_: few)
    options = {"batch_norm": True, "dropout": 0.2}
    route = {"label": "plain", "model": {"name": "plain8", "options": options}}
    config = small(
        routes=ConfigDict({"plain": route}), steps=2, batch_size=8, sweep="route=plain", choose=()
    )
    config.invariance.transformations = ConfigDict({"noise": (0.5,)})
    config.invariance.examples, config.invariance.equivariance = 16, False
    table = launch(config, tmp_path / "one")
    assert set(table["status"]) == {"done"}
    assert set(table["parameters"]) == {2_326_986 + 2_816}  # one input channel, not three
    ((plan, stacked),) = seen
    variables = jax.tree.map(lambda leaf: leaf[0], stacked)
    assert np.abs(variables["batch_stats"]["norm8"]["mean"]).max() > 0
    test = plan.dataset.test
    inputs = plan.recipe.door(ops.unit(test.images))
    logits = plan.module.apply(variables, inputs)  # with the running statistics, as Flax does it
    row = untouched(table)
    right = float(np.mean(np.asarray(logits).argmax(1) == test.labels))
    assert row["accuracy"].item() == pytest.approx(right, abs=1.5 / len(test.labels))


def test_signals_have_no_corruptions():
    config = small(sweep="route=linear", choose=())
    config.dataset.name = "mnist1d"
    config.invariance.corruptions = ConfigDict({"fog": (1,)})
    with pytest.raises(UserError, match="corruptions=fog: mnist1d holds signals"):
        planning.plan_all(sweep.group(sweep.expand(config)))


def planned(**fields):
    """The plans of a launch on the digits; what a field of `dataset` says is given as is."""
    config = small(choose=(), sweep="route=linear;seed=0:2")
    for name, value in fields.items():
        config.dataset[name] = value
    return planning.plan_all(sweep.group(sweep.expand(config)))


@pytest.fixture
def real_digits(monkeypatch):
    """Another set of digits, of which only the test split holds anything."""
    honest = study.data.load

    def load(name, data_dir):
        dataset = honest("digits", data_dir)
        if name == "digits":
            return dataset
        other = data.Split(255 - dataset.test.images[:50], dataset.test.labels[:50])
        if name == "other_size":
            other = other._replace(images=other.images[:, 1:])
        classes = tuple("abcdefghij") if name == "letters" else dataset.class_names
        return dataset._replace(
            name=name, train=None, validation=None, test=other, class_names=classes
        )

    monkeypatch.setattr(study.data, "load", load)


def test_another_sets_test_split_is_measured_and_nothing_else_of_it(real_digits, tmp_path):
    plain, foreign = planned()[0], planned(test_on="real")[0]
    np.testing.assert_array_equal(foreign.dataset.test.images, 255 - plain.dataset.test.images[:50])
    for part in ("train", "validation"):
        assert getattr(foreign.dataset, part) is not None
        for one, other in zip(
            getattr(foreign.dataset, part), getattr(plain.dataset, part), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    config = small(choose=(), sweep="route=linear;seed=0:2")
    config.dataset.test_on = "real"
    table = launch(config, tmp_path / "gap")
    runs = untouched(table)
    assert set(runs["split"]) == {"real test"}
    assert set(runs["examples"]) == {50}
    pictures = np.load(tmp_path / "gap" / "pictures.npz")
    assert set(pictures["error_groups"]) == set(table["group"])


def test_measured_on_validation_no_test_set_is_read_at_all(real_digits):
    config = small(choose=(), measure_on="validation", sweep="route=linear;seed=0:2")
    config.dataset.test_on = "letters"
    dataset = planning.plan_all(sweep.group(sweep.expand(config)))[0].dataset
    np.testing.assert_array_equal(dataset.test.images, dataset.validation.images)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other_size", "its examples are of shape (27, 28, 1); expected (28, 28, 1) as in digits"),
        ("letters", "its classes are a, b, c, d, e, f, g, h, i, j; expected 0, 1, 2, 3, 4, 5, 6"),
    ],
)
def test_a_test_set_that_does_not_fit_is_one_clear_error(real_digits, name, message):
    with pytest.raises(UserError) as error:
        planned(test_on=name)
    assert message in str(error.value)
    assert f"dataset.test_on={name!r}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_test_set_that_is_not_known_is_one_clear_error():
    with pytest.raises(UserError, match=r"^dataset\.test_on='mnst': .*did you mean 'mnist'\?"):
        planned(test_on="mnst")


def test_all_runs_of_a_launch_are_tested_on_the_same_set():
    with pytest.raises(UserError, match=r"dataset\.test_on: holds for the whole launch"):
        sweep.expand(small(sweep="route=linear;dataset.test_on=mnist,kmnist"))


def test_the_validation_accuracy_is_that_of_the_validation_split(whole, on_validation):
    runs = untouched(whole[0]).set_index(["group", "member"])
    # A guess may round to the other side in another program.
    close = 1.5 / len(data.load("digits").validation.labels)
    assert runs["validation_accuracy"].to_dict() == pytest.approx(on_validation, abs=close)


def test_validation_chooses_one_learning_rate_for_all_seeds(whole, retested, on_validation):
    # Also where the test set would choose another: there, whoever is right counts as wrong.
    for runs in map(untouched, (whole[0], retested)):
        cells = zip(runs["group"], runs["member"], strict=True)
        runs = runs.assign(by_hand=[on_validation[cell] for cell in cells])
        for _, contest in runs.groupby(["route", "train_size"]):
            means = contest.groupby("learning_rate")["by_hand"].mean()
            chosen = contest[contest["chosen"]]
            assert set(chosen["learning_rate"]) == {means.idxmax()}
            assert len(chosen) == 2


def test_the_test_set_chooses_nothing(whole, retested):
    columns = ["group", "member", "status", "chosen", "validation_accuracy"]
    runs, again = untouched(whole[0]), untouched(retested)
    pd.testing.assert_frame_equal(again[columns], runs[columns])
    assert not np.allclose(again["accuracy"].dropna(), runs["accuracy"].dropna(), atol=0.2)


def test_only_chosen_runs_have_read_the_test_set(whole, retested):
    table, _ = whole
    measured = ["accuracy", "errors", "consistency"]
    assert table.loc[~table["chosen"], measured].isna().all(axis=None)
    assert table.loc[table["chosen"], measured].notna().all(axis=None)
    # Nothing that is said of the others would be another with another test set.
    pd.testing.assert_frame_equal(retested[~retested["chosen"]], table[~table["chosen"]])


def test_at_initialisation_the_fresh_network_is_measured(observed):
    table, _, seen = observed
    images, labels = data.load("digits").test
    wide = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    moved = [
        wide[:, down : down + 28, right : right + 28]
        for down, right in ((0, 2), (4, 2), (2, 0), (2, 4))
    ]
    cells = table[table["chosen"] & table["magnitude"].isin([0.0, 2.0])]
    cells = cells.set_index(["group", "member", "initial", "transformation"])
    fresh = cells[cells.index.get_level_values("initial")]
    assert len(fresh) == 2 * 2 * 2, "routes, seeds, as they are and moved by two pixels"
    for group, member in fresh.index.droplevel([2, 3]).unique():
        plan, _ = seen[group]
        hyper = jax.tree.map(lambda column, member=member: column[member], plan.hypers)
        network = models.seam(plan.module)
        inputs = plan.recipe.door(ops.unit(images[:1]))
        variables = network.init(train.keys(hyper).init, inputs)

        def guess(images, plan=plan, network=network, variables=variables):
            logits, _ = network.apply(variables, plan.recipe.door(ops.unit(images)))
            return np.asarray(logits).argmax(1)

        before, after = guess(images), np.stack([guess(each) for each in moved])
        found = fresh.loc[(group, member, True)]
        by_hand = {
            "none": (np.mean(before == labels), 1.0),
            "translation": (np.mean(after == labels), np.mean(after == before)),
        }
        for name, expected in by_hand.items():
            row = found.loc[name, ["accuracy", "consistency"]].tolist()
            assert row == pytest.approx(expected, abs=1.5 / len(labels))
        trained = cells.loc[(group, member, False, "none"), "accuracy"]
        assert abs(trained - found.loc["none", "accuracy"]) > 0.1, "else it could be either"


def test_the_seconds_of_a_group_are_shared_among_its_runs(observed):
    table, _, seen = observed
    for group, (_, trained) in seen.items():
        own = table[table["group"] == group]
        # Two seeds, two rates and two sizes trained together.
        np.testing.assert_allclose(8 * own["training_seconds"], trained.seconds)
        np.testing.assert_allclose(own["images_per_second"], 8 * 6 * 32 / trained.seconds)


def test_every_number_of_a_member_goes_into_its_own_field():
    told = {
        **{"seed": 3, "dataset.train_size": 40, "dataset.label_noise": 0.5},
        **{"optimizer.learning_rate": 0.25, "optimizer.weight_decay": 0.125},
        **{"optimizer.label_smoothing": 0.0625, "augment.strength": 2.0},
    }
    config = sweep.resolve(small(sweep="route=mlp", choose=()), overrides=told)
    (plan,) = planning.plan_all(sweep.group(sweep.expand(config)))
    assert {name: column.tolist() for name, column in plan.hypers._asdict().items()} == {
        **{"seed": [3], "train_size": [40], "label_noise": [0.5]},
        **{"learning_rate": [0.25], "weight_decay": [0.125]},
        **{"label_smoothing": [0.0625], "augment_strength": [2.0]},
    }


def test_guesses_agree_with_the_errors_of_the_table(whole):
    table, workdir = whole
    guesses = results.read(workdir / "predictions.parquet")
    wrong = guesses[guesses["first"] != guesses["truth"]]
    untouched = table[table["chosen"] & ~table["initial"] & (table["transformation"] == "none")]
    full = untouched[untouched["train_size"] == untouched["train_size"].max()]
    for row in full.itertuples():
        own = wrong[(wrong["route"] == row.route) & (wrong["seed"] == row.seed)]
        assert len(own) == row.errors
    pictures = np.load(workdir / "pictures.npz")
    assert set(pictures["error_index"]) == set(wrong["index"])
    assert pictures["error_images"].dtype == np.uint8
    assert pictures["class_names"].tolist() == list("0123456789")
    assert set(pictures["error_groups"]) == set(wrong["group"])


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


def test_the_log_tells_how_it_went(whole):
    _, workdir = whole
    lines = [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]
    groups = results.read(workdir / "results.parquet")["group"]
    assert {line["group"] for line in lines} == set(groups)
    assert all(len(line["loss"]) == 8 and line["images_per_second"] > 0 for line in lines)
    assert [line["step"] for line in lines if line["step"] == line["steps"]] == [6, 6]


def test_diverged_losses_leave_the_log_readable(tmp_path):
    plans = planned()
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        for losses in ([np.nan, 0.5, np.inf], [np.nan, np.nan, np.nan]):
            accuracy = np.zeros(len(losses))
            told = train.Progress(2, 0, np.array(losses), accuracy, images_per_second=1.0)
            monitor.report(plans[0], told)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    told = [json.loads(line, parse_constant=refuse)["loss"] for line in lines]
    assert told == [[None, 0.5, None], [None, None, None]]


def test_the_bar_counts_a_group_that_was_trained_but_not_measured(tmp_path):
    plans = planned()
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        for plan in plans:
            monitor.complete(plan)
        assert monitor._bar.n == pytest.approx(monitor._bar.total)
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        told = train.Progress(plans[0].steps, 0, np.zeros(1), np.zeros(1), images_per_second=1.0)
        monitor.report(plans[0], told)
        once = monitor._bar.n
        monitor.complete(plans[0])
        assert monitor._bar.n == once


def test_the_bar_tells_how_it_goes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    plans = planned()
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        monitor._bar.start_t -= 100.0
        told = train.Progress(
            step=2,
            start=0,
            loss=np.array([0.5, 1.5]),
            accuracy=np.array([0.25, 0.75]),
            images_per_second=12_345.6,
        )
        monitor.report(plans[0], told)
        monitor._bar.refresh()
    shown = capsys.readouterr().err.replace("\r", "\n")
    line = next(line for line in shown.splitlines() if "loss" in line)
    assert "33%" in line
    minutes = re.search(r"(\d+):(\d+)<(\d+):(\d+)", line)
    assert minutes is not None, line
    spent, left = (60 * int(minutes[i]) + int(minutes[i + 1]) for i in (1, 3))
    assert spent >= 100
    assert abs(left - 2 * spent) <= 2  # a third is done
    assert "loss 1.000 accuracy 50.0 % 12,346 images/s" in line


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
    monkeypatch.setattr(study.train, "train", lambda *_, **__: pytest.fail("trained again"))
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
    said = "again: some of what stands there was made with other code of cnnjax, and is kept"
    assert said in capfd.readouterr().err
    monkeypatch.setattr(environment, "usable_cores", lambda: 999)
    monkeypatch.setattr(environment, "_version", lambda _: "0.0")
    launch(small(), tmp_path / "again")
    others = "of cnnjax and with another jaxlib and on another number of cores, and is kept"
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


class Wrong(linen.Module):
    gives: str

    @linen.compact
    def __call__(self, x, train=False):
        if self.gives == "map":
            return nn.Conv(10, 3, name="conv")(x)
        logits = nn.Dense(5, name="output")(nn.Flatten(name="flatten")(x))
        return (logits, logits) if self.gives == "pair" else logits


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        ("five", "gives values of shape (5,) for an example; expected logits, (10,)"),
        ("map", "gives values of shape (26, 26, 10) for an example; expected logits, (10,)"),
        ("pair", "gives no array for an example; expected logits, (10,)"),
    ],
)
def test_what_gives_no_logits_is_told_before_anything_is_trained(gives, words, monkeypatch):
    monkeypatch.setattr(planning.models, "build", lambda *_, **__: Wrong(gives))
    with pytest.raises(UserError, match=re.escape(f"on dataset.name='digits': {words}")):
        planning.plan_all(sweep.group(sweep.expand(small())))


class Shared(linen.Module):
    """One convolution, used three times."""

    @linen.compact
    def __call__(self, x, train=False):
        again = nn.Conv(1, 3, padding="SAME", name="again")
        x = again(nn.relu(again(nn.relu(again(x)))))
        return nn.Dense(10, name="output")(nn.Flatten(name="flatten")(x))


def test_a_shared_layer_has_one_kernel():
    plan = planning.plan_all(sweep.group(sweep.expand(small())))[0]
    plan = plan._replace(module=Shared(), summary=models.summary(Shared(), (28, 28, 1)))
    params = Shared().init(jax.random.key(0), jnp.ones((1, 28, 28, 1)))["params"]
    kernels = pictures._kernels(plan, params)
    assert list(kernels) == ["again"]
    np.testing.assert_array_equal(kernels["again"], params["again"]["kernel"])


def test_groups_with_equal_networks_share_the_program_that_creates_their_states():
    config = small(sweep="route=plain,affine;seed=0:2", choose=())
    for name, augmented in (("plain", "none"), ("affine", "affine")):
        fields = {"model": {"name": "linear"}, "augment": {"name": augmented}}
        config.routes[name] = ConfigDict({"label": name} | fields)
    plans = planning.plan_all(sweep.group(sweep.expand(config)))
    assert len(plans) == 2
    train.state.create.clear_cache()  # of what other tests have created
    for plan in plans:
        train.initial(plan.recipe, plan.hypers, plan.examples.images)
    assert train.state.create._cache_size() == 1


def test_the_insides_are_those_of_the_best_convolutional_network(tmp_path, monkeypatch):
    config = small(sweep="route=local,c3,mlp;seed=0:3;optimizer.learning_rate=1e-4,1e-2")
    for name, model in (("local", "ladder_local"), ("c3", "lenet5")):
        config.routes[name] = ConfigDict({"label": name, "model": {"name": model}})
    config.invariance.initial = config.invariance.equivariance = False
    config.steps = 3
    honest, weights = evaluation.measure, {}

    def measure(plan, trained, config):
        weights[plan.group.name] = jax.device_get(trained.states.variables["params"])
        return honest(plan, trained, config)

    monkeypatch.setattr(study.evaluation, "measure", measure)
    table = launch(config, tmp_path)
    # Unshared weights are no kernels, so that `local` is passed over, however good.
    runs = table[(table["route"] == "c3") & table["chosen"] & (table["transformation"] == "none")]
    best = runs.sort_values("validation_accuracy", kind="stable").iloc[1]  # the median of three
    pictures = np.load(tmp_path / "pictures.npz")
    own = jax.tree.map(lambda leaf: leaf[best["member"]], weights[best["group"]])
    assert pictures["network"] == f"c3, seed {best['seed']}"
    kernels = {name: pictures[name] for name in pictures if name.startswith("kernel")}
    assert [kernel.shape for kernel in kernels.values()] == [
        (5, 5, 1, 6),
        (5, 5, 1, 60),  # a sparse layer's, one for each connection
        (5, 5, 16, 120),
    ]
    for name, kernel in kernels.items():
        layer = name.split("__")[2]
        np.testing.assert_array_equal(kernel, own[layer]["kernel"].reshape(kernel.shape))
    first = next(pictures[name] for name in pictures if name.startswith("map"))
    x = data.load("digits", None).test.images[:1] / np.float32(255)
    door = planning.plan_all(sweep.group(sweep.expand(config)))[0].recipe.door
    expected = ops.cross_correlate(door(jnp.asarray(x)), own["c1"]["kernel"], padding=2)
    expected = expected + own["c1"]["bias"]
    np.testing.assert_allclose(first, expected[0], atol=1e-5)


def drawn_insides(monkeypatch, told):
    """Whose insides are drawn, of routes with a set, its size and the accuracies of their seeds."""
    seeds = max(len(accuracies) for *_, accuracies in told.values())
    config = small(sweep=f"route={','.join(told)};seed=0:{seeds}", choose=())
    for name in told:
        config.routes[name] = ConfigDict({"label": name.title(), "model": {"name": "lenet5"}})
    (plan,) = planning.plan_all(sweep.group(sweep.expand(config)))
    rows = []
    for place, run in enumerate(plan.group.members):
        dataset, sizes, accuracies = told[run.route]
        seed = run.config.seed
        size = sizes if isinstance(sizes, int) else sizes[seed]
        done = not np.isnan(accuracies[seed])
        rows.append(
            {name: 0.0 for name in results.CELL}
            | {"group": plan.group.name, "route": run.route, "label": run.label, "seed": seed}
            | {"member": place, "chosen": done, "initial": False, "transformation": "none"}
            | {"dataset": dataset, "train_size": size, "validation_accuracy": accuracies[seed]}
        )
    monkeypatch.setattr(results, "read", lambda _: pd.DataFrame(rows))
    _, member, label = pictures._best_convolutional([plan], pathlib.Path())
    return plan.group.members[member], label


def test_the_insides_are_of_the_best_mean_and_its_median_seed(monkeypatch):
    steady, lucky = (0.8, 0.7, 0.9), (0.5, 0.99, 0.5)
    told = {"steady": ("digits", 100, steady), "lucky": ("digits", 100, lucky)}
    run, label = drawn_insides(monkeypatch, told)
    assert (run.route, run.config.seed, label) == ("steady", 0, "Steady, seed 0")


def test_the_insides_are_of_the_best_of_all_sets_and_not_of_the_largest(monkeypatch):
    told = {"few": ("digits", 1079, (0.96,)), "many": ("mnist1d", 4000, (0.4,))}
    run, label = drawn_insides(monkeypatch, told)
    assert (run.route, label) == ("few", "Few")
    told = {"all": ("digits", 1079, (0.4,)), "part": ("digits", 300, (0.9,))}
    assert drawn_insides(monkeypatch, told)[1] == "Part"


def test_who_diverged_at_its_full_size_is_not_drawn_at_a_smaller_one(monkeypatch):
    told = {
        "steady": ("digits", 1079, (0.5, 0.5)),
        "fell": ("digits", (1079, 100), (np.nan, 0.9)),
    }
    run, _ = drawn_insides(monkeypatch, told)
    assert run.route == "steady"


def test_without_checkpoints_a_finished_launch_is_drawn_without_insides(tmp_path):
    config = small(sweep="route=convolutional;seed=0:1", choose=())
    model = {"name": "ladder_conv", "options": {"budget": 2000}}
    config.routes.convolutional = ConfigDict({"label": "convolutional", "model": model})
    config.invariance.initial = config.invariance.equivariance = False
    config.steps = 1
    table = launch(config, tmp_path)
    before = set(np.load(tmp_path / "pictures.npz"))
    shutil.rmtree(tmp_path / "checkpoints")
    pd.testing.assert_frame_equal(launch(config, tmp_path), table)
    gone = before - set(np.load(tmp_path / "pictures.npz"))
    assert {re.sub(r"__.*", "", name) for name in gone} == {"network", "input", "kernel", "map"}


def test_what_the_last_update_broke_is_marked_too(tmp_path):
    # The loss of the only update is that of fresh weights; what it leaves is not finite.
    config = small(sweep="route=linear;seed=0:1;optimizer.learning_rate=3e38,1e-3", steps=1)
    config.optimizer.name, config.optimizer.momentum = "sgd", 0.0
    config.optimizer.schedule = "constant"
    config.optimizer.weight_decay = 10.0
    table = launch(config, tmp_path)
    assert set(table.loc[table["learning_rate"] > 1, "status"]) == {"diverged"}
    assert set(table.loc[table["learning_rate"] < 1, "status"]) == {"done"}


def test_a_diverged_value_loses_and_is_marked(tmp_path):
    config = small(sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-2,3e38")
    table = launch(config, tmp_path)
    diverged = table[table["learning_rate"] > 1]
    assert set(diverged["status"]) == {"diverged"}
    assert not diverged["chosen"].any()
    assert table.loc[table["learning_rate"] < 1, "chosen"].all()


@pytest.mark.parametrize("train_on", ["train", "train+validation"])
def test_groups_share_the_examples_that_they_are_trained_on(train_on):
    config = small(choose=(), sweep="route=*")
    config.dataset.train_on = train_on
    one, other = planning.plan_all(sweep.group(sweep.expand(config)))
    assert all(map(np.shares_memory, one.examples, other.examples))


@pytest.mark.parametrize("field", ["model.name", "features", "dataset.normalise"])
def test_groups_share_the_programs_that_measure_them(field):
    others = {"model.name": "lenet5_modern", "features": "crop", "dataset.normalise": "signed"}
    given = {"features": "deskew", "model.name": "linear"}
    config = sweep.resolve(small(choose=(), sweep="batch_size=16,32"), overrides=given)
    config.routes = {}
    other = sweep.resolve(config, overrides={field: others[field]}, sweep="seed=0")
    groups = [*sweep.group(sweep.expand(config)), sweep.group(sweep.expand(other))[0]]
    plans = planning.plan_all(groups)
    # Programs are kept by function object: the same function, the same programs.
    one, same, apart = (evaluation.predictor(each.module, each.recipe.door) for each in plans)
    assert one is same is not apart
    one, same, apart = (evaluation.mapper(each.module) for each in plans)
    assert one is same
    assert (apart is not one) == (field == "model.name")


def test_fresh_weights_are_measured_by_the_programs_of_trained_ones(compilations):
    config = small(sweep="route=mlp;seed=0:2", choose=())
    config.routes.mlp.model.options.width = 9  # of no other test: nothing is compiled yet
    (plan,) = planning.plan_all(sweep.group(sweep.expand(config)))

    def measure():
        compilations.clear()
        evaluation.measure(plan, trained, config)
        return len(compilations)

    trained = train.train(train.prepare(plan.recipe, plan.hypers, plan.examples), plan.steps)
    config.invariance.initial = False
    assert measure() > 1
    config.invariance.initial = True
    assert measure() == 0


def test_the_first_is_measured_alone_and_the_others_side_by_side():
    together, begun = threading.Barrier(2, timeout=60), []

    def work(item):
        begun.append(item)
        if item > 0:
            together.wait()  # broken, unless two are at work at once
        elif item == 0:
            time.sleep(0.1)
            assert begun == [0], "what compiles has no company"
        return -item

    assert evaluation._side_by_side(work, [0, 1, 2, 3, 4]) == [0, -1, -2, -3, -4]
    assert evaluation._side_by_side(work, []) == []


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


def test_training_on_validation_leaves_nothing_to_choose_by(tmp_path):
    config = small(choose=(), sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-2")
    config.dataset.train_on = "train+validation"
    table = launch(config, tmp_path)
    assert table["validation_accuracy"].isna().all()
    assert table["chosen"].all()
    assert set(table["train_size"]) == {1079 + 359}


def test_a_diverged_seed_spoils_its_value():
    runs = sweep.expand(small(sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-4,1e-2"))
    rates = [run.numbers["optimizer.learning_rate"] for run in runs]
    scores = np.array([0.6, 0.9, 0.6, np.nan])
    assert rates == [1e-4, 1e-2, 1e-4, 1e-2]
    chosen = evaluation.choose(runs, scores, ("optimizer.learning_rate",))
    assert chosen.tolist() == [True, False, True, False]


@pytest.mark.parametrize("seeds", ["0,1,2", "2,1,0"])
def test_of_equals_the_first_is_chosen_in_whatever_order_seeds_come(seeds):
    sweep_ = f"route=linear;optimizer.learning_rate=1e-3,6e-3;seed={seeds}"
    runs = sweep.expand(small(sweep=sweep_))
    right = {1e-3: (333, 346, 350), 6e-3: (334, 345, 350)}  # as many, but not to the last bit
    rates = [run.numbers["optimizer.learning_rate"] for run in runs]
    scores = [right[rate][run.config.seed] / 359 for rate, run in zip(rates, runs, strict=True)]
    chosen = evaluation.choose(runs, np.array(scores), ("optimizer.learning_rate",))
    assert chosen.tolist() == [rate == 1e-3 for rate in rates]


def test_a_distortion_that_signals_do_not_know_is_one_clear_error():
    config = configs.default()
    config.steps, config.dataset.name, config.model.name = 1, "mnist1d", "mnist1d_mlp"
    config.augment.name = "affine"
    told = r"^augment='affine' on dataset.name='mnist1d': rotation=7.5: expected 0 for signals"
    with pytest.raises(UserError, match=told):
        planning.plan_all(sweep.group(sweep.expand(sweep.resolve(config))))


def on_signals(name, *, model="mnist1d_mlp", **ranges):
    """A launch on signals that is over at once."""
    config = configs.default()
    config.name, config.steps, config.batch_size = "signals", 3, 16
    config.dataset.name, config.model.name = "mnist1d", model
    config.augment.name = name
    config.augment.ranges = ranges
    config.invariance.transformations = ConfigDict({"noise": (0.5,)})
    config.invariance.initial, config.invariance.examples = False, 50
    return sweep.resolve(config)


def test_signals_are_trained_with_distortions_of_their_own(tmp_path):
    table = launch(on_signals("signals"), tmp_path / "signals")
    assert set(table["augment"]) == {"signals"}
    assert set(table["status"]) == {"done"}


def test_signals_have_pictures_too(tmp_path):
    config = on_signals("none", model="mnist1d_cnn")
    config.sweep = "dataset.name=mnist1d,mnist1d_shuffled"
    table = launch(sweep.resolve(config), tmp_path)
    pictures = np.load(tmp_path / "pictures.npz")
    (group,) = pictures["error_groups"]  # of one data set, though the others' numbers are the same
    own = table[(table["group"] == group) & (table["transformation"] == "none")].iloc[0]
    signals = data.load(own["dataset"], None).test.images
    assert len(pictures["error_index"]) == own["errors"]
    np.testing.assert_array_equal(pictures["error_images"], signals[pictures["error_index"]])
    np.testing.assert_array_equal(pictures["input"], signals[0])
    shapes = {name: pictures[name].shape for name in pictures if name[:3] in ("ker", "map")}
    assert shapes == {
        **{"kernel__00__conv1": (5, 1, 25), "kernel__01__conv2": (3, 25, 25)},
        **{"kernel__02__conv3": (3, 25, 25), "map__00__conv1": (19, 25)},
        **{"map__01__conv2": (10, 25), "map__02__conv3": (5, 25)},
    }
    text = page.write(tmp_path).read_text()
    assert "The test signals that each network misreads" in text
    assert "Networks tested on other signals than these are left out." in text
    assert text.count('class="tile drawn"') == min(own["errors"], 200)
    assert "down it the channels before" in text


def test_distortions_of_signals_on_images_are_one_clear_error():
    config = small(sweep="route=linear", choose=())
    config.augment.name = "signals"
    told = (
        r"^augment='signals' on dataset.name='digits': images of shape \(2, 28, 28, 1\): "
        r"expected \(batch, length, channels\) for gain$"
    )
    with pytest.raises(UserError, match=told):
        planning.plan_all(sweep.group(sweep.expand(config)))


def test_composed_operations_are_trained_with(tmp_path):
    config = small(sweep="route=linear;augment.strength=0,1", choose=())
    config.augment.name = "sequence"
    config.augment.ranges = {"translate_x": {"fraction": 0.1}, "brighten": {}}
    table = launch(config, tmp_path / "composed")
    assert set(table["augment"]) == {"sequence(translate_x,brighten)"}
    assert len(set(table["group"])) == 1
    assert set(table["status"]) == {"done"}


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"cutout": {"fraction": 2}}, "augment.ranges.cutout: fraction=2: expected"),
        (
            {"crop": {"new_size": (20, 20)}},
            "augment='sequence(crop)' on dataset.name='digits': examples of shape (28, 28, 1) "
            "become (20, 20, 1); expected the same",
        ),
    ],
)
def test_operations_that_do_not_fit_are_one_clear_error(ranges, message):
    config = small(sweep="route=linear", choose=())
    config.augment.name, config.augment.ranges = "sequence", ranges
    with pytest.raises(UserError) as error:
        planning.plan_all(sweep.group(sweep.expand(config)))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_distortions_of_images_on_signals_are_one_clear_error():
    told = r"^augment='standard' on dataset.name='mnist1d': images of shape \(2, 40, 1\): expected"
    with pytest.raises(UserError, match=told):
        planning.plan_all(sweep.group(sweep.expand(on_signals("standard"))))


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


@pytest.mark.parametrize("sizes", ["1079,0", "0,100,1079"])
def test_the_whole_training_set_under_two_names_is_one_clear_error(sizes):
    config = small(choose=(), sweep=f"route=linear;seed=0:2;dataset.train_size={sizes}")
    with pytest.raises(UserError, match=r"dataset.train_size=\d+: the same runs twice, for 0 st"):
        planning.plan_all(sweep.group(sweep.expand(config)))


def test_too_large_a_training_set_is_one_clear_error():
    config = small(choose=(), sweep="route=linear;dataset.train_size=5000")
    with pytest.raises(UserError, match=r"dataset.train_size=5000: digits has 1079"):
        planning.plan_all(sweep.group(sweep.expand(config)))
