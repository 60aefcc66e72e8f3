"""What is read off a trained group: the choice on validation, then the test set, once."""

import json
import shutil
import threading
import time

import jax
import numpy as np
import pandas as pd
import pytest
from launches import launch, small, untouched
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import data, models, ops, results, sweep, train
from cnnjax.results import summaries
from cnnjax.study import evaluation, flow, planning

SPLITS = ["train", "validation", "test"]


@pytest.fixture(scope="module")
def retested(whole, tmp_path_factory):
    """That table, had every test label been the next digit's: the same networks, measured anew."""
    honest = flow.data.load

    def load(name, data_dir):
        dataset = honest(name, data_dir)
        mislabelled = dataset.test._replace(labels=(dataset.test.labels + 1) % 10)
        return dataset._replace(test=mislabelled)

    workdir = tmp_path_factory.mktemp("retested") / "again"
    shutil.copytree(whole[1], workdir)
    (workdir / "results.parquet").unlink()
    (workdir / "environment.json").unlink()  # which says that the examples were others
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow.report, "write", lambda workdir: workdir / "report.html")
        patch.setattr(flow.data, "load", load)
        return launch(small(), workdir)


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


def test_a_launch_measured_on_validation_never_sees_the_test_set(monkeypatch, tmp_path):
    honest = flow.data.load

    def load(name, data_dir):
        dataset = honest(name, data_dir)
        unseen = dataset.test._replace(labels=np.full_like(dataset.test.labels, 99))
        return dataset._replace(test=unseen)

    monkeypatch.setattr(flow.data, "load", load)
    table = launch(small(measure_on="validation", choose=()), tmp_path / "tuning")
    runs = untouched(table)
    assert set(table["split"]) == {"validation"}
    assert runs["accuracy"].tolist() == runs["validation_accuracy"].tolist()
    assert runs["accuracy"].min() > 0, "no network answers 99"
    predictions = results.read(tmp_path / "tuning" / "predictions.parquet")
    truth = honest("digits", None).validation.labels.tolist()
    for _, own in predictions.groupby(["group", "member"]):
        assert own.sort_values("index")["truth"].tolist() == truth


def test_training_on_validation_leaves_nothing_to_choose_by(tmp_path):
    config = small(choose=(), sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-2")
    config.dataset.train_on = "train+validation"
    table = launch(config, tmp_path)
    assert table["validation_accuracy"].isna().all()
    assert table["chosen"].all()
    assert set(table["train_size"]) == {1079 + 359}


@pytest.mark.parametrize("seeds", ["0,1,2", "2,1,0"])
def test_of_equals_the_first_is_chosen_in_whatever_order_seeds_come(seeds):
    sweep_ = f"route=linear;optimizer.learning_rate=1e-3,6e-3;seed={seeds}"
    runs = sweep.expand(small(sweep=sweep_))
    right = {1e-3: (333, 346, 350), 6e-3: (334, 345, 350)}  # as many, but not to the last bit
    rates = [run.numbers["optimizer.learning_rate"] for run in runs]
    scores = [right[rate][run.config.seed] / 359 for rate, run in zip(rates, runs, strict=True)]
    chosen = evaluation.choose(runs, np.array(scores), ("optimizer.learning_rate",))
    assert chosen.tolist() == [rate == 1e-3 for rate in rates]


def test_a_diverged_seed_spoils_its_value():
    runs = sweep.expand(small(sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-4,1e-2"))
    rates = [run.numbers["optimizer.learning_rate"] for run in runs]
    scores = np.array([0.6, 0.9, 0.6, np.nan])
    assert rates == [1e-4, 1e-2, 1e-4, 1e-2]
    chosen = evaluation.choose(runs, scores, ("optimizer.learning_rate",))
    assert chosen.tolist() == [True, False, True, False]


def test_a_diverged_value_loses_and_is_marked(tmp_path):
    config = small(sweep="route=linear;seed=0:2;optimizer.learning_rate=1e-2,3e38")
    table = launch(config, tmp_path)
    diverged = table[table["learning_rate"] > 1]
    assert set(diverged["status"]) == {"diverged"}
    assert not diverged["chosen"].any()
    assert table.loc[table["learning_rate"] < 1, "chosen"].all()


def test_what_the_last_update_broke_is_marked_too(tmp_path):
    # The loss of the only update is that of fresh weights; what it leaves is not finite.
    config = small(sweep="route=linear;seed=0:1;optimizer.learning_rate=3e38,1e-3", steps=1)
    config.optimizer.name, config.optimizer.momentum = "sgd", 0.0
    config.optimizer.schedule = "constant"
    config.optimizer.weight_decay = 10.0
    table = launch(config, tmp_path)
    assert set(table.loc[table["learning_rate"] > 1, "status"]) == {"diverged"}
    assert set(table.loc[table["learning_rate"] < 1, "status"]) == {"done"}


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


def test_the_seconds_of_a_group_are_shared_among_its_runs(observed):
    table, _, seen = observed
    for group, (_, trained) in seen.items():
        own = table[table["group"] == group]
        # Two seeds, two rates and two sizes trained together.
        np.testing.assert_allclose(8 * own["training_seconds"], trained.seconds)
        np.testing.assert_allclose(own["images_per_second"], 8 * 6 * 32 / trained.seconds)


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

    monkeypatch.setattr(evaluation, "measure", measure)
    few = data.load("digits", None)  # enough for eight layers of convolution
    few = few._replace(
        **{name: data.Split(*(each[:40] for each in getattr(few, name))) for name in SPLITS}
    )
    monkeypatch.setattr(flow.data, "load", lambda *_: few)
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
