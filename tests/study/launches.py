"""Small studies, their plans, and what a whole launch of one leaves."""

from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import results, study, sweep
from cnnjax.study import planning


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


def planned(**fields):
    """The plans of a launch on the digits; what a field of `dataset` says is given as is."""
    config = small(choose=(), sweep="route=linear;seed=0:2")
    for name, value in fields.items():
        config.dataset[name] = value
    return planning.plan_all(sweep.group(sweep.expand(config)))


def launch(config, workdir):
    """The results of a configuration, launched in a folder of its own or once more."""
    workdir.mkdir(exist_ok=True)
    study.run(planning.plan_all(sweep.group(sweep.expand(config))), config, workdir=workdir)
    return results.read(workdir / "results.parquet")


def untouched(table):
    """One row a run: what is said of the trained network on images as they are."""
    return table[~table["initial"] & (table["transformation"] == "none")]
