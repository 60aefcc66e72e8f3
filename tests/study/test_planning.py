"""What groups of runs need: what they share, and the mistakes told before any is trained."""

import re

import flax.linen as linen
import numpy as np
import pytest
from launches import launch, on_signals, planned, small, untouched
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import data, nn, sweep, train
from cnnjax.errors import UserError
from cnnjax.study import flow, planning


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


@pytest.mark.parametrize("train_on", ["train", "train+validation"])
def test_groups_share_the_examples_that_they_are_trained_on(train_on):
    config = small(choose=(), sweep="route=*")
    config.dataset.train_on = train_on
    one, other = planning.plan_all(sweep.group(sweep.expand(config)))
    assert all(map(np.shares_memory, one.examples, other.examples))


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


@pytest.mark.parametrize("sizes", ["1079,0", "0,100,1079"])
def test_the_whole_training_set_under_two_names_is_one_clear_error(sizes):
    config = small(choose=(), sweep=f"route=linear;seed=0:2;dataset.train_size={sizes}")
    with pytest.raises(
        UserError, match=r"dataset.train_size=\d+: the same runs twice: train_size=0"
    ):
        planning.plan_all(sweep.group(sweep.expand(config)))


def test_too_large_a_training_set_is_one_clear_error():
    config = small(choose=(), sweep="route=linear;dataset.train_size=5000")
    with pytest.raises(UserError, match=r"dataset.train_size=5000: digits has 1079"):
        planning.plan_all(sweep.group(sweep.expand(config)))


def test_signals_have_no_corruptions():
    config = small(sweep="route=linear", choose=())
    config.dataset.name = "mnist1d"
    config.invariance.corruptions = ConfigDict({"fog": (1,)})
    with pytest.raises(UserError, match="corruptions=fog: mnist1d holds signals"):
        planning.plan_all(sweep.group(sweep.expand(config)))


def test_a_distortion_that_signals_do_not_know_is_one_clear_error():
    config = configs.default()
    config.steps, config.dataset.name, config.model.name = 1, "mnist1d", "mnist1d_mlp"
    config.augment.name = "affine"
    told = r"^augment='affine' on dataset.name='mnist1d': rotation=7.5: expected 0 for signals"
    with pytest.raises(UserError, match=told):
        planning.plan_all(sweep.group(sweep.expand(sweep.resolve(config))))


def test_distortions_of_images_on_signals_are_one_clear_error():
    told = r"^augment='standard' on dataset.name='mnist1d': images of shape \(2, 40, 1\): expected"
    with pytest.raises(UserError, match=told):
        planning.plan_all(sweep.group(sweep.expand(on_signals("standard"))))


def test_distortions_of_signals_on_images_are_one_clear_error():
    config = small(sweep="route=linear", choose=())
    config.augment.name = "signals"
    told = (
        r"^augment='signals' on dataset.name='digits': images of shape \(2, 28, 28, 1\): "
        r"expected \(batch, length, channels\) for gain$"
    )
    with pytest.raises(UserError, match=told):
        planning.plan_all(sweep.group(sweep.expand(config)))


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


@pytest.fixture
def real_digits(monkeypatch):
    """Another set of digits, of which only the test split holds anything."""
    honest = flow.data.load

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

    monkeypatch.setattr(flow.data, "load", load)


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
