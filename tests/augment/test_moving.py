"""What every operation that moves an image keeps to; where each moves it is in its own file."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.augment.composed import MOTIONS, OPERATIONS

# What a number out of place is for each: (the parameter, a value that is refused).
TRANSFORMS = {
    "rotate": ("degrees", (3.0, 1.0)),
    "shear_x": ("ratio", (3.0, 1.0)),
    "shear_y": ("ratio", (3.0, 1.0)),
    "translate_x": ("fraction", (3.0, 1.0)),
    "translate_y": ("fraction", (3.0, 1.0)),
    "scale": ("factor", 0.0),
    "crop_and_pad": ("fraction", -0.5),
    "perspective": ("inward", 0.3),
    "elastic": ("alpha", -1.0),
    "crop": ("position", 1.5),
    "horizontal_flip": ("probability", 1.5),
    "vertical_flip": ("probability", -0.5),
}
KEEPING = [name for name in TRANSFORMS if name != "crop"]
RESAMPLED = [name for name in KEEPING if not name.endswith("flip")]
KEY = jax.random.key(0)


def function(name):
    if name == "crop":
        return functools.partial(augment.crop, new_size=(6, 5))
    return getattr(augment, name)


def picture(shape=(9, 7, 3)):
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("order", ["nearest", "bilinear", "bicubic"])
def test_strength_zero_gives_other_shapes_back_with_every_option(name, order):
    transform = function(name)
    options = {"order": order, "border": "wrap"} if name in RESAMPLED else {}
    for shape in [(5, 31, 1), (49, 28, 3)]:
        same = transform(KEY, picture(shape), strength=0.0, **options)
        np.testing.assert_array_equal(same, picture(shape))


@pytest.mark.parametrize("name", RESAMPLED)
def test_options_reach_the_resample(name):
    shrinking = {"factor": 0.7} if name == "scale" else {}
    transform = functools.partial(function(name), **shrinking)
    transform = jax.jit(transform, static_argnames=("order", "border", "fill"))
    results = [
        transform(KEY, picture(), **options)
        for options in ({}, {"order": "bicubic"}, {"border": "edge"}, {"fill": 0.5})
    ]
    for other in results[1:]:
        assert not np.array_equal(other, results[0])
    assert 0 <= np.min(results[1]) <= np.max(results[1]) <= 1


def test_every_public_signature_is_key_image_or_size_and_keyword_options():
    public = {
        **{f"draw_{name}": draw for name, draw in MOTIONS.items()},
        **{name: OPERATIONS[name] for name in MOTIONS},
    }
    assert set(public) == set(TRANSFORMS) | {f"draw_{name}" for name in TRANSFORMS}
    for name, value in public.items():
        key, subject, *options = inspect.signature(value).parameters.values()
        assert (key.name, subject.name) == ("key", "size" if "draw_" in name else "image")
        assert all(option.kind is option.KEYWORD_ONLY for option in options)
        assert all(o.default is not o.empty for o in options if o.name != "new_size")
        assert {TRANSFORMS[name.removeprefix("draw_")][0], "strength"} <= {o.name for o in options}
        if name in RESAMPLED:
            assert {"order", "border", "fill"} <= {o.name for o in options}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_is_out_of_range_is_refused(name):
    parameter, value = TRANSFORMS[name]
    with pytest.raises(ValueError, match=f"{parameter}=.*: expected a number"):
        function(name)(KEY, picture(), **{parameter: value})


def test_other_bad_inputs_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"new_size=\(10, 3\): expected lengths from 1 to those"):
        augment.crop(KEY, picture(), new_size=(10, 3))
    with pytest.raises(ValueError, match=r"new_size=\(14, 3\): .* those of \(13, 11\)"):
        augment.crop(KEY, picture(), new_size=(14, 3), padding=2)
    with pytest.raises(ValueError, match="new_size=20: expected a pair"):
        augment.crop(KEY, picture(), new_size=20)
    with pytest.raises(ValueError, match=r"padding=\(2, 2\): expected a whole number"):
        augment.crop(KEY, picture(), padding=(2, 2))
    with pytest.raises(ValueError, match=r"fill=\(0\.5, 0\.4, 0\.3\): expected a number"):
        augment.rotate(KEY, picture(), fill=(0.5, 0.4, 0.3))
    with pytest.raises(ValueError, match="padding=-1: expected a whole number ≥ 0"):
        augment.crop(KEY, picture(), padding=-1)
    with pytest.raises(ValueError, match=r"fill: expected a number .*, got an array of \(\)"):
        augment.rotate(KEY, picture(), fill=jnp.float32(0.5))
    with pytest.raises(ValueError, match="fill: expected a number; of all arguments `strength`"):
        jax.jit(lambda fill: augment.crop(KEY, picture(), padding=2, fill=fill))(0.5)
    with pytest.raises(ValueError, match="border='zero': expected one of constant"):
        augment.crop(KEY, picture(), padding=1, border="zero")
    with pytest.raises(ValueError, match=r"sigma=0.5: expected a number .* within \[1, inf\)"):
        augment.elastic(KEY, picture(), sigma=0.5)
    with pytest.raises(ValueError, match="order='cubic'"):
        augment.rotate(KEY, picture(), order="cubic")
    with pytest.raises(ValueError, match="border='zero'"):
        augment.rotate(KEY, picture(), border="zero")


@pytest.mark.parametrize("fill", [255, -0.5, np.nan])
@pytest.mark.parametrize("name", ["rotate", "crop"])
def test_a_fill_on_another_scale_is_refused(name, fill):
    with pytest.raises(ValueError, match=r"fill=.*: expected a number within \[0, 1\]"):
        function(name)(KEY, picture(), fill=fill)
