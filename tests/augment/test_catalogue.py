"""What every operation of the catalogue keeps to; what each of them does is in the other files.

Operations are found by their signature, (key, image, *, …) or (key, signal, *, …): the first test
below says of one that is not in all of the places where it belongs. Each is compiled three times,
for as many checks as that serves.
"""

import ast
import functools
import inspect
import pathlib
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.augment import colour
from cnnjax.augment.composed import OPERATIONS

KEY = jax.random.key(0)
COUNT = 20

FOUND = {
    name: subject
    for name in augment.__all__
    if inspect.isfunction(getattr(augment, name))
    for first, subject, *_ in [[*inspect.signature(getattr(augment, name)).parameters, "", ""]]
    if first == "key" and subject in ("image", "signal")
}


class Case(NamedTuple):
    """Parameters that give the input back, and ones for a change if the defaults are too gentle."""

    neutral: dict
    change: dict = {}  # noqa: RUF012


DRAWS = (augment.draw_rotate, augment.draw_horizontal_flip)
CASES = {
    "additive_gaussian_noise": Case({"deviation": 0}),
    "additive_noise": Case({"deviation": 0}),
    "autocontrast": Case({"amount": 0}),
    "brighten": Case({"offset": 0}),
    "channel_shuffle": Case({"probability": 0}, {"probability": 1}),
    "clouds": Case({"density": 0}),
    "coarse_salt": Case({"fraction": 0}, {"fraction": (0.3, 0.6), "size_fraction": (0.3, 0.9)}),
    "contrast": Case({"factor": 1}),
    "crop": Case({"position": 0.5}),
    "crop_and_pad": Case({"fraction": 0}),
    "cutout": Case({"fraction": 0}, {"fraction": (0.3, 0.9), "value": (0.0, 1.0)}),
    "elastic": Case({"alpha": 0}),
    "emboss": Case({"alpha": 0}),
    "equalise": Case({"amount": 0}),
    "fast_snowy_landscape": Case({"lightness_multiplier": 1}),
    "fog": Case({"density": 0}),
    "gain": Case({"decibels": 0}),
    "gamma_contrast": Case({"gamma": 1}),
    "gaussian_blur": Case({"sigma": 0}),
    "grey": Case({"amount": 0}),
    "horizontal_flip": Case({"probability": 0}),
    "hue": Case({"degrees": 0}),
    # A random scene has no parameters that leave its object alone; its strength does.
    "in_scene": Case({"strength": 0}),
    "invert": Case({"probability": 0}),
    "jpeg": Case({"quality": 100}),
    "motion_blur": Case({"length": 0}),
    "move": Case({"draws": (functools.partial(augment.draw_rotate, degrees=0),)}, {"draws": DRAWS}),
    "pepper": Case({"fraction": 0}, {"fraction": (0.2, 0.6)}),
    "perspective": Case({"inward": 0}),
    "pitch": Case({"semitones": 0}),
    "posterise": Case({"bits": 8}),
    "rain": Case({"density": 0, "darkening": 0}),
    "rotate": Case({"degrees": 0}),
    "salt": Case({"fraction": 0}, {"fraction": (0.2, 0.6)}),
    "saturation": Case({"factor": 1}),
    "scale": Case({"factor": 1}),
    "sharpen": Case({"amount": 0}),
    "shear_x": Case({"ratio": 0}),
    "shear_y": Case({"ratio": 0}),
    "shift": Case({"fraction": 0}),
    "snowflakes": Case({"density": 0}),
    "solarise": Case({"threshold": 1}),
    "speed": Case({"factor": 1}),
    "superpixel": Case({"probability": 0}, {"probability": (0.5, 1.0), "segments": 6}),
    "time_mask": Case({"fraction": 0}),
    "translate_x": Case({"fraction": 0}),
    "translate_y": Case({"fraction": 0}),
    "vertical_flip": Case({"probability": 0}),
}
COLOUR_ONLY = {"channel_shuffle", "grey", "hue", "saturation"}
NEW_SIZE = (6, 5)
# Of several channels and of one; none is square.
SHAPES = {
    "image": [(9, 7, 3), (8, 9, 1)],
    "signal": [(90, 2), (45, 1)],
}


@pytest.fixture(params=sorted(FOUND.keys() & CASES))
def name(request):
    return request.param


def operation(name, **options):
    if name == "crop":
        options["new_size"] = NEW_SIZE
    return functools.partial(getattr(augment, name), **options)


def changing(name):
    return operation(name, **CASES[name].change)


def subjects(name, which=0, dtype=np.float32):
    """As many examples as there are keys."""
    shape = (COUNT, *SHAPES[FOUND[name]][which])
    numbers = np.random.default_rng(0)
    draw = numbers.random(shape) if FOUND[name] == "image" else numbers.normal(size=shape)
    return draw.astype(dtype)


def unchanged(name, batch):
    """What the operation gives back where it changes nothing."""
    if name == "crop":
        y, x = ((n - new + 1) // 2 for n, new in zip(batch.shape[-3:-1], NEW_SIZE, strict=True))
        return batch[..., y : y + NEW_SIZE[0], x : x + NEW_SIZE[1], :]
    return batch


@functools.cache
def compiled(name):
    """The operation of keys, examples and a strength, and what examples it was traced for."""
    traces = []

    @jax.jit
    def many(keys, batch, strength):
        traces.append((batch.shape, batch.dtype))
        one = functools.partial(changing(name), strength=strength)
        return jax.vmap(one)(keys, batch)

    return many, traces


def at(name, strength, batch, seed=0):
    keys = jax.random.split(jax.random.key(seed), COUNT)
    return np.asarray(compiled(name)[0](keys, batch, strength))


def in_range(name, results):
    if FOUND[name] == "signal":
        return np.all(np.isfinite(results))
    return 0 <= results.min() <= results.max() <= 1


def compare(place, names, expected):
    """Says which names a place lacks, and which it should not have."""
    lacking, spare = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
    assert not lacking, f"to be added to {place}: {', '.join(lacking)}"
    assert not spare, f"no operation, but in {place}: {', '.join(spare)}"
    assert len(names) == len(set(names)), f"twice in {place}"


def test_every_operation_is_where_it_belongs():
    # `move` is any chain of those that move.
    compare("cnnjax.augment.__all__", [*FOUND], [*OPERATIONS, "move"])
    compare("CASES of tests/augment/test_catalogue.py", [*CASES], FOUND)


def constant(script, name):
    """What a script of experiments/ has under a name, unrun: two with the same flags cannot be."""
    path = pathlib.Path(__file__).resolve().parents[2] / "experiments" / script
    for node in ast.parse(path.read_text()).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return ast.literal_eval(node.value)
    raise AssertionError(f"{script} has no {name}")


def test_the_gallery_shows_every_operation_on_images():
    groups = constant("augment_gallery.py", "GROUPS")
    shown = [name for side in groups for operations in side.values() for name in operations]
    images = [name for name in FOUND if FOUND[name] == "image" and name != "move"]
    compare("GROUPS of experiments/augment_gallery.py", shown, images)


def test_every_operation_is_timed():
    timed = [
        name
        for names in ("IMAGE_OPERATIONS", "SIGNAL_OPERATIONS")
        for name in constant("augment_speed.py", names).split()
    ]
    compare("the lists of experiments/augment_speed.py", [*timed, "crop", "move"], FOUND)


def test_every_parameter_has_its_keyword_and_a_default(name):
    _, _, *options = inspect.signature(getattr(augment, name)).parameters.values()
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    needed = {option.name for option in options if option.default is option.empty}
    assert needed <= {"new_size", "draws"}
    assert {"strength", *CASES[name].neutral} <= {option.name for option in options}


def test_a_configuration_reaches_it(name):
    if name == "move":
        pytest.skip("what neighbouring motions of a sequence become")
    options = dict(changing(name).keywords)
    batch, labels = subjects(name)[:3], np.zeros(3, np.int32)

    def program(policy):
        text = str(jax.make_jaxpr(policy)(KEY, batch, labels, 0.5))
        return re.sub(r"0x[0-9a-f]+", "", text)

    by_hand = program(augment.Sequence((changing(name),)))
    assert program(augment.build("sequence", **{name: options})) == by_hand


def test_plain_and_under_jit_and_vmap_agree(name):
    keys, batch = jax.random.split(KEY, COUNT), subjects(name)
    batched = at(name, 1.0, batch)
    assert (batched.shape, batched.dtype) == (unchanged(name, batch).shape, batch.dtype)
    # Sounds are sums of many products.
    atol = 2e-6 if FOUND[name] == "image" else 2e-5
    plain = changing(name)(keys[0], batch[0])
    np.testing.assert_allclose(plain, batched[0], rtol=0, atol=atol)


def test_the_same_key_gives_the_same_bits_and_other_keys_other_results(name):
    batch = subjects(name)
    once = at(name, 1.0, batch)
    assert once.tobytes() == at(name, 1.0, batch).tobytes()
    assert np.any(once != at(name, 1.0, batch, seed=1))
    same = np.broadcast_to(batch[:1], batch.shape)
    assert len(np.unique(at(name, 1.0, same).reshape(COUNT, -1), axis=0)) > 1


def test_strength_is_traced_zero_is_the_identity_and_too_much_stays_in_range(name):
    batch = subjects(name)
    none, half, whole, double, overdone = (at(name, s, batch) for s in (0.0, 0.5, 1.0, 2.5, 4.0))
    expected = unchanged(name, batch)
    np.testing.assert_array_equal(none, expected)
    assert all(in_range(name, results) for results in (half, whole, double, overdone))
    assert compiled(name)[1].count((batch.shape, batch.dtype)) == 1
    assert np.any(half != whole)
    weak, strong = (np.abs(results - expected).mean() for results in (half, whole))
    assert weak > 0
    # Sounds of chance are as far apart from themselves after any shift.
    assert weak < strong or FOUND[name] == "signal"


def test_one_channel_alone_and_in_half_precision(name):
    batch = subjects(name, 1, np.float16)
    expected = unchanged(name, batch)
    halves, none = at(name, 1.0, batch), at(name, 0.0, batch)
    assert (halves.shape, halves.dtype) == (expected.shape, np.float16)
    assert in_range(name, halves)
    assert none.tobytes() == expected.tobytes()
    other = jax.ShapeDtypeStruct(batch.shape[1:], jnp.bfloat16)
    assert jax.eval_shape(changing(name), KEY, other).dtype == jnp.bfloat16

    # The same numbers in single precision, one at a time: under jit without vmap.
    one = jax.jit(lambda key, example, strength: changing(name)(key, example, strength=strength))
    keys, wholes = jax.random.split(KEY, COUNT), batch.astype(np.float32)
    changed = np.stack([one(key, x, 1.0) for key, x in zip(keys, wholes, strict=True)])
    # On average: rounding may take a value to the other side of an operation's steps.
    assert np.mean(np.abs(changed - halves)) < 2e-3
    assert in_range(name, changed)
    assert np.any(changed != expected) == (name not in COLOUR_ONLY)
    np.testing.assert_array_equal(one(KEY, wholes[0], 0.0), unchanged(name, wholes[0]))


def test_double_precision_keeps_its_bits_at_strength_zero(name):
    with jax.enable_x64(True):
        example = np.random.default_rng(0).random(subjects(name).shape[1:])
        operate = jax.jit(lambda x, strength: changing(name)(KEY, x, strength=strength))
        found = operate(example, 0.0)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, unchanged(name, example))


def test_bytes_are_as_floats_to_the_nearest_and_come_back_as_bytes(name):
    if FOUND[name] == "signal":
        pytest.skip("signals are of any amplitude, so that bytes do not tell theirs")
    batch = np.round(255 * subjects(name)).astype(np.uint8)
    floats = (batch / 255).astype(np.float32)
    found, none = at(name, 1.0, batch), at(name, 0.0, batch)
    assert found.dtype == np.uint8
    assert none.tobytes() == unchanged(name, batch).tobytes()
    np.testing.assert_allclose(found, 255 * at(name, 1.0, floats), rtol=0, atol=0.501)


def test_numpys_doubles_are_taken_without_a_warning(name):
    example = subjects(name, dtype=np.float64)[0]
    found = jax.eval_shape(lambda key: changing(name)(key, example), KEY)
    assert found.dtype == np.float32


def test_other_whole_numbers_are_refused_or_moved_as_they_are(name, unchecked):
    whole = (255 * subjects(name)[0]).astype(np.int32)
    if name in {"crop", "horizontal_flip", "vertical_flip"}:
        expected = changing(name)(KEY, whole / 255)
        np.testing.assert_allclose(changing(name)(KEY, whole) / 255, expected, atol=1e-6)
    else:
        with pytest.raises(ValueError, match=r"of type int32: expected floats( in \[0, 1\], or|;)"):
            changing(name)(KEY, whole)


def test_a_batch_is_refused_where_one_is_expected(name, unchecked):
    batch = subjects(name)[:2]
    for wrong in (batch, batch[0, ..., 0]):
        with pytest.raises(
            ValueError, match=r"of shape \(.*\): expected \(.*jax.vmap takes a batch"
        ):
            changing(name)(KEY, wrong)


def test_the_neutral_parameters_are_exact(name):
    example = subjects(name)[0]
    if getattr(augment, name).__module__ == colour.__name__:
        example = example * 1.2 - 0.1  # nothing is clipped either
    result = jax.jit(operation(name, **CASES[name].neutral))(KEY, example)
    np.testing.assert_array_equal(result, unchanged(name, example))
