"""Plain fully connected networks: the linear classifier, MLP-800 and Cireşan's five."""

import flax.linen as linen
import numpy as np
from jaxtyping import Array, Float

from cnnjax import nn


class MLP(linen.Module):
    """Flatten, hidden layers with one activation, logits.

    Attributes:
      widths: The hidden layers' sizes; none makes a linear classifier.
      num_classes: The number of logits.
      activation: "relu" or "scaled_tanh".
      bound: When given, weights and biases start uniform on ±bound; otherwise biases start at zero
        and weights normal, of variance 2 / fan-in before an activation and 1 / fan-in before the
        logits.
      dropout: The chance of each hidden unit to be 0 in training; the others grow by
        1 / (1 − dropout).

    Reference:
      Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout, JMLR 15, 2014.
    """

    widths: tuple[int, ...] = ()
    num_classes: int = 10
    activation: str = "relu"
    bound: float | None = None
    dropout: float = 0.0

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *rest"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits; training drops hidden units."""
        act = nn.activation(self.activation)
        if self.bound is None:
            hidden, last, bias = nn.he_normal, nn.lecun_normal, nn.zeros
        else:
            hidden = last = bias = nn.symmetric_uniform(self.bound)
        x = nn.Flatten(name="flatten")(x)
        for i, width in enumerate(self.widths, 1):
            x = act(nn.Dense(width, kernel_init=hidden, bias_init=bias, name=f"dense{i}")(x))
            if self.dropout:
                x = linen.Dropout(self.dropout, deterministic=not train, name=f"dropout{i}")(x)
        return nn.Dense(self.num_classes, kernel_init=last, bias_init=bias, name="output")(x)
