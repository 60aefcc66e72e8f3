"""The structure ladder: what convolution is made of, one step at a time.

| rung | step |
|---|---|
| dense | four hidden layers, everything connected to everything |
| local | the first three see small windows, each position with weights of its own |
| conv | all positions of a layer share their weights |
| pool | the layers keep every position; max pooling halves the map instead of a stride |
| blur | a binomial filter stands between the maximum and the subsampling |
| gap | only the average over positions reaches the hidden layer |

Every rung has three stages, which halve the map each (28 → 14 → 7 → 4), one hidden layer and the
logits, with ReLU between them. What cannot stay the same is the width, for an unshared weight costs
a parameter at every position, and averaging over positions takes most of the hidden layer's inputs
away. So all rungs get the same budget of parameters: a rung's widths are fixed proportions times
one scale, the largest (in steps of 1/64) at which the network for the given input keeps within the
budget, and the hidden layer takes up what rounding left. Early maps are kept few, since they are
the largest and cost the most work; the weights are where the maps are small.
"""

import bisect
import functools
import math

import flax.linen as linen
import numpy as np
from jaxtyping import Array, Float

from cnnjax import nn
from cnnjax.models.checks import least_space

RUNGS: tuple[str, ...] = ("dense", "local", "conv", "pool", "blur", "gap")
"""The rungs from bottom to top."""

WINDOWS: tuple[int, ...] = (5, 3, 3)
"""The windows of the three stages."""

# Widths of the three stages and of the hidden layer at scale 1. A dense stage has no positions, so
# that all its layers can be alike; averaging over positions wants more kinds of features.
_PROPORTIONS = {
    "dense": (1, 1, 1, 1),
    "local": (3, 6, 12, 128),
    "conv": (6, 16, 32, 104),
    "pool": (6, 16, 32, 104),
    "blur": (6, 16, 32, 104),
    "gap": (6, 16, 64, 690),
}

_STEPS = 64
_LARGEST_SCALE = 2**14


@functools.cache
def widths(
    rung: str, input_shape: tuple[int, ...], num_classes: int, budget: int
) -> tuple[int, int, int, int]:
    """The widths at which a rung has the parameters of a budget, as nearly as its hidden layer can.

    Args:
      rung: One of `RUNGS`.
      input_shape: (*space, channels).
      num_classes: The number of logits.
      budget: Parameters wanted. Where even widths of one exceed it, as unshared weights on large
        images may, that smallest network is what one gets.

    Returns:
      The channels (or units) of the three stages, and the units of the hidden layer.

    >>> widths("conv", (28, 28, 1), 10, 60_000)
    (6, 16, 32, 104)
    """

    def at(step: int) -> tuple[int, ...]:
        return tuple(max(1, round(part * step / _STEPS)) for part in _PROPORTIONS[rung])

    def count(step: int) -> int:
        return parameters(rung, input_shape, num_classes, at(step))

    within = bisect.bisect_right(range(1, _STEPS * _LARGEST_SCALE), budget, key=count)
    a, b, c, _ = at(max(1, within))
    without = parameters(rung, input_shape, num_classes, (a, b, c, 0))
    unit = parameters(rung, input_shape, num_classes, (a, b, c, 1)) - without
    return a, b, c, max(1, round((budget - without) / unit))


def parameters(
    rung: str, input_shape: tuple[int, ...], num_classes: int, sizes: tuple[int, ...]
) -> int:
    """The parameters of a rung of given widths, by arithmetic.

    Args:
      rung: One of `RUNGS`.
      input_shape: (*space, channels).
      num_classes: The number of logits.
      sizes: The widths of the three stages and of the hidden layer.

    Returns:
      The count.
    """
    *space, inputs = input_shape
    *stages, hidden = sizes
    total = 0
    if rung == "dense":
        inputs *= math.prod(space)
        space = []
    for window, width in zip(WINDOWS, stages, strict=True):
        space = [-(-size // 2) for size in space]
        unshared = math.prod(space) if rung == "local" else 1
        total += unshared * (window ** len(space) * inputs + 1) * width
        inputs = width
    if rung != "gap":
        inputs *= math.prod(space)
    return total + (inputs + 1) * hidden + (hidden + 1) * num_classes


class Ladder(linen.Module):
    """One rung of the structure ladder.

    Attributes:
      rung: One of `RUNGS`.
      num_classes: The number of logits.
      budget: Parameters wanted, see `widths`.
      padding: "SAME" (zeros; the blur reflects), or "CIRCULAR": then the gap rung, on an input
        whose sizes 8 divides, does not notice when the input is rolled by a multiple of 8.
    """

    rung: str
    num_classes: int = 10
    budget: int = 60_000
    padding: str = "SAME"

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits; nothing differs in training."""
        least_space(x.shape, 8, f"ladder_{self.rung}")
        *stages, hidden = widths(self.rung, x.shape[1:], self.num_classes, self.budget)
        if self.rung == "dense":
            x = nn.Flatten(name="flatten")(x)
        for i, (window, width) in enumerate(zip(WINDOWS, stages, strict=True), 1):
            x = self._stage(x, str(i), window, width)
        if self.rung == "gap":
            x = nn.GlobalAveragePool(name="gap")(x)
        elif self.rung != "dense":
            x = nn.Flatten(name="flatten")(x)
        x = nn.relu(nn.Dense(hidden, name="hidden")(x))
        return nn.Dense(self.num_classes, kernel_init=nn.lecun_normal, name="output")(x)

    def _stage(self, x: Array | np.ndarray, number: str, window: int, width: int) -> Array:
        same = self.padding
        match self.rung:
            case "dense":
                return nn.relu(nn.Dense(width, name=f"dense{number}")(x))
            case "local":
                layer = nn.LocallyConnected(width, window, 2, same, name=f"local{number}")
                return nn.relu(layer(x))
            case "conv":
                return nn.relu(nn.Conv(width, window, 2, same, name=f"conv{number}")(x))
        x = nn.relu(nn.Conv(width, window, padding=same, name=f"conv{number}")(x))
        if self.rung == "pool":
            return nn.MaxPool(2, padding=same, name=f"pool{number}")(x)
        x = nn.MaxPool(2, stride=1, padding=same, name=f"pool{number}")(x)
        blur_padding = "REFLECT" if same == "SAME" else same
        return nn.BlurPool(padding=blur_padding, name=f"blur{number}")(x)
