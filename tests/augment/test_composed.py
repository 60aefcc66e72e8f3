"""Policies that a configuration composes of operations by name."""

import functools

import jax
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.augment import composed
from cnnjax.errors import UserError

KEY = jax.random.key(0)
MOTIONS = {
    "horizontal_flip": {"probability": 1},
    "rotate": {"degrees": (-30, 30)},
    "scale": {"factor": 0.8},
    "elastic": {"alpha": 10},
}


def batch(count=6):
    images = np.random.default_rng(0).random((count, 12, 10, 3)).astype(np.float32)
    return images, np.zeros(count, np.int32)


def made(name, told, strength=1.0):
    return np.asarray(jax.jit(augment.build(name, **told))(KEY, *batch(), strength))


def resamples(policy):
    """How often its program reads at places that it computes, calls of shared parts told apart."""

    def gathers(part):
        if hasattr(part, "jaxpr"):
            part = part.jaxpr
        if isinstance(part, tuple | list):
            return sum(map(gathers, part))
        return sum(
            (step.primitive.name == "gather") + gathers(list(step.params.values()))
            for step in getattr(part, "eqns", ())
        )

    return gathers(jax.make_jaxpr(policy)(KEY, *batch()))


def test_operations_run_in_the_order_given():
    dark = {"brighten": {"offset": -1.0}}
    inverted = {"invert": {"probability": 1.0}}
    np.testing.assert_array_equal(made("sequence", {**dark, **inverted}), 1.0)
    np.testing.assert_array_equal(made("sequence", {**inverted, **dark}), 0.0)


def test_neighbouring_motions_are_one_resample():
    single = resamples(augment.build("sequence", rotate={}))
    geometry = {"rotate": {}, "scale": {}, "shear_y": {}, "vertical_flip": {}, "translate_x": {}}
    assert single > 0
    assert resamples(augment.build("sequence", **geometry)) == single
    apart = {"rotate": {}, "brighten": {}, "scale": {}}
    assert resamples(augment.build("sequence", **apart)) == 2 * single
    borders = {"rotate": {}, "scale": {"border": "edge"}}
    assert resamples(augment.build("sequence", **borders)) > single
    flips = {"horizontal_flip": {}, "vertical_flip": {}}
    assert resamples(augment.build("sequence", **flips)) == 0


def test_the_one_resample_is_the_move_of_all_of_them():
    draws = (
        functools.partial(augment.draw_horizontal_flip, probability=1),
        functools.partial(augment.draw_rotate, degrees=(-30, 30)),
        functools.partial(augment.draw_scale, factor=0.8),
        functools.partial(augment.draw_elastic, alpha=10),
    )
    move = functools.partial(augment.move, draws=draws, border="reflect")
    told = {name: {**options, "border": "reflect"} for name, options in MOTIONS.items()}
    del told["horizontal_flip"]["border"]  # it reads no border, and joins any
    expected = jax.jit(augment.Sequence((move,)))(KEY, *batch(), 0.7)
    np.testing.assert_array_equal(made("sequence", told, 0.7), expected)


@pytest.mark.parametrize("name", ["crop", "rotate"])
def test_a_motion_keeps_its_border_beside_one_of_another(name):
    options = {"crop": {"padding": 2, "position": 0.0}, "rotate": {"degrees": 0.0}}
    options[name]["border"] = "edge"
    white = np.ones((2, 12, 10, 1), np.float32)
    out = augment.build("sequence", **options)(KEY, white, np.zeros(2, np.int32))
    expected = np.ones_like(white)
    if name == "rotate":  # the crop's rim is black, whatever the rotation reads beyond it
        expected[:, :2] = expected[:, :, :2] = 0
    np.testing.assert_array_equal(out, expected)


def test_a_crop_of_the_same_border_joins_the_resample():
    options = {"crop": {"padding": 2, "border": "edge"}, "rotate": {"border": "edge"}}
    assert resamples(augment.build("sequence", **options)) == resamples(
        augment.build("sequence", rotate={"border": "edge"})
    )


def test_one_of_gives_each_image_one_of_them():
    told = {"brighten": {"offset": -1.0}, "invert": {"probability": 1.0}}
    images, _ = batch()
    out = made("one_of", told)
    dark = (out == 0).all(axis=(1, 2, 3))
    inverted = np.isclose(out, 1 - images).all(axis=(1, 2, 3))
    assert (dark ^ inverted).all()
    assert dark.sum() == inverted.sum() == 3


def test_some_of_takes_its_bounds_beside_the_operations():
    told = {"brighten": {"offset": -1.0}, "invert": {"probability": 1.0}}
    images, _ = batch()
    np.testing.assert_array_equal(made("some_of", {"most": 0, **told}), images)
    np.testing.assert_array_equal(made("some_of", {**told, "least": 2}), 1.0)


@pytest.mark.parametrize("name", ["sequence", "one_of", "some_of"])
def test_another_strength_compiles_nothing_and_none_changes_nothing(name):
    told = {**MOTIONS, "gaussian_blur": {"sigma": [0.5, 2]}, "cutout": {"fraction": 0.3}}
    policy, traces = augment.build(name, **told), []

    @jax.jit
    def compiled(strength):
        traces.append(None)
        return policy(KEY, *batch(), strength)

    none, half, whole = (np.asarray(compiled(strength)) for strength in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(none, batch()[0])
    assert np.abs(half - none).max() > 0.05
    assert np.any(half != whole)
    assert len(traces) == 1


def test_policies_stand_among_operations():
    images, labels = batch()
    told = {"brighten": {"offset": -1.0}, "one_of": {"invert": {"probability": 1.0}, "grey": {}}}
    out = made("sequence", told)
    white, black = (np.all(out == value, axis=(1, 2, 3)) for value in (1, 0))
    assert white.sum() == black.sum() == 3, "of black images half are inverted"
    # Bounds are those of the policy that they stand in.
    both = {"least": 2, "brighten": {"offset": -1.0}, "grey": {}}
    inner = {"some_of": both, "invert": {"probability": 1.0}}
    np.testing.assert_array_equal(made("sequence", inner), 1.0)
    # A named one is what it is alone, with its own fields.
    alone = jax.jit(augment.Sequence((augment.build("affine", rotation=90.0),)))
    expected = alone(KEY, images, labels)
    np.testing.assert_array_equal(made("sequence", {"affine": {"rotation": 90.0}}), expected)


def test_policies_among_operations_share_the_strength_and_compile_once():
    told = {"crop": {"padding": 2}, "randaugment": {}, "some_of": {"fog": {}, "affine": {}}}
    policy, traces = augment.build("sequence", **told), []

    @jax.jit
    def compiled(strength):
        traces.append(None)
        return policy(KEY, *batch(), strength)

    np.testing.assert_array_equal(compiled(0.0), batch()[0])
    assert np.abs(compiled(1.0) - batch()[0]).max() > 0.05
    assert len(traces) == 1


def test_motions_around_a_policy_stay_apart():
    around = {"rotate": {}, "sequence": {"brighten": {}}, "scale": {}}
    assert resamples(augment.build("sequence", **around)) == 2 * resamples(
        augment.build("sequence", rotate={})
    )


def test_an_operation_on_signals_is_composed_like_any():
    signals = np.random.default_rng(0).normal(size=(4, 40, 1)).astype(np.float32)
    labels = np.zeros(4, np.int32)
    policy = augment.build("sequence", gain={"decibels": 20.0}, shift={"fraction": 0.0})
    np.testing.assert_allclose(policy(KEY, signals, labels), 10 * signals, rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"expected \(batch, height, width, channels\) for rotate$"
    ):
        augment.build("sequence", rotate={})(KEY, signals, labels)


def test_a_scene_takes_the_fields_of_its_randomisation():
    still = {"distractors": 0, "relief": 0.0, "scale": [1.0, 1.0]}
    programs = [
        str(jax.make_jaxpr(policy)(KEY, *batch(), 0.5))
        for policy in (
            augment.build("sequence", in_scene=still),
            augment.build("scenes", **still),
            augment.build("sequence", in_scene={}),
        )
    ]
    assert programs[0] == programs[1] != programs[2]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "augment.ranges: expected operations for sequence, such as"),
        ({"rotat": {}}, "augment.ranges='rotat': did you mean 'rotate'? Known: gaussian_blur,"),
        ({"move": {}}, "augment.ranges='move': "),
        ({"least": 1, "jpeg": {}}, "augment.ranges='least': "),
        ({"rotate": {"degree": 3}}, "augment.ranges.rotate='degree': did you mean 'degrees'?"),
        ({"rotate": {"strength": 3}}, "augment.ranges.rotate='strength': "),
        ({"rotate": 3}, "augment.ranges.rotate=3: expected its options, or {} for the defaults"),
        (
            {"rotate": {"degrees": "wide"}},
            "augment.ranges.rotate.degrees='wide': expected a number or a pair (low, high)",
        ),
        ({"rotate": {"degrees": (1, 2, 3)}}, "expected a number or a pair (low, high)"),
        ({"rotate": {"degrees": True}}, "degrees=True: expected a number or a pair (low, high)"),
        ({"invert": {"probability": (0, 1)}}, "invert.probability=(0, 1): expected a number"),
        ({"shift": {"circular": 1}}, "shift.circular=1: expected true or false"),
        ({"superpixel": {"segments": 2.5}}, "superpixel.segments=2.5: expected a whole number"),
        ({"rotate": {"border": 0}}, "rotate.border=0: expected a word"),
        ({"crop": {"new_size": 3}}, "crop.new_size=3: expected a pair of whole numbers or None"),
        ({"in_scene": {"reliff": 0}}, "augment.ranges.in_scene='reliff': did you mean 'relief'?"),
        ({"in_scene": {"relief": 2}}, "augment.ranges.in_scene: relief=2: expected"),
        (
            {"one_of": {"some_of": {"rotat": {}}}},
            "augment.ranges.one_of.some_of='rotat': did you mean 'rotate'?",
        ),
        (
            {"one_of": {}},
            "augment.ranges.one_of: expected operations for one_of, such as "
            "augment.ranges.one_of.rotate.degrees=15 or",
        ),
        ({"affine": {"rotation": -3}}, "augment.ranges.affine: rotation=-3: expected"),
        ({"one_of": 3}, "augment.ranges.one_of=3: expected its options"),
        ({"affine": {"rotatio": 3}}, "augment.ranges.affine='rotatio': did you mean 'rotation'?"),
        ({"randaugment": {"n": 2}}, "augment.ranges.randaugment={'n': 2}: expected none for"),
        ({"none": {}}, "augment.ranges='none': "),
        (
            {"one_of": {"cutout": {"fraction": 2}}},
            "augment.ranges.one_of.cutout: fraction=2: expected",
        ),
        # What only the operation knows is told when it is called.
        ({"cutout": {"fraction": 2}}, "augment.ranges.cutout: fraction=2: expected"),
        ({"jpeg": {"quality": (90, 10)}}, "augment.ranges.jpeg: quality=(90, 10): expected"),
        ({"invert": {"probability": 2}}, "augment.ranges.invert: probability=2: expected"),
        ({"rotate": {}, "scale": {"factor": -1}}, "augment.ranges.scale: factor=-1: expected"),
        ({"rotate": {"border": "wall"}}, "augment.ranges.rotate: border='wall': "),
        (
            {"rotate": {"border": "wall"}, "shear_x": {"border": "wall"}},
            "augment.ranges.rotate+shear_x: border='wall': ",
        ),
        ({"in_scene": {"full": 2.0}}, "full=2.0: expected a number in (0, 1]"),
        ({"scenes": {"full": "x"}}, "full='x': expected a number in (0, 1]"),
    ],
)
def test_what_cannot_be_composed_is_one_clear_error(told, words):
    with pytest.raises(UserError) as error:
        jax.eval_shape(augment.build("sequence", **told), KEY, *batch())
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"least": 1}, "expected operations for some_of"),
        ({"least": 3, "jpeg": {}}, "augment.ranges: least=3, most=None: expected 0 ≤ least"),
        ({"most": 0.5, "jpeg": {}}, "augment.ranges.most=0.5: expected a whole number"),
    ],
)
def test_bounds_of_some_of_are_checked(told, words):
    with pytest.raises(UserError) as error:
        augment.build("some_of", **told)
    assert words in str(error.value)


def test_operations_of_any_signature_can_be_composed(monkeypatch):
    def shade(key, image, *, amount: float = 0.5, tint: list | None = None, plain=1, strength=1.0):
        return image * (1 - amount * strength)

    monkeypatch.setitem(composed.OPERATIONS, "shade", shade)
    policy = augment.build("sequence", shade={"amount": 1, "tint": None, "plain": 2})
    images = np.ones((2, 4, 4, 1), np.float32)
    np.testing.assert_allclose(policy(jax.random.key(0), images, None, 0.25), 0.75 * images)
    with pytest.raises(UserError, match=r"shade.amount='dark': expected a number"):
        augment.build("sequence", shade={"amount": "dark"})
