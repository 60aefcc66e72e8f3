"""Networks read back from what a launch left."""

import shutil

import numpy as np
import pandas as pd
import pytest
from launches import small, untouched

from cnnjax import config as configs
from cnnjax import data, ops, trained
from cnnjax.errors import UserError


@pytest.fixture(scope="module")
def left(whole, tmp_path_factory):
    """The table and the folder of a launch, with the configuration that `workdir` writes."""
    table, workdir = whole
    folder = tmp_path_factory.mktemp("left") / "copy"
    shutil.copytree(workdir, folder)
    (folder / "config.json").write_text(configs.to_json(small()))
    return table, folder


@pytest.mark.parametrize(("route", "label"), [("linear", "linear"), ("mlp", "small MLP")])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [{}, {"train_size": 40}])
def test_a_network_guesses_as_its_launch_did(left, route, label, seed, size):
    table, workdir = left
    network = trained.load(workdir, route=route, seed=seed, **size)
    assert (network.label, network.class_names) == (label, tuple("0123456789"))
    test = data.load("digits").test
    guesses = np.argmax(network.predict(network.variables, ops.unit(test.images)), axis=1)
    rows = untouched(table)
    rows = rows[rows["chosen"] & (rows["route"] == route) & (rows["seed"] == seed)]
    own = rows[rows["train_size"] == size.get("train_size", rows["train_size"].max())]
    assert np.sum(guesses != test.labels) == own["errors"].item()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"route": "liner"}, "route='liner': did you mean 'linear'"),
        ({"route": "linear", "seed": 7}, "no run of linear with seed=7; there are {'seed': "),
        ({"route": "linear", "width": 7}, "numbers='width': "),
        (
            {"route": "linear", "learning_rate": 1.0},
            "no run of linear with seed=0, learning_rate=1",
        ),
    ],
)
def test_what_is_not_there_is_one_clear_error(left, run, message):
    with pytest.raises(UserError) as error:
        trained.load(left[1], **run)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_runs_that_the_arguments_leave_open_are_told(left, tmp_path):
    table, workdir = left
    shutil.copytree(workdir, tmp_path / "copy")
    stronger = table.assign(augment_strength=2.0, member=table["member"] + 100)
    pd.concat([table, stronger]).to_parquet(tmp_path / "copy" / "results.parquet")
    with pytest.raises(UserError, match=r"several runs of mlp .* {'augment_strength': "):
        trained.load(tmp_path / "copy", route="mlp")


@pytest.mark.parametrize(
    ("gone", "message"),
    [("config.json", "missing or corrupt"), ("checkpoints", "holds no checkpoint")],
)
def test_a_workdir_that_lacks_something_is_one_clear_error(left, tmp_path, gone, message):
    folder = tmp_path / "copy"
    shutil.copytree(left[1], folder)
    shutil.rmtree(folder / gone) if (folder / gone).is_dir() else (folder / gone).unlink()
    with pytest.raises(UserError, match=message):
        trained.load(folder, route="linear")
