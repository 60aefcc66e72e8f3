"""The table of instances: what each magnitude stands for, and what is refused."""

import pytest

from cnnjax.errors import UserError
from cnnjax.invariance import DEFAULT, DEFAULT_SIGNALS, NAMES, SIGNAL_NAMES
from cnnjax.invariance.transformations import Instance, instances, plan


def test_the_untouched_set_comes_first_and_magnitudes_rise():
    laid_out = plan({"noise": (0.2, 0.1, 0.2), "scale": [1]}, (8, 8))
    assert laid_out.cells == (("none", 0), ("noise", 0.1), ("noise", 0.2), ("scale", 1))
    assert laid_out.cell.tolist() == [0, 1, 2, 3, 3]
    assert tuple(laid_out.table[0]) == Instance()


def test_translation_takes_the_four_directions_of_an_image_and_the_two_of_a_signal():
    def moves(axes):
        return {(each.down, each.right) for each in instances("translation", 3, axes)}

    assert moves(2) == {(3, 0), (-3, 0), (0, 3), (0, -3)}
    assert moves(1) == {(0, 3), (0, -3)}


def test_scale_takes_a_factor_and_its_inverse():
    assert [each.scale for each in instances("scale", 1.0, 2)] == [2.0, 0.5]


@pytest.mark.parametrize("name", ["rotation", "shear"])
def test_rotation_and_shear_take_both_signs(name):
    assert [getattr(each, name) for each in instances(name, 7.0, 2)] == [7.0, -7.0]


@pytest.mark.parametrize(
    ("defaults", "names", "space"),
    [(DEFAULT, NAMES, (28, 28)), (DEFAULT_SIGNALS, SIGNAL_NAMES, (40,))],
)
def test_the_defaults_cover_every_transformation(defaults, names, space):
    assert tuple(defaults) == names
    assert {name for name, _ in plan(defaults, space).cells} == {"none", *names}


def test_the_default_magnitudes_are_those_of_the_published_areas():
    # An area under a curve is that of its magnitudes: with others the README's are not these.
    fractions = (0.1, 0.2, 0.3, 0.5)
    assert dict(DEFAULT) == {
        "translation": (1, 2, 3, 4, 6),
        "rotation": (5, 10, 20, 30, 45),
        **{"scale": fractions, "shear": fractions, "noise": fractions},
    }
    assert dict(DEFAULT_SIGNALS) == {
        "translation": (1, 2, 4, 6, 8),
        **{"scale": fractions, "noise": fractions},
    }


@pytest.mark.parametrize(
    ("transformations", "space", "message"),
    [
        ({"rotations": [5]}, (8, 8), "did you mean 'rotation'"),
        ({"rotation": [5]}, (8,), "'rotation': signals have no rotation"),
        ({"shear": [0.1]}, (8,), "'shear': signals have no shear"),
        ({"shear": []}, (8, 8), r"shear=\[\]: expected at least one magnitude"),
        ({"rotation": [200]}, (8, 8), "rotation=200: expected 0 < magnitude ≤ 180"),
        ({"translation": [9]}, (8, 12), "translation=9: expected 0 < magnitude ≤ 8"),
        ({"noise": [0.0]}, (8, 8), r"noise=0: expected a finite number > 0"),
        ({"scale": [-0.1]}, (8, 8), "scale=-0.1: expected a finite number > 0"),
        ({"scale": [-1.0]}, (8, 8), "scale=-1: expected a finite number > 0"),
        ({"scale": [1e39]}, (8, 8), r"scale=1e\+39: expected a finite number > 0"),
        ({"rotation": 10}, (8, 8), "rotation=10: expected numbers, such as"),
        ({"rotation": ["a"]}, (8, 8), r"rotation=\['a'\]: expected numbers, such as"),
        ({"scale": [float("nan")]}, (8, 8), "scale=nan"),
        ({"shear": [float("inf")]}, (8, 8), "shear=inf"),
    ],
)
def test_bad_transformations_are_refused(transformations, space, message, unchecked):
    with pytest.raises(UserError, match=message) as refusal:
        plan(transformations, space)
    assert "\n" not in str(refusal.value)
