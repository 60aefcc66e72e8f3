"""The networks of the MNIST-1D benchmark.

Reference:
  Greydanus and Kobak (2024), Scaling down deep learning with MNIST-1D, arXiv 2011.14439.
"""

import flax.linen as linen
import numpy as np
from jaxtyping import Array, Float

from cnnjax import nn
from cnnjax.models.checks import least_space

# Kernels and biases start uniform on ±1/√fan-in: torch's default, under which these were published.


def _dense(features: int, fan_in: int, name: str) -> nn.Dense:
    bias_init = nn.symmetric_uniform(fan_in**-0.5)
    return nn.Dense(features, kernel_init=nn.inverse_root_uniform, bias_init=bias_init, name=name)


class MNIST1DMLP(linen.Module):
    """h ← relu(W₁x); h ← h + relu(W₂h); logits W₃h.

    Attributes:
      num_classes: The number of logits.
      width: The size of both hidden layers.
    """

    num_classes: int = 10
    width: int = 100

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *rest"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits; nothing differs in training."""
        x = nn.Flatten(name="flatten")(x)
        h = nn.relu(_dense(self.width, x.shape[-1], "dense1")(x))
        h = h + nn.relu(_dense(self.width, self.width, "dense2")(h))
        return _dense(self.num_classes, self.width, "output")(h)


class MNIST1DCNN(linen.Module):
    """Three convolutions of stride 2 (windows 5, 3, 3, one zero at either end), then linear.

    Attributes:
      num_classes: The number of logits.
      width: Channels of every convolution.
    """

    num_classes: int = 10
    width: int = 25

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits; nothing differs in training."""
        least_space(x.shape, 1, "mnist1d_cnn")
        for i, window in enumerate((5, 3, 3), 1):
            fan_in = window ** (x.ndim - 2) * x.shape[-1]
            conv = nn.Conv(
                self.width,
                window,
                stride=2,
                padding=1,
                kernel_init=nn.inverse_root_uniform,
                bias_init=nn.symmetric_uniform(fan_in**-0.5),
                name=f"conv{i}",
            )
            x = nn.relu(conv(x))
        x = nn.Flatten(name="flatten")(x)
        return _dense(self.num_classes, x.shape[-1], "output")(x)
