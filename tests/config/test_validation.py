"""What no run can have, refused by name and value."""

import pytest

from cnnjax import config as configs
from cnnjax.errors import UserError


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
