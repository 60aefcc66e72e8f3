"""The arrays behind a report's pictures: whose insides are drawn, and which errors."""

import pathlib
import re
import shutil

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from launches import launch, on_signals, small
from ml_collections import ConfigDict

from cnnjax import data, models, nn, ops, results, sweep
from cnnjax.report import page
from cnnjax.study import evaluation, pictures, planning


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

    monkeypatch.setattr(evaluation, "measure", measure)
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


def test_of_two_seeds_in_the_middle_the_better_is_drawn(monkeypatch):
    told = {"even": ("digits", 100, (0.6, 0.8, 0.9, 0.7))}
    assert drawn_insides(monkeypatch, told)[1] == "Even, seed 1"


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
