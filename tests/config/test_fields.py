"""Fields by their dotted names: their types, their layers, and what differs of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax.errors import UserError


def valid(**fields) -> ConfigDict:
    return configs.unflatten({"steps": 10, **{k.replace("__", "."): v for k, v in fields.items()}})


def test_flattened_and_back():
    config = valid(model__options__width=3, features=("hog",), augment__ranges__rotation=2.5)
    assert configs.unflatten(configs.flatten(config)) == config


COMPOSED = {"rotate": {"degrees": (-5, 5)}, "jpeg": {}, "cutout": {"value": 0.0, "fraction": 0.3}}


def test_operations_keep_their_order_and_their_defaults():
    config = valid(augment__name="sequence")
    config.augment.ranges = COMPOSED
    there_and_back = configs.unflatten(configs.flatten(config))
    assert there_and_back.augment.ranges.to_dict() == COMPOSED
    assert list(there_and_back.augment.ranges) == ["rotate", "jpeg", "cutout"]
    written = json.loads(configs.to_json(there_and_back))
    assert list(written["augment"]["ranges"]) == ["rotate", "jpeg", "cutout"]
    assert configs.difference(written, there_and_back) is None


def test_a_workdir_of_another_order_of_operations_is_another():
    config, other = valid(augment__name="sequence"), valid(augment__name="sequence")
    for name in COMPOSED:
        config.augment.ranges[name] = COMPOSED[name]
    for name in reversed(COMPOSED):
        other.augment.ranges[name] = COMPOSED[name]
    told = configs.difference(json.loads(configs.to_json(config)), other)
    assert told == (
        "augment.ranges.rotate, augment.ranges.jpeg, augment.ranges.cutout there, "
        "augment.ranges.cutout, augment.ranges.jpeg, augment.ranges.rotate here"
    )


def test_a_field_has_no_fields():
    with pytest.raises(UserError, match=r"augment.ranges.jpeg is 3, not a section"):
        configs.unflatten({"augment.ranges.jpeg": 3, "augment.ranges.jpeg.quality": 5})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("batch_size", 64.0, 64),
        ("epochs", 2, 2.0),
        ("features", "none", ()),
        ("dataset.test_on", "mnist", "mnist"),
        ("features", "deskew+hog", ("deskew", "hog")),
        ("features", ["deskew+hog"], ("deskew", "hog")),
        ("invariance.initial", False, False),
        ("model.options.width", 7, 7),
        ("invariance.transformations.shear", [0.1], (0.1,)),
        ("augment.ranges.rotate.degrees", "-3+0.5", (-3, 0.5)),
        ("augment.ranges.rotate.degrees", "1e-3+1e+2", (0.001, 100.0)),
        ("augment.ranges.rotate.border", "edge", "edge"),
    ],
)
def test_values_take_the_type_of_their_field(name, value, expected):
    result = configs.coerce(name, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("field", ["transformations.rotation", "corruptions.fog"])
def test_a_single_magnitude_is_a_series_of_one(field):
    assert configs.coerce(f"invariance.{field}", 3) == (3,)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("batch_size", 1.5, "an integer"),
        ("batch_size", True, "an integer"),
        ("batch_size", "many", "an integer"),
        ("epochs", "long", "a number"),
        ("invariance.initial", 1, "true or false"),
        ("model.name", 5, "a word"),
        ("features", 5, "names, as in a+b or none"),
    ],
)
def test_values_of_another_type_are_refused(name, value, words):
    with pytest.raises(UserError) as error:
        configs.coerce(name, value)
    assert str(error.value) == f"{name}={value!r}: expected {words}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("optimizer.learning_rat", "did you mean 'optimizer.learning_rate'"),
        ("modle.name", "did you mean 'model.name'"),
        ("learning_rate", "did you mean 'optimizer.learning_rate'"),
        ("optimizer", "is a section; set one of its fields: optimizer.name,"),
        ("model.options", "is a section; set a field of it, as in model.options.KEY=VALUE"),
        ("qqqq", "the fields are name, "),
    ],
)
def test_unknown_fields_are_answered_with_the_nearest(name, hint):
    with pytest.raises(UserError) as error:
        configs.check_name(name)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("below", "above", "expected"),
    [
        ({"epochs": 5.0}, {"steps": 10}, {"steps": 10}),
        ({"steps": 10}, {"epochs": 5.0}, {"epochs": 5.0}),
        # A zero does not set a duration, so it does not unset the other one.
        ({"steps": 10}, {"epochs": 0.0}, {"steps": 10, "epochs": 0.0}),
        (
            {"model.name": "a", "model.options.width": 3},
            {"model.name": "b", "model.options.depth": 2},
            {"model.name": "b", "model.options.depth": 2},
        ),
        (
            {"model.name": "a", "model.options.width": 3},
            {"model.name": "a"},
            {"model.name": "a", "model.options.width": 3},
        ),
        (
            {"augment.name": "a", "augment.ranges.r": 1},
            {"augment.name": "b"},
            {"augment.name": "b"},
        ),
    ],
)
def test_what_is_laid_over_takes_away_what_it_makes_meaningless(below, above, expected):
    assert configs.overlay(below, above) == expected


FIELDS = st.dictionaries(
    st.sampled_from(["seed", "epochs", "steps", "model.name", "model.options.width", "batch_size"]),
    st.integers(0, 3),
)


@given(FIELDS, FIELDS)
def test_the_upper_layer_always_wins(below, above):
    result = configs.overlay(below, above)
    assert above.items() <= result.items()
    assert set(result) <= set(below) | set(above)
    assert configs.overlay(result, above) == result


def test_the_first_difference_is_named_and_words_do_not_count():
    old = json.loads(configs.to_json(valid(title="Old", checkpoint_seconds=1.0)))
    assert configs.difference(old, valid(title="New", checkpoint_seconds=9.0)) is None
    assert configs.difference(old, valid(batch_size=64)) == "batch_size=128 there, 64 here"
    more = valid(model__options__width=3)
    assert configs.difference(old, more) == "model.options.width=(not set) there, 3 here"
    less = json.loads(configs.to_json(more))
    assert configs.difference(less, valid()) == "model.options.width=3 there, (not set) here"


def test_json_holds_tuples_of_sections():
    config = configs.default()
    config.published = (ConfigDict({"label": "LeNet-5", "error": 0.95}),)
    assert json.loads(configs.to_json(config))["published"] == [{"label": "LeNet-5", "error": 0.95}]
