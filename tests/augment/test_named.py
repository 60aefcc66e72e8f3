import jax
import numpy as np
import pytest

from cnnjax.augment import named

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("size", "padding"),
    [((32, 32), 4), ((28, 28), 4), ((224, 224), 28), ((48, 40), 5), ((3, 5), 1)],
)
def test_the_crop_of_photographs_pads_an_eighth_of_the_shorter_side(size, padding):
    draws = jax.vmap(lambda key: named._draw_padded_crop(key, size, strength=1.0))(
        jax.random.split(KEY, 3000)
    )
    assert draws.new_size == size
    corners = np.asarray(draws.steps[0])[:, :, 2]
    assert np.unique(corners).tolist() == list(range(-padding, padding + 1))


# Cubuk et al. (2020), appendix; at M = 30 of 30.
LARGEST = {
    "rotate": {"degrees": (-30, 30)},
    "shear_x": {"ratio": (-0.3, 0.3)},
    "shear_y": {"ratio": (-0.3, 0.3)},
    "translate_x": {"fraction": (-0.45, 0.45)},
    "translate_y": {"fraction": (-0.45, 0.45)},
    "posterise": {"bits": 4},
    "solarise": {"threshold": (0, 1)},
    "equalise": {"amount": 1},
    "autocontrast": {"amount": 1},
}
ENHANCED = {
    "brighten": {"offset": 0, "factor": (0.1, 1.9)},
    "contrast": {"factor": (0.1, 1.9)},
    "saturation": {"factor": (0.1, 1.9)},
    "sharpen": {"amount": (-0.9, 0.9)},
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("randaugment", LARGEST | ENHANCED | {"_identity": {}}),
        ("trivialaugment", LARGEST | ENHANCED | {"_identity": {}}),
        # Hendrycks et al. (2020): none that the corruptions of ImageNet-C overlap with.
        ("augmix", LARGEST),
    ],
)
def test_the_operations_are_the_papers(name, expected):
    found = {}
    for operation in named.build(name).operations:
        bound = getattr(operation, "func", operation)
        found[bound.__name__] = getattr(operation, "keywords", {})
    assert found == expected


def test_one_image_in_fourteen_is_left_alone():
    images = np.random.default_rng(0).random((14, 9, 9, 3)).astype(np.float32)
    policy = jax.jit(named.build("trivialaugment"))
    after = policy(KEY, images, np.zeros(14, np.int32), 1.0)
    same = [np.array_equal(*each) for each in zip(images, after, strict=True)]
    assert 1 <= sum(same) <= 4  # and what posterise, solarise and their like happen to leave
