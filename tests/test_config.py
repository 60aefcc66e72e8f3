"""Fields, their types, the layers of a configuration, and the errors of each."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax.errors import UserError


def valid(**fields) -> ConfigDict:
    return configs.unflatten({"steps": 10, **{k.replace("__", "."): v for k, v in fields.items()}})


def write(folder, body: str) -> str:
    path = folder / "study.py"
    path.write_text("from cnnjax import config as configs\n\n\ndef get_config(arg=None):\n" + body)
    return str(path)


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


def test_routes_keep_their_order():
    config = configs.default()
    for name in "zebra", "ant", "mole":
        config.routes[name] = {"label": name}
    assert list(config.routes) == ["zebra", "ant", "mole"]
    assert list(json.loads(configs.to_json(config))["routes"]) == ["zebra", "ant", "mole"]


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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 1.0}, "epochs=1, steps=10: expected exactly one of the two > 0"),
        ({"steps": -1}, "steps=-1: expected an integer ≥ 0"),
        ({"batch_size": 0}, "batch_size=0: expected an integer > 0"),
        ({"checkpoint_seconds": 0}, "checkpoint_seconds=0.0: expected a number > 0"),
        ({"optimizer.learning_rate": -1.0}, "optimizer.learning_rate=-1.0: expected a number ≥ 0"),
        ({"optimizer.learning_rate": float("nan")}, "optimizer.learning_rate=nan: expected"),
        ({"augment.strength": float("inf")}, "augment.strength=inf: expected a number ≥ 0"),
        ({"optimizer.momentum": 1.0}, "optimizer.momentum=1.0: expected a number < 1"),
        (
            {"optimizer.label_smoothing": 1.5},
            "optimizer.label_smoothing=1.5: expected a number ≤ 1",
        ),
        ({"optimizer.learning_rate": 1e39}, "optimizer.learning_rate=1e+39: expected a number ≤"),
        ({"batch_size": 2**31}, "batch_size=2147483648: expected an integer ≤ 2147483647"),
        ({"dataset.canvas": 200_000}, "dataset.canvas=200000: expected an integer ≤ 4096"),
        ({"published": (3,)}, "published=3: expected entries of an experiment file, each with"),
        ({"published": ({"label": "x"},)}, "published={'label': 'x'}: expected entries"),
        ({"dataset.label_noise": 2.0}, "dataset.label_noise=2.0: expected a number ≤ 1"),
        ({"dataset.train_size": -5}, "dataset.train_size=-5: expected an integer ≥ 0"),
        (
            {"dataset.normalise": "standart"},
            "dataset.normalise='standart': did you mean 'standard'",
        ),
        ({"dataset.train_on": "test"}, "dataset.train_on='test': "),
        ({"measure_on": "train"}, "measure_on='train': "),
        (
            {"measure_on": "validation", "dataset.train_on": "train+validation"},
            "measure_on='validation': expected dataset.train_on='train'",
        ),
        ({"optimizer.name": "adam"}, "optimizer.name='adam': did you mean 'adamw'"),
        ({"optimizer.schedule": "cosin"}, "optimizer.schedule='cosin': did you mean 'cosine'"),
        ({"layout": "vamp"}, "layout='vamp': did you mean 'vmap'"),
        ({"model.name": "lenet"}, "model.name='lenet': did you mean 'lenet5'"),
        ({"augment.name": "afine"}, "augment.name='afine': did you mean 'affine'"),
        (
            {"augment.name": "rotate"},
            "augment.name='rotate': is one operation; expected augment.name='sequence' and "
            "augment.ranges.rotate={}",
        ),
        ({"features": ("hogg",)}, "features='hogg': did you mean 'hog'"),
        (
            {"features": ("deskew, hog",)},
            "features='deskew, hog': expected a tuple of names, ('deskew', 'hog')",
        ),
        (
            {"invariance.transformations.rotatoin": (1.0,)},
            "invariance.transformations='rotatoin': did you mean 'rotation'",
        ),
        (
            {"invariance.transformations.rotation": "far"},
            "invariance.transformations.rotation='far': expected numbers, such as (1, 2)",
        ),
        (
            {"invariance.corruptions.frog": (1,)},
            "invariance.corruptions='frog': did you mean 'fog'",
        ),
        (
            {"invariance.corruptions.fog": (1.0, 3.0)},
            "invariance.corruptions.fog=(1.0, 3.0): expected some of 1, 2, 3, 4, 5",
        ),
        ({"invariance.corruptions.fog": (1, 1)}, "invariance.corruptions.fog=(1, 1): expected"),
        (
            {"invariance.corruptions.fog": (3, 6)},
            "invariance.corruptions.fog=(3, 6): expected some of 1, 2, 3, 4, 5",
        ),
    ],
)
def test_what_no_run_can_have_is_refused_by_name_and_value(fields, message):
    config = configs.unflatten({"steps": 10, **fields})
    with pytest.raises(UserError) as error:
        configs.validate(config)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_every_member_gets_the_same_budget():
    whole, part = valid(steps=0, epochs=1.5), valid(steps=0, epochs=1.5, dataset__train_size=10)
    assert configs.steps(whole, 1000) == configs.steps(part, 1000) == 12  # 1,500 images by 128
    assert configs.steps(valid(steps=7), 1000) == 7
    assert configs.steps(valid(steps=0, epochs=0.001), 10) == 1


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


def test_an_experiment_is_loaded_and_named(tmp_path):
    source = write(
        tmp_path, "    config = configs.default()\n    config.title = str(arg)\n    return config\n"
    )
    assert (configs.load(source).name, configs.load(source).title) == ("study", "None")
    config = configs.load(source + ":one two/3")
    assert (config.name, config.title) == ("study-one_two_3", "one two/3")


def test_a_missing_experiment_suggests_its_neighbour(tmp_path):
    source = write(tmp_path, "    return configs.default()\n")
    with pytest.raises(UserError, match=r"there is no file .*; did you mean .*study\.py\?"):
        configs.load(source.replace("study", "studdy") + ":arg")
    (tmp_path / "speed.py").write_text("print('a script that defines no experiment')")
    with pytest.raises(UserError, match=r"there is no file .*speeds\.py; --list shows the exper"):
        configs.load(str(tmp_path / "speeds.py"))


def test_a_misspelt_field_in_an_experiment_names_the_line(tmp_path):
    source = write(
        tmp_path, "    config = configs.default()\n    config.optimizer.learning_rat = 1\n"
    )
    with pytest.raises(
        UserError, match=r"study\.py:6: .*'learning_rat'; did you mean 'opt"
    ) as error:
        configs.load(source)
    assert "\n" not in str(error.value)


def test_the_line_is_named_of_a_relative_path_too(tmp_path, monkeypatch):
    write(tmp_path, "    config = configs.default()\n    config.optimizer.learning_rat = 1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^study\.py:6: "):
        configs.load("study.py")


def test_a_value_of_another_type_in_an_experiment_names_the_line(tmp_path):
    source = write(tmp_path, "    config = configs.default()\n    config.batch_size = 'many'\n")
    with pytest.raises(UserError, match=r"study\.py:6: .*batch_size"):
        configs.load(source)


def test_other_errors_of_an_experiment_stay_what_they_are(tmp_path):
    with pytest.raises(AttributeError, match="no_such_function"):
        configs.load(write(tmp_path, "    return configs.no_such_function()\n"))


@pytest.mark.parametrize("body", ["    return 5\n", "    return None\n"])
def test_an_experiment_must_give_a_configuration(tmp_path, body):
    with pytest.raises(UserError, match="expected a ConfigDict"):
        configs.load(write(tmp_path, body))


def test_a_file_without_get_config_is_no_experiment(tmp_path):
    (tmp_path / "study.py").write_text("x = 1\n")
    with pytest.raises(UserError, match=r"does not define get_config"):
        configs.load(str(tmp_path / "study.py"))


@pytest.mark.parametrize("field", ["transformations.rotation", "corruptions.fog"])
def test_a_single_magnitude_is_a_series_of_one(field):
    assert configs.coerce(f"invariance.{field}", 3) == (3,)


@pytest.mark.parametrize(
    ("parameters", "colon", "told"),
    [("", ":foo", "takes no argument"), ("arg", "", "expects an argument, as in .*:ARG")],
)
def test_an_argument_that_an_experiment_does_not_take(tmp_path, parameters, colon, told):
    path = tmp_path / "own.py"
    path.write_text(f"def get_config({parameters}):\n    raise AssertionError\n")
    with pytest.raises(UserError, match=rf"^--config={path}{colon}: {path} {told}$"):
        configs.load(f"{path}{colon}")
