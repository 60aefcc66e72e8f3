"""From text to axes, from axes to runs, from runs to groups; and who wins over whom."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import sweep
from cnnjax.errors import UserError


def experiment(text: str = "", routes: dict | None = None, **fields) -> ConfigDict:
    config = configs.unflatten(
        {"steps": 10, **{k.replace("__", "."): v for k, v in fields.items()}}
    )
    config.sweep = text
    for name, route in (routes or {}).items():
        config.routes[name] = route
    return config


def values(runs: list[sweep.Run], name: str) -> list:
    return [configs.flatten(run.config)[name] for run in runs]


ROUTES = {
    "mlp": {"label": "MLP", "family": "none", "model": {"name": "mlp800"}},
    "slow": {"label": "slow MLP", "model": {"name": "mlp800"}, "optimizer": {"learning_rate": 0.5}},
    "long": {"label": "LeNet-5", "epochs": 3.0, "model": {"name": "lenet5"}},
}


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("", {}),
        ("seed=3", {"seed": (3,)}),
        ("seed=0:3", {"seed": (0, 1, 2)}),
        ("seed=0:10:4", {"seed": (0, 4, 8)}),
        ("seed=0:2,7", {"seed": (0, 1, 7)}),
        ("augment.strength=0:1:0.25", {"augment.strength": (0, 0.25, 0.5, 0.75)}),
        ("augment.strength=0.1:0.4:0.1", {"augment.strength": (0.1, 0.2, 0.3)}),
        ("a.b=1e-3, 3E-3 ,-.5", {"a.b": (0.001, 0.003, -0.5)}),
        (" a = x ; b = true,False ;", {"a": ("x",), "b": (True, False)}),
        ("route=*", {"route": ("*",)}),
        ("a=x:y", {"a": ("x:y",)}),
    ],
)
def test_axes_are_read(text, axes):
    assert sweep.parse(text) == axes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed", "expected an axis as in NAME=VALUE,VALUE"),
        ("=1", "expected an axis"),
        ("seed=", "expected an axis"),
        ("seed=1,,2", "an empty value"),
        ("seed=1;seed=2", "the axis seed is given twice"),
        ("seed=0:3,1", "the value 1 is given twice"),
        ("seed=3:3", "the range 3:3 is empty"),
        ("seed=0:3:0", "the range 0:3:0 is empty"),
        ("seed=0:3:-1", "the range 0:3:-1 is empty"),
        ("augment.strength=0.5:1.5", "expected a range as in 0:5 or 0:1:0.25"),
        ("seed=0:1:2:3", "expected a range"),
    ],
)
def test_axes_that_cannot_be_read_are_quoted(text, words):
    with pytest.raises(UserError) as error:
        sweep.parse(text)
    assert str(error.value).startswith("sweep '")
    assert words in str(error.value)


def composed(*operations: str, text: str = "") -> ConfigDict:
    config = experiment(text, augment__name="sequence")
    config.augment.ranges = {name: {} for name in operations}
    return config


def test_the_order_of_operations_is_part_of_a_group_and_of_its_words():
    one, other = (
        sweep.group(sweep.expand(composed(*names, text="augment.strength=0,1,2")))
        for names in (("rotate", "jpeg"), ("jpeg", "rotate"))
    )
    assert len(one) == len(other) == 1
    assert len(one[0].members) == 3
    assert one[0].name != other[0].name
    assert one[0].name.startswith("lenet5_modern-sequence-")
    assert list(one[0].config.augment.ranges) == ["rotate", "jpeg"]
    words = [configs.augmentation(group.config.augment) for (group,) in (one, other)]
    assert words == ["sequence(rotate,jpeg)", "sequence(jpeg,rotate)"]


def test_the_order_inside_a_policy_among_operations_is_part_of_a_group_too():
    def first(*inner):
        config = experiment(augment__name="sequence")
        config.augment.ranges = {"one_of": {name: {} for name in inner}, "crop": {"padding": 2}}
        return sweep.group(sweep.expand(sweep.resolve(config)))[0]

    one, other = first("rotate", "jpeg"), first("jpeg", "rotate")
    assert one.name != other.name
    assert list(one.config.augment.ranges.to_dict()["one_of"]) == ["rotate", "jpeg"]
    words = [configs.augmentation(group.config.augment) for group in (one, other)]
    assert words == ["sequence(one_of(rotate,jpeg),crop)", "sequence(one_of(jpeg,rotate),crop)"]
    given = {"augment.ranges.one_of.fog.density": 0.3, "augment.ranges.cutout": {}}
    (run,) = sweep.expand(sweep.resolve(one.config, overrides=given))
    told = configs.augmentation(run.config.augment)
    assert told == "sequence(one_of(rotate,jpeg,fog),crop,cutout)"


def test_an_option_of_an_operation_is_an_axis():
    axis = "augment.ranges.cutout.fraction=0.2,0+0.5"
    runs = sweep.expand(composed("rotate", "cutout"), axes=sweep.parse(axis))
    assert values(runs, "augment.ranges.cutout.fraction") == [0.2, (0, 0.5)]
    assert [run.label for run in runs] == [
        "lenet5_modern, cutout fraction 0.2",
        "lenet5_modern, cutout fraction 0+0.5",
    ]
    assert all(list(run.config.augment.ranges) == ["rotate", "cutout"] for run in runs)
    # A pair on the command line takes the place of an axis.
    resolved = sweep.resolve(
        composed("cutout", text=axis), overrides={"augment.ranges.cutout.fraction": (0.1, 0.3)}
    )
    assert values(sweep.expand(resolved), "augment.ranges.cutout.fraction") == [(0.1, 0.3)]


def test_a_policy_given_with_an_axis_of_its_options_leaves_the_axis_in_routes():
    given = {"augment.name": "sequence", "augment.ranges.cutout.value": 1.0}
    axis = "augment.ranges.cutout.fraction=0.2,0.5"
    resolved = sweep.resolve(experiment("route=*", ROUTES), overrides=given, sweep=axis)
    runs = sweep.expand(resolved)
    assert values(runs, "augment.ranges.cutout.fraction") == [0.2, 0.5] * len(ROUTES)
    assert set(values(runs, "augment.ranges.cutout.value")) == {1.0}


def test_a_route_composes_its_own_operations():
    routes = {
        "a": ConfigDict({"augment": {"name": "one_of", "ranges": {"rotate": {}, "jpeg": {}}}}),
        "b": {"augment": {"name": "some_of", "ranges": {"most": 1, "fog": {"density": 0.2}}}},
    }
    runs = sweep.expand(sweep.resolve(experiment("route=*", routes)))
    assert [run.config.augment.ranges.to_dict() for run in runs] == [
        {"rotate": {}, "jpeg": {}},
        {"most": 1, "fog": {"density": 0.2}},
    ]
    assert list(runs[0].config.augment.ranges) == ["rotate", "jpeg"]


WORDS = st.from_regex(r"[a-z][a-z_0-9]{0,6}", fullmatch=True).filter(
    lambda word: word not in ("true", "false")
)
NUMBERS = st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False).map(
    lambda number: number + 0.0  # no negative zero
)


@given(st.dictionaries(WORDS, st.lists(WORDS | NUMBERS, min_size=1, unique=True).map(tuple)))
def test_axes_survive_being_written(axes):
    assert sweep.parse(sweep.written(axes)) == axes


@given(
    st.dictionaries(
        st.sampled_from(["seed", "optimizer.learning_rate", "batch_size", "augment.strength"]),
        st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True).map(tuple),
    )
)
def test_runs_are_the_product_of_the_axes_and_groups_share_their_structure(axes):
    runs = sweep.expand(experiment(augment__name="affine"), axes=axes)
    assert len(runs) == math.prod(map(len, axes.values()))
    points = {tuple(configs.flatten(run.config)[name] for name in axes) for run in runs}
    assert len(points) == len(runs)
    groups = sweep.group(runs)
    assert len(groups) == len(axes.get("batch_size", (1,)))
    for group in groups:
        shared = configs.flatten(group.config)
        assert not set(shared) & set(sweep.NUMERIC)
        for member in group.members:
            fields = configs.flatten(member.config)
            assert {k: v for k, v in fields.items() if k not in sweep.NUMERIC} == shared


def test_the_last_axis_is_the_fastest_and_members_keep_the_order():
    runs = sweep.expand(experiment("seed=0:2;batch_size=32,64;optimizer.learning_rate=0.1,0.2"))
    first = [
        (run.config.seed, run.config.optimizer.learning_rate)
        for run in runs
        if run.config.batch_size == 32
    ]
    assert first == [(0, 0.1), (0, 0.2), (1, 0.1), (1, 0.2)]
    group = sweep.group(runs)[0]
    assert [(m.config.seed, m.config.optimizer.learning_rate) for m in group.members] == first


def test_axes_of_the_command_line_replace_those_of_the_experiment():
    config = experiment("seed=0:3;batch_size=32,64")
    runs = sweep.expand(config, axes={"seed": (7,), "optimizer.learning_rate": (0.1, 0.2)})
    assert set(values(runs, "seed")) == {7}
    assert set(values(runs, "batch_size")) == {32, 64}
    assert set(values(runs, "optimizer.learning_rate")) == {0.1, 0.2}


def test_axes_of_words_and_features():
    runs = sweep.expand(experiment("model.name=linear,mlp800;features=none,deskew+hog"))
    assert values(runs, "features") == [(), ("deskew", "hog")] * 2
    assert [run.label for run in runs] == [
        "linear, none",
        "linear, deskew+hog",
        "mlp800, none",
        "mlp800, deskew+hog",
    ]
    assert {run.route for run in runs} == {""}
    assert [run.family for run in runs] == ["none", "features"] * 2


def test_fields_of_free_sections_can_be_swept():
    runs = sweep.expand(experiment("model.options.width=16,32", model__name="ladder_conv"))
    assert values(runs, "model.options.width") == [16, 32]
    assert [run.label for run in runs] == ["ladder_conv, width 16", "ladder_conv, width 32"]


def test_every_route_runs_in_the_order_declared():
    runs = sweep.expand(experiment("seed=0:2", ROUTES))
    assert [run.route for run in runs] == ["mlp", "mlp", "slow", "slow", "long", "long"]
    assert [run.label for run in runs[::2]] == ["MLP", "slow MLP", "LeNet-5"]
    assert sweep.expand(experiment("seed=0:2;route=*", ROUTES)) == runs


def test_routes_can_be_chosen():
    runs = sweep.expand(experiment("route=*", ROUTES), axes={"route": ("long", "mlp")})
    assert [run.route for run in runs] == ["long", "mlp"]


def test_routes_that_differ_in_numbers_alone_train_together():
    groups = sweep.group(sweep.expand(experiment("", ROUTES)))
    assert [[member.route for member in group.members] for group in groups] == [
        ["mlp", "slow"],
        ["long"],
    ]


def test_a_route_wins_over_the_file_and_its_axes():
    runs = sweep.expand(experiment("optimizer.learning_rate=1,2", ROUTES, epochs=0.0))
    rates = {run.route: [] for run in runs}
    for run in runs:
        rates[run.route].append(run.config.optimizer.learning_rate)
    assert rates == {"mlp": [1.0, 2.0], "slow": [0.5], "long": [1.0, 2.0]}
    long = next(run.config for run in runs if run.route == "long")
    assert (long.epochs, long.steps) == (3.0, 0)


def test_a_route_has_axes_of_its_own():
    routes = {"a": {"sweep": "optimizer.learning_rate=5,6,7"}, "b": {}}
    runs = sweep.expand(experiment("optimizer.learning_rate=1,2", routes))
    assert values(runs, "optimizer.learning_rate") == [5.0, 6.0, 7.0, 1.0, 2.0]


@pytest.mark.parametrize("sweep_axis", [False, True])
def test_the_command_line_wins_over_route_and_file(sweep_axis):
    routes = ROUTES | {"own": {"sweep": "optimizer.learning_rate=5,6,7"}}
    config = experiment("optimizer.learning_rate=1,2", routes)
    given = {"text": "optimizer.learning_rate=9"} if sweep_axis else {"field": 9}
    resolved = sweep.resolve(
        config,
        overrides={"optimizer.learning_rate": 9} if not sweep_axis else {},
        sweep=given.get("text", ""),
    )
    runs = sweep.expand(resolved)
    assert values(runs, "optimizer.learning_rate") == [9.0] * 4


def test_the_command_line_sets_the_duration_of_every_route():
    config = experiment("", ROUTES)
    for runs in (
        sweep.expand(sweep.resolve(config, overrides={"steps": 5})),
        sweep.expand(config, axes={"steps": (5,)}),
    ):
        assert [(run.config.steps, run.config.epochs) for run in runs] == [(5, 0.0)] * 3


def test_what_is_measured_is_set_for_all_routes_at_once():
    given = {"invariance.examples": 7, "invariance.corruptions.fog": (1,)}
    resolved = sweep.resolve(experiment("", ROUTES), overrides=given)
    runs = sweep.expand(resolved)
    assert values(runs, "invariance.examples") == [7] * 3
    assert values(runs, "invariance.corruptions.fog") == [(1,)] * 3
    assert sweep.resolve(resolved) == resolved


def test_another_model_on_the_command_line_leaves_no_options_of_the_old_one():
    routes = {"a": {"model": {"name": "ladder_conv", "options": {"width": 3}}}}
    config = experiment("", routes, model__options__width=5)
    (run,) = sweep.expand(sweep.resolve(config, overrides={"model.name": "linear"}))
    assert (run.config.model.name, run.config.model.options.to_dict()) == ("linear", {})
    (run,) = sweep.expand(config, axes={"model.name": ("linear",)})
    assert (run.config.model.name, run.config.model.options.to_dict()) == ("linear", {})


def test_a_network_named_on_the_command_line_takes_the_place_of_routes_that_name_theirs():
    config = experiment("route=*;seed=0:2", ROUTES)
    for runs in (
        sweep.expand(config, axes={"model.name": ("linear", "lenet5")}),
        sweep.expand(sweep.resolve(config, sweep="model.name=linear,lenet5")),
    ):
        assert values(runs, "model.name") == ["linear", "lenet5"] * 2
        assert [run.label for run in runs] == ["linear", "lenet5"] * 2
        assert {run.route for run in runs} == {""}
    (*runs,) = sweep.expand(sweep.resolve(config, overrides={"model.name": "linear"}))
    assert values(runs, "model.name") == ["linear"] * 2

    # Routes that are about something else, or that the command line names, stay.
    asked = sweep.expand(config, axes={"model.name": ("linear",), "route": ("mlp", "long")})
    assert [run.route for run in asked] == ["mlp", "mlp", "long", "long"]
    about_features = experiment("route=*", {"hog": {"features": ("hog",)}, "plain": {}})
    found = sweep.expand(about_features, axes={"model.name": ("linear", "lenet5")})
    assert [run.route for run in found] == ["hog", "hog", "plain", "plain"]


ABOUT_TRAINING = {
    "plain": {"label": "MLP", "family": "none"},
    "hog": {"label": "HOG", "family": "features", "features": ("hog",)},
    "moved": {"label": "moved", "family": "training", "augment": {"name": "affine"}},
}


@pytest.mark.parametrize(
    ("field", "value", "family"),
    [("augment.name", "randaugment", "training"), ("features", "deskew", "features")],
)
def test_distortions_and_features_take_the_place_of_routes_that_name_theirs(field, value, family):
    config = experiment("route=*", ABOUT_TRAINING, model__name="mlp800")
    for runs in (
        sweep.expand(sweep.resolve(config, overrides={field: value})),
        sweep.expand(sweep.resolve(config, sweep=f"{field}={value}")),
    ):
        assert [(run.label, run.family) for run in runs] == [("mlp800", family)]


def test_a_network_of_no_route_has_the_family_of_its_structure():
    def families(axes, **fields):
        return [run.family for run in sweep.expand(experiment(axes, **fields))]

    assert families("model.name=mlp800,lenet5_modern;augment.name=none,affine") == [
        *("none", "training"),
        *("structure", "combined"),
    ]
    assert families("model.name=lenet5;features=none,deskew") == ["structure", "combined"]
    # Of a strength of 0 nothing is distorted.
    axes = "augment.strength=0.0,1.0"
    strengths = experiment(axes, model__name="mlp800", augment__name="affine")
    assert [run.family for run in sweep.expand(strengths)] == ["none", "training"]
    declared = {"moved": {"family": "training", **ABOUT_TRAINING["moved"]}}
    moved = experiment(f"route=*;{axes}", declared, model__name="mlp800")
    assert [run.family for run in sweep.expand(moved)] == ["none", "training"]


def test_another_network_in_a_route_is_not_what_was_said_of_the_first():
    config = experiment("route=*", {"conv": {"family": "structure", "model": {"name": "lenet5"}}})
    (run,) = sweep.expand(sweep.resolve(config, overrides={"routes.conv.model.name": "mlp800"}))
    assert (run.config.model.name, run.family) == ("mlp800", "none")
    named = {"routes.conv.model.name": "mlp800", "routes.conv.family": "training"}
    (run,) = sweep.expand(sweep.resolve(config, overrides=named))
    assert run.family == "training", "what is said of the new one stays"


def test_what_is_set_for_one_route_wins_over_all_that_is_set_for_every_one():
    routes = {
        "one": {"model": {"name": "mlp800"}, "sweep": "augment.strength=0.5,2.0"},
        "other": {"model": {"name": "linear"}},
    }
    config = experiment("route=*;optimizer.learning_rate=0.1,0.2", routes, augment__name="affine")

    def told(name, **given):
        overrides = {key.replace("__", "."): value for key, value in given.items()}
        runs = sweep.expand(sweep.resolve(config, overrides=overrides))
        found = {}
        for run in runs:
            found.setdefault(run.route, set()).add(configs.flatten(run.config)[name])
        return found

    strength = told("augment.strength", routes__one__augment__strength=3.0)
    assert strength == {"one": {3.0}, "other": {1.0}}
    steps = told("steps", routes__one__steps=50, steps=5, epochs=0.0)
    assert steps == {"one": {50}, "other": {5}}
    network = told("model.name", routes__one__model__name="lenet5", model__name="linear")
    assert network == {"one": {"lenet5"}, "other": {"linear"}}
    rate = told("optimizer.learning_rate", routes__one__optimizer__learning_rate=0.5)
    assert rate == {"one": {0.5}, "other": {0.1, 0.2}}
    with pytest.raises(UserError, match=r"routes\.one\.steps: --sweep sets steps for every route"):
        sweep.resolve(config, overrides={"routes.one.steps": 3}, sweep="steps=1,2")
    with pytest.raises(UserError, match=r"routes\.one\.routes\.x: a route has no routes"):
        sweep.resolve(config, overrides={"routes.one.routes.x": 3})
    with pytest.raises(UserError, match=r"routes\.one\.sweep=3: expected axes"):
        sweep.resolve(config, overrides={"routes.one.sweep": 3})


def test_another_set_is_for_routes_that_do_not_differ_in_theirs():
    routes = {
        "plain": {"label": "MLP", "model": {"name": "mnist1d_mlp"}},
        "shuffled": {"label": "MLP, shuffled", "dataset": {"name": "mnist1d_shuffled"}},
    }
    config = experiment("route=*", routes, dataset__name="mnist1d")
    with pytest.raises(UserError, match=r"^dataset\.name: the routes .* --sweep='route=plain'"):
        sweep.resolve(config, overrides={"dataset.name": "digits"})
    (run,) = sweep.expand(
        sweep.resolve(config, overrides={"dataset.name": "digits"}, sweep="route=plain")
    )
    assert run.config.dataset.name == "digits"


def test_labels_and_families_say_what_chosen_routes_were_given():
    config = experiment("route=*", ABOUT_TRAINING)

    def told(**given):
        runs = sweep.expand(sweep.resolve(config, sweep="route=plain,hog,moved", overrides=given))
        return [(run.label, run.family) for run in runs]

    assert told() == [("MLP", "none"), ("HOG", "features"), ("moved", "training")]
    assert told(**{"augment.name": "affine"}) == [
        ("MLP, affine", "training"),
        ("HOG, affine", "combined"),
        ("moved", "training"),
    ]
    assert told(**{"augment.mix": "mixup"}) == [
        ("MLP, mixup", "training"),
        ("HOG, mixup", "combined"),
        ("moved, mixup", "training"),
    ]
    assert told(**{"augment.name": "none"})[2] == ("moved, no distortions", "training")
    # In one route; and a label of one's own stays.
    assert told(**{"routes.plain.features": "deskew"})[0] == ("MLP, deskew", "features")
    renamed = {"routes.plain.features": "deskew", "routes.plain.label": "mine"}
    assert told(**renamed)[0] == ("mine", "features")
    # A resolved configuration stands alone: nothing is told twice.
    resolved = sweep.resolve(config, overrides={"augment.mix": "mixup"})
    assert [run.label for run in sweep.expand(sweep.resolve(resolved))] == [
        "MLP, mixup",
        "HOG, mixup",
        "moved, mixup",
    ]


def test_strengths_are_for_what_is_distorted():
    config = experiment("route=*;augment.strength=0.5,1,2", ABOUT_TRAINING)
    runs = sweep.expand(config)
    strengths = [(run.route, run.config.augment.strength) for run in runs]
    assert strengths == [("plain", 0.5), ("hog", 0.5), ("moved", 0.5), ("moved", 1), ("moved", 2)]
    with pytest.raises(UserError, match="nothing is distorted; name what is"):
        sweep.expand(experiment("augment.strength=0.5,1"))


def test_one_route_can_be_changed_from_the_command_line():
    config = experiment("", ROUTES)
    runs = sweep.expand(sweep.resolve(config, overrides={"routes.slow.optimizer.learning_rate": 4}))
    assert values(runs, "optimizer.learning_rate") == [1e-3, 4.0, 1e-3]


def test_a_resolved_configuration_stands_alone():
    config = experiment(
        "seed=0:3;optimizer.learning_rate=1,2", ROUTES, choose=("optimizer.learning_rate",)
    )
    resolved = sweep.resolve(config, overrides={"batch_size": 7}, sweep="seed=0:2;route=slow,mlp")
    assert sweep.resolve(resolved) == resolved
    assert sweep.expand(resolved) == sweep.expand(sweep.resolve(resolved))
    assert [run.route for run in sweep.expand(resolved)][::2] == ["slow", "mlp", "mlp"]
    assert resolved.sweep == "seed=0,1;optimizer.learning_rate=1.0,2.0;route=slow,mlp"


def test_a_launch_leaves_its_experiment_alone():
    config = experiment("seed=0:3", ROUTES)
    before = config.copy_and_resolve_references()
    sweep.expand(sweep.resolve(config, overrides={"batch_size": 7}, sweep="seed=0:1"))
    assert config == before


def test_names_of_groups_are_stable_and_tell_structure():
    def names(**fields):
        return [group.name for group in sweep.group(sweep.expand(experiment("", **fields)))]

    (name,) = names(features=("deskew",), augment__name="affine")
    assert name.startswith("lenet5_modern-deskew-affine-")
    assert names(seed=5, optimizer__learning_rate=9.0, augment__strength=2.0) == names()
    assert names(title="words", layout="map", checkpoint_seconds=1.0) == names()
    assert names(batch_size=7) != names()
    assert names(invariance__examples=7) != names()


def test_the_name_of_a_group_is_the_same_in_every_release():
    # A changed name would make every workdir of an earlier release train anew: change it knowingly.
    (group,) = sweep.group(sweep.expand(experiment("seed=0:3", model__name="linear")))
    assert group.name == "linear-c147fb7b"


def test_numbers_of_a_run():
    (run,) = sweep.expand(experiment(seed=3, dataset__train_size=100))
    assert list(run.numbers) == list(sweep.NUMERIC)
    assert (run.numbers["seed"], run.numbers["dataset.train_size"]) == (3, 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "optimizer.learning_rat=1",
            "sweep optimizer.learning_rat: there is no such field; did you",
        ),
        ("batch_size=many", "batch_size='many': expected an integer"),
        ("augment.name=afine", "augment.name='afine': did you mean 'affine'"),
        ("layout=map,vmap", "sweep layout: holds for the whole launch; set it as --config.layout"),
        ("title=x", "sweep title: holds for the whole launch"),
        ("invariance.examples=5,6", "sweep invariance.examples: holds for the whole launch"),
        ("invariance.corruptions.fog=1,2", "sweep invariance.corruptions.fog: holds for the whole"),
        ("routes=mlp", "sweep routes: an axis is one field; routes are chosen by route=a,b"),
        ("routes.mlp.steps=5", "sweep routes.mlp.steps: not a field of a run"),
        ("route=mpl", "route='mpl': did you mean 'mlp'"),
        ("epochs=-1", "epochs=-1.0: expected a number ≥ 0"),
    ],
)
def test_axes_that_make_no_sense(text, words):
    with pytest.raises(UserError) as error:
        sweep.expand(experiment(text, ROUTES))
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (
            {"modle": {"name": "linear"}},
            "routes.bad.modle.name: there is no such field; did you mean",
        ),
        ({"family": "struct"}, "routes.bad.family='struct': did you mean 'structure'"),
        ({"layout": "map"}, "routes.bad.layout: holds for the whole launch"),
        (
            {"invariance": {"examples": 5}},
            "routes.bad.invariance.examples: holds for the whole launch",
        ),
        ({"batch_size": "many"}, "batch_size='many': expected an integer"),
        ({"sweep": "seeds=1"}, "sweep seeds: there is no such field; did you mean 'seed'"),
        ({"steps": 5, "epochs": 5.0}, "epochs=5, steps=5: expected exactly one of the two > 0"),
        (5, "routes.bad=5: expected a section of fields"),
    ],
)
def test_routes_that_make_no_sense(route, words):
    with pytest.raises(UserError) as error:
        sweep.expand(experiment("", {"bad": route}))
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("text", "momentum", "told"),
    [
        ("", 0.5, "0.5"),
        ("optimizer.momentum=0.9,0.5", 0.9, "0.5, 0.9"),
        ("optimizer.momentum=0.9,0.5;optimizer.name=adamw,sgd", 0.9, "0.5, 0.9"),
    ],
)
def test_a_momentum_that_nothing_reads_is_refused(text, momentum, told):
    with pytest.raises(UserError, match=rf"^optimizer.momentum={told}: adamw has none; expected"):
        sweep.expand(experiment(text, optimizer__momentum=momentum))


@pytest.mark.parametrize(
    ("text", "routes"),
    [
        ("optimizer.name=adamw,sgd", {}),
        ("", {name: {"optimizer": {"name": name}} for name in ("adamw", "sgd")}),
    ],
)
def test_a_momentum_that_one_of_two_optimizers_reads_is_meant(text, routes):
    runs = sweep.expand(experiment(text, routes, optimizer__momentum=0.5))
    assert values(runs, "optimizer.name") == ["adamw", "sgd"]


def test_routes_cannot_be_chosen_where_there_are_none():
    with pytest.raises(UserError, match="this experiment has no routes"):
        sweep.expand(experiment("route=mlp"))


def test_a_field_is_given_one_way():
    with pytest.raises(UserError, match=r"^seed: given both as --config\.seed and in --sweep"):
        sweep.resolve(experiment(), overrides={"seed": 1}, sweep="seed=0:2")


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (("batch_size",), "choose='batch_size': expected one of optimizer.learning_rate"),
        (("seed",), "choose='seed': seeds are repeated, not chosen"),
        (("dataset.train_size",), "choose='dataset.train_size': sizes of training sets are comp"),
        (("optimizer.weight_decay",), "choose='optimizer.weight_decay': is not swept"),
    ],
)
def test_validation_chooses_among_numeric_axes(choose, words):
    with pytest.raises(UserError) as error:
        sweep.expand(experiment("seed=0:2;batch_size=8,16", choose=choose))
    assert str(error.value).startswith(words)


def test_one_value_on_the_command_line_is_choice_enough():
    config = experiment("optimizer.learning_rate=1,2", choose=("optimizer.learning_rate",))
    runs = sweep.expand(sweep.resolve(config, overrides={"optimizer.learning_rate": 3}))
    assert values(runs, "optimizer.learning_rate") == [3.0]


@pytest.mark.parametrize(
    ("field", "value", "axis"),
    [
        ("epochs", 1.0, "steps=2,4"),
        ("model.options.width", 8, "model.name=mlp800,linear"),
        ("augment.ranges.rotation", 5.0, "augment.name=affine,none"),
    ],
)
def test_what_an_axis_makes_void_is_not_taken(field, value, axis):
    name = axis.partition("=")[0]
    told = rf"^{field}: --sweep sets {name}, which makes --config\.{field} void"
    with pytest.raises(UserError, match=told):
        sweep.resolve(experiment(), overrides={field: value}, sweep=axis)
