"""LeNet-5: as published in 1998, and the simplification that usually goes by its name.

Reference:
  LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document recognition.
"""

import flax.linen as linen
import numpy as np
from jaxtyping import Array, Float

from cnnjax import errors, nn
from cnnjax.models.checks import for_vectors, least_space
from cnnjax.models.digit_codes import DIGIT_CODES

C3_TABLE: tuple[tuple[int, ...], ...] = (
    *(tuple(sorted((i + k) % 6 for k in (0, 1, 2))) for i in range(6)),
    *(tuple(sorted((i + k) % 6 for k in (0, 1, 2, 3))) for i in range(6)),
    *(tuple(sorted((i + k) % 6 for k in (0, 1, 3, 4))) for i in range(3)),
    (0, 1, 2, 3, 4, 5),
)
"""Which of the six maps of S2 each of the sixteen maps of C3 sees (table I): six contiguous
triples, six contiguous fours, three broken fours, and all."""


CODES: tuple[str, ...] = ("fixed", "trainable")
"""What the codes of LeNet-5's output layer may be."""


class LeNet5(linen.Module):
    """LeNet-5 as published: trained subsampling, sparse C3, scaled tanh, radial basis output.

    60,000 trained parameters, and 840 in the output layer's codes. The codes are stylised 7×12
    pictures of the ten digits with pixels ±1, drawn for this project since the reference shows its
    own only as a picture; it keeps them fixed, so here they are constants and no parameters unless
    `codes` asks for it. Each weight starts uniform on ±2.4 / fan-in, as published, biases at zero.

    An input of 28×28 is padded by two zeros all round to the 32×32 of the reference.

    Attributes:
      num_classes: The number of logits, at most ten: one for each code.
      codes: One of `CODES`.
    """

    num_classes: int = 10
    codes: str = "fixed"

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits, minus the squared distances to the codes."""
        if x.ndim != 4 or x.shape[1:3] not in ((28, 28), (32, 32)):
            raise ValueError(
                f"x.shape={x.shape}: lenet5 expected (batch, 28, 28, channels) or 32×32; "
                f"lenet5_modern takes other sizes{for_vectors(x.shape)}"
            )
        if not 1 <= self.num_classes <= len(DIGIT_CODES):
            raise ValueError(
                f"num_classes={self.num_classes}: expected 1 to {len(DIGIT_CODES)}, a code for each"
            )
        errors.choose("codes", self.codes, CODES)
        act, start = nn.scaled_tanh, nn.inverse_uniform(2.4)
        border = (32 - x.shape[1]) // 2
        x = act(nn.Conv(6, 5, padding=border, kernel_init=start, name="c1")(x))
        x = act(nn.Subsample(2, coefficient_init=nn.symmetric_uniform(2.4 / 4), name="s2")(x))
        x = act(nn.SparseConv(C3_TABLE, 5, kernel_init=start, name="c3")(x))
        x = act(nn.Subsample(2, coefficient_init=nn.symmetric_uniform(2.4 / 4), name="s4")(x))
        x = act(nn.Conv(120, 5, kernel_init=start, name="c5")(x))
        x = nn.Flatten(name="flatten")(x)
        x = act(nn.Dense(84, kernel_init=start, name="f6")(x))
        codes = DIGIT_CODES[: self.num_classes]
        return nn.RadialBasis(codes, trainable=self.codes == "trainable", name="output")(x)


class LeNet5Modern(linen.Module):
    """The common simplification: dense C3, max pooling, ReLU, a linear output.

    61,706 parameters and 416,520 multiply–accumulates on 28×28×1. Any number of spatial axes of at
    least 12 positions.

    Attributes:
      num_classes: The number of logits.
    """

    num_classes: int = 10

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits; nothing differs in training."""
        least_space(x.shape, 12, "lenet5_modern")
        x = nn.relu(nn.Conv(6, 5, padding="SAME", name="conv1")(x))
        x = nn.MaxPool(2, name="pool1")(x)
        x = nn.relu(nn.Conv(16, 5, name="conv2")(x))
        x = nn.MaxPool(2, name="pool2")(x)
        x = nn.Flatten(name="flatten")(x)
        x = nn.relu(nn.Dense(120, name="dense1")(x))
        x = nn.relu(nn.Dense(84, name="dense2")(x))
        return nn.Dense(self.num_classes, kernel_init=nn.lecun_normal, name="output")(x)
