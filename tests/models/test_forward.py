"""What networks compute, once more in numpy from the same parameters, layer by layer."""

import jax
import numpy as np
import pytest

from cnnjax import models
from cnnjax.models.digit_codes import DIGIT_CODES
from cnnjax.models.lenet import C3_TABLE


def relu(x):
    return np.maximum(x, 0)


def squashed(x):
    return 1.7159 * np.tanh(2 / 3 * x)


def widened(x, before, after=None, **how):
    """Pixels laid around an image (height, width, channels), or samples at a signal's ends."""
    rims = [(before, before if after is None else after)] * (x.ndim - 1)
    return np.pad(x, [*rims, (0, 0)], **how)


def windows(x, size, stride):
    """(*space, channels, *window)."""
    space = tuple(range(x.ndim - 1))
    view = np.lib.stride_tricks.sliding_window_view(x, (size,) * len(space), space)
    return view[(slice(None, None, stride),) * len(space)]


def conv(x, layer, stride=1):
    space, kernel = x.ndim - 1, layer["kernel"]
    seen = np.moveaxis(windows(x, len(kernel), stride), space, -1)
    return np.tensordot(seen, kernel, space + 1) + layer["bias"]


def unshared(x, layer, size):
    seen = np.moveaxis(windows(x, size, 2), 2, -1)
    patches = seen.reshape(*seen.shape[:2], -1)
    return np.einsum("hwp,hwpf->hwf", patches, layer["kernel"]) + layer["bias"]


def largest(x, stride=2):
    return windows(x, 2, stride).max(tuple(range(x.ndim, 2 * x.ndim - 1)))


def dense(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def subsampled(x, layer):
    return windows(x, 2, 2).sum((-2, -1)) * layer["coefficient"] + layer["bias"]


def lenet5(x, p):
    x = squashed(conv(widened(x, 2), p["c1"]))
    x = squashed(subsampled(x, p["s2"]))
    # Table I's connections one by one: which map of S2 each of the sixty windows looks at.
    connections = [(seen, number) for number, maps in enumerate(C3_TABLE) for seen in maps]
    maps = np.zeros((10, 10, 16)) + p["c3"]["bias"]
    for place, (seen, number) in enumerate(connections):
        own = p["c3"]["kernel"][..., place]
        maps[..., number] += np.einsum("hwij,ij->hw", windows(x, 5, 1)[:, :, seen], own)
    x = squashed(subsampled(squashed(maps), p["s4"]))
    x = squashed(conv(x, p["c5"])).ravel()
    x = squashed(dense(x, p["f6"]))
    return -np.sum((x - np.array(DIGIT_CODES)) ** 2, -1)


def lenet5_modern(x, p):
    x = largest(relu(conv(widened(x, 2), p["conv1"])))
    x = largest(relu(conv(x, p["conv2"])))
    x = relu(dense(relu(dense(x.ravel(), p["dense1"])), p["dense2"]))
    return dense(x, p["output"])


def plain8(x, p):
    for number in range(1, 9):
        if number in (3, 5):
            x = largest(x)
        x = relu(conv(widened(x, 1), p[f"conv{number}"]))
    return dense(x.mean((0, 1)), p["output"])


def mnist1d_cnn(x, p):
    for number in (1, 2, 3):
        x = relu(conv(widened(x, 1), p[f"conv{number}"], 2))
    return dense(x.ravel(), p["output"])


def ladder_dense(x, p):
    x = x.ravel()
    for number in (1, 2, 3):
        x = relu(dense(x, p[f"dense{number}"]))
    return hidden(x, p)


# Strides of 2 on sizes that 2 divides leave one zero more behind the image than before it.
def ladder_local(x, p):
    for number, size in enumerate((5, 3, 3), 1):
        layer = p[f"local{number}"]
        x = relu(unshared(widened(x, size // 2 - 1, size // 2), layer, size))
    return hidden(x, p)


def ladder_conv(x, p):
    for number, size in enumerate((5, 3, 3), 1):
        x = relu(conv(widened(x, size // 2 - 1, size // 2), p[f"conv{number}"], 2))
    return hidden(x, p)


def ladder_pool(x, p):
    for number in (1, 2, 3):
        x = largest(same(x, p[f"conv{number}"]))
    return hidden(x, p)


def blurred(x, p):
    for number in (1, 2, 3):
        x = same(x, p[f"conv{number}"])
        x = widened(largest(widened(x, 0, 1, constant_values=-np.inf), 1), 1, mode="reflect")
        x = np.einsum("hwcij,i,j->hwc", windows(x, 3, 2), *[[0.25, 0.5, 0.25]] * 2)
    return x


def ladder_blur(x, p):
    return hidden(blurred(x, p), p)


def ladder_gap(x, p):
    return hidden(blurred(x, p).mean((0, 1)), p)


def same(x, layer):
    return relu(conv(widened(x, len(layer["kernel"]) // 2), layer))


def hidden(x, p):
    return dense(relu(dense(x.ravel(), p["hidden"])), p["output"])


NETWORKS = {
    lenet5: (28, 28, 1),
    lenet5_modern: (28, 28, 1),
    plain8: (8, 8, 2),
    mnist1d_cnn: (40, 1),
    ladder_dense: (16, 16, 1),
    ladder_local: (16, 16, 1),
    ladder_conv: (16, 16, 1),
    ladder_pool: (16, 16, 1),
    ladder_blur: (16, 16, 1),
    ladder_gap: (16, 16, 1),
}


@pytest.mark.parametrize("forward", NETWORKS, ids=lambda forward: forward.__name__)
def test_logits_are_what_numpy_makes_of_the_parameters(forward):
    module = models.build(forward.__name__)
    x = np.random.default_rng(1).normal(size=(2, *NETWORKS[forward])).astype(np.float32)
    variables = jax.jit(module.init)(jax.random.key(0), x)
    # Biases start at zero, which would hide where they are added.
    draws = np.random.default_rng(2)
    moved = lambda leaf: np.asarray(leaf) + draws.normal(0, 0.05, leaf.shape)  # noqa: E731
    params = jax.tree.map(moved, variables["params"])
    expected = [forward(each.astype(np.float64), params) for each in x]
    single = jax.tree.map(np.float32, params)
    logits = jax.jit(module.apply)({"params": single}, x)
    np.testing.assert_allclose(logits, expected, rtol=2e-4, atol=2e-4 * np.abs(expected).max())


def test_every_weight_of_the_published_lenet5_starts_uniform_as_published():
    params = jax.jit(models.build("lenet5").init)(
        jax.random.key(0), np.zeros((1, 28, 28, 1), np.float32)
    )["params"]
    # F_i of the reference is the number of inputs of a unit: of a map of C3 three, four or six
    # windows, of a unit of S2 and S4 the four that its coefficient multiplies.
    fan_in = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for name, inputs in fan_in.items():
        weights = params[name].get("kernel", params[name].get("coefficient"))
        bound = 2.4 / inputs
        assert np.abs(weights).max() <= bound
        assert np.std(weights) == pytest.approx(
            bound / 3**0.5, rel=0.5 if weights.size < 100 else 0.1
        )
        np.testing.assert_array_equal(params[name]["bias"], 0)


def test_the_codes_show_the_digits():
    """Holes and leaning, which exchanged codes would break."""
    pictures = np.array(DIGIT_CODES).reshape(10, 12, 7) > 0

    def holes(picture):
        # Regions of ground that cannot be reached from outside.
        reached = np.zeros((14, 9), bool)
        ground = np.pad(~picture, 1, constant_values=True)
        count = -1  # the outside itself
        for start in np.argwhere(ground):
            if reached[tuple(start)]:
                continue
            count += 1
            stack = [tuple(start)]
            while stack:
                y, x = stack.pop()
                if 0 <= y < 14 and 0 <= x < 9 and ground[y, x] and not reached[y, x]:
                    reached[y, x] = True
                    stack += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        return count

    assert [holes(picture) for picture in pictures] == [1, 0, 0, 0, 1, 0, 1, 0, 2, 1]
    # How far the ink of the upper and of the lower half leans to the right.
    lean = (pictures * np.arange(-3, 4)).reshape(10, 2, 6 * 7).sum(-1)
    assert np.sign(lean[[2, 3, 5]]).tolist() == [[1, -1], [1, 1], [-1, 1]]
