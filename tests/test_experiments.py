"""Every experiment can be launched as its docstring says."""

import ast
import pathlib
import re
import runpy

import pytest

from cnnjax import config as configs
from cnnjax import models, sweep
from cnnjax.errors import UserError

EXPERIMENTS = pathlib.Path(__file__).resolve().parents[1] / "experiments"
STUDIES = [path for path in sorted(EXPERIMENTS.glob("*.py")) if "get_config" in path.read_text()]
SOURCES = []
for path in STUDIES:
    words = ast.get_docstring(ast.parse(path.read_text())) or ""
    SOURCES.append(f"experiments/{path.name}")
    SOURCES += re.findall(rf"--config=(experiments/{path.name}:\w+)", words)


def runs(source):
    return sweep.expand(sweep.resolve(configs.load(str(EXPERIMENTS.parent / source))))


@pytest.mark.parametrize("source", SOURCES)
def test_every_run_of_it_is_valid(source):
    expanded = runs(source)
    seeds = {run.config.seed for run in expanded}
    assert len(seeds) >= 3, f"{source}: expected an interval, from 3 seeds or more"
    assert all(run.label and run.family for run in expanded)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_an_unknown_argument_is_one_clear_error(path):
    with pytest.raises(UserError, match="nonsense"):
        runs(f"experiments/{path.name}:nonsense")


@pytest.mark.parametrize("source", [each for each in SOURCES if "mnist" in pathlib.Path(each).name])
def test_published_figures_stand_beside_a_route_of_their_own(source):
    config = configs.load(str(EXPERIMENTS.parent / source))
    labels = {section.label for section in config.routes.values()}
    for item in config.published:
        assert item["source"]
        assert item["dataset"] in {config.dataset.name} | {
            section.get("dataset", {}).get("name") for section in config.routes.values()
        }
        # Others' networks and people, who have no route here, are told by their names.
        assert item["label"] in labels or item["label"].split(",")[0] in ("GRU", "human")


def test_every_published_error_of_mnist_is_set_beside_a_network():
    source = EXPERIMENTS / "mnist_errors.py"
    module = runpy.run_path(str(source))
    compared = [
        item["label"]
        for family in module["FAMILIES"]
        for item in configs.load(f"{source}:{family}").published
    ]
    assert sorted(compared) == sorted(label for label, *_ in module["PUBLISHED"])


def test_the_study_holds_every_route_and_rung():
    labels = {run.route: run for run in runs("experiments/invariance.py")}
    assert {run.family for run in labels.values()} == set(configs.FAMILIES)
    names = {run.config.model.name for run in labels.values()}
    assert {name for name in models.NAMES if name.startswith("ladder_")} <= names
    strengths = {
        run.config.augment.strength
        for run in runs("experiments/invariance.py")
        if run.config.augment.name != "none"
    }
    assert len(strengths) >= 3


def test_routes_differ_in_nothing_but_what_they_are_about():
    budgets = {
        (run.config.steps, run.config.batch_size) for run in runs("experiments/invariance.py")
    }
    assert len(budgets) == 1
