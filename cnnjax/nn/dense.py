"""Layers without spatial structure."""

import math

import flax.linen as linen
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax import ops
from cnnjax.nn.initialisers import he_normal, zeros
from cnnjax.nn.layer import Geometry, Initialiser, Layer, check_features, positions


class Flatten(Layer):
    """(batch, *space, channels) → (batch, everything), the last axis fastest."""

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *rest"]
    ) -> Float[Array | np.ndarray, "batch features"]:
        """Applies the layer."""
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The flat vector holds, as a whole, everything that the map saw."""
        return input_shape[:-1], 1, 1, "VALID"


class Dense(Layer):
    """y = x · kernel + bias over the last axis.

    Attributes:
      features: The number of outputs, ≥ 1.
      use_bias: Whether a bias is added.
      kernel_init: Initialiser of the kernel (inputs, features).
      bias_init: Initialiser of the bias (features,).
    """

    features: int
    use_bias: bool = True
    kernel_init: Initialiser = he_normal
    bias_init: Initialiser = zeros

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space inputs"]
    ) -> Float[Array, "batch *space features"]:
        """Applies the layer."""
        check_features(self.features)
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        y = jnp.dot(x, kernel)
        if self.use_bias:
            y = y + self.param("bias", self.bias_init, (self.features,))
        return y

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """Inputs × outputs, at every position."""
        return positions(input_shape) * input_shape[-1] * output_shape[-1]


class RadialBasis(Layer):
    """y_i = −‖x − code_i‖²: the closer x is to a class's code, the larger its logit.

    Softmax cross-entropy on these logits is the discriminative criterion of the reference (its
    equation 9) without the rubbish class.

    Attributes:
      codes: One code of the same length per class.
      trainable: Whether the codes are parameters that start there; otherwise they are constants
        and no parameters at all.

    Reference:
      LeCun, Bottou, Bengio, Haffner (1998), section II.B.
    """

    codes: tuple[tuple[int, ...], ...]
    trainable: bool = False

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch inputs"]
    ) -> Float[Array, "batch classes"]:
        """Applies the layer."""
        fixed = jnp.asarray(self.codes, jnp.float32)
        codes = self.param("codes", lambda key: fixed) if self.trainable else fixed
        return -ops.squared_distances(x, codes)

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """One for every component of every code."""
        return input_shape[-1] * output_shape[-1]
