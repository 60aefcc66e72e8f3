"""Every field with its default."""

import json

import pytest
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax.errors import UserError


def valid(**fields) -> ConfigDict:
    return configs.unflatten({"steps": 10, **{k.replace("__", "."): v for k, v in fields.items()}})


def test_the_default_lacks_nothing_but_a_duration():
    config = configs.default()
    with pytest.raises(UserError, match="epochs=0, steps=0: expected exactly one of the two > 0"):
        configs.validate(config)
    config.epochs = 1.0
    configs.validate(config)


def test_defaults_are_fresh_each_time():
    configs.default().model.options.width = 3
    assert "width" not in configs.default().model.options


def test_a_field_that_does_not_exist_cannot_be_set_in_a_file():
    config = configs.default()
    with pytest.raises(AttributeError, match="learning_rate"):
        config.optimizer.learning_rat = 1.0
    config.model.options.width = 3
    config.augment.ranges.rotation = 5.0
    config.invariance.transformations.shear = (0.1, 0.2)
    config.routes.plain = {"label": "Plain", "model": {"options": {"width": 2}}}


def test_routes_keep_their_order():
    config = configs.default()
    for name in "zebra", "ant", "mole":
        config.routes[name] = {"label": name}
    assert list(config.routes) == ["zebra", "ant", "mole"]
    assert list(json.loads(configs.to_json(config))["routes"]) == ["zebra", "ant", "mole"]


def test_every_member_gets_the_same_budget():
    whole, part = valid(steps=0, epochs=1.5), valid(steps=0, epochs=1.5, dataset__train_size=10)
    assert configs.steps(whole, 1000) == configs.steps(part, 1000) == 12  # 1,500 images by 128
    assert configs.steps(valid(steps=7), 1000) == 7
    assert configs.steps(valid(steps=0, epochs=0.001), 10) == 1
