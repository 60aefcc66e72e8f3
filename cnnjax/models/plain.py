"""A plain network of 3×3 convolutions: what the cost of anything else is measured against."""

import flax.linen as linen
import numpy as np
from jaxtyping import Array, Float

from cnnjax import nn
from cnnjax.models.checks import least_space

WIDTHS: tuple[int, ...] = (64, 64, 128, 128, 256, 256, 256, 256)
"""The channels of the eight convolutions; the map is halved where they grow."""


class Plain8(linen.Module):
    """Eight 3×3 convolutions with ReLU, a maximum over 2×2 where the width grows, global average.

    2,328,138 parameters and 228,264,448 multiply–accumulates on 32×32×3. Any number of spatial
    axes of at least 4 positions. In the manner of VGG, with the average in the place of its hidden
    layers.

    Attributes:
      num_classes: The number of logits.
      batch_norm: Whether each convolution's output is brought to mean 0 and variance 1, channel by
        channel, over the batch and its positions in training, and by running means of both (a tenth
        of each new batch's) afterwards, then scaled and shifted: 2,816 parameters more.
      dropout: The chance of each averaged feature to be 0 in training; the others grow by
        1 / (1 − dropout).

    References:
      Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, 2014,
      arXiv 1409.1556.
      Ioffe, Szegedy: Batch normalization, 2015, arXiv 1502.03167.
      Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout, JMLR 15, 2014.
    """

    num_classes: int = 10
    batch_norm: bool = False
    dropout: float = 0.0

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Returns the logits; training takes the batch's statistics and drops features."""
        least_space(x.shape, 4, "plain8")
        before = WIDTHS[0]
        for number, width in enumerate(WIDTHS, 1):
            if width > before:
                x = nn.MaxPool(2, name=f"pool{number - 1}")(x)
            convolved = nn.Conv(width, 3, padding="SAME", name=f"conv{number}")(x)
            if self.batch_norm:
                norm = linen.BatchNorm(not train, momentum=0.9, name=f"norm{number}")
                convolved = norm(convolved)
            x = nn.relu(convolved)
            before = width
        x = nn.GlobalAveragePool(name="gap")(x)
        if self.dropout:
            x = linen.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return nn.Dense(self.num_classes, kernel_init=nn.lecun_normal, name="output")(x)
