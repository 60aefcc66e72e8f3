"""What a run carries from step to step, and the numbers that tell one member from another."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Float, Int, Key


class Hyper(NamedTuple):
    """The numbers of one member: all traced, so that members share one compiled program.

    Attributes:
      seed: Names every random draw of the member.
      learning_rate: Peak of the schedule.
      weight_decay: Decoupled decay of the kernels (biases are not decayed).
      label_smoothing: Share of each target that is spread over all classes, in [0, 1).
      augment_strength: Factor on every range of the training distortion; 0 gives the image back.
      train_size: How many training examples the member sees.
      label_noise: Share of training labels that are replaced by a random class, in [0, 1].
    """

    seed: Int[Array | np.ndarray, "..."]
    learning_rate: Float[Array | np.ndarray, "..."]
    weight_decay: Float[Array | np.ndarray, "..."]
    label_smoothing: Float[Array | np.ndarray, "..."]
    augment_strength: Float[Array | np.ndarray, "..."]
    train_size: Int[Array | np.ndarray, "..."]
    label_noise: Float[Array | np.ndarray, "..."]


@struct.dataclass
class State:
    """A member's training state; a group's states are stacked along a leading axis.

    The random key is not here: every draw is keyed by (seed, purpose, step), so a resumed run sees
    exactly what an uninterrupted one would have.

    Attributes:
      variables: `{"params": …}` and, for networks with batch statistics, `"batch_stats"`.
      optimizer: Optax's state.
      step: Number of updates made, an int32.
      finite: Whether every loss so far was finite, a bool.
    """

    # jax also passes things through a pytree that are no arrays (shapes, shardings), so nothing is
    # promised of the leaves here.
    variables: Any
    optimizer: Any
    step: Any
    finite: Any


class Keys(NamedTuple):
    """A member's random keys, one for each purpose.

    Attributes:
      init: The parameters before the first step.
      data: Which examples are seen, and which of their labels are wrong.
      order: The order of the examples, epoch by epoch.
      augment: The distortions, step by step.
      dropout: What the network itself draws, step by step.
    """

    init: Key[Array, "..."]
    data: Key[Array, "..."]
    order: Key[Array, "..."]
    augment: Key[Array, "..."]
    dropout: Key[Array, "..."]


def keys(hyper: Hyper) -> Keys:
    """The member's random keys.

    Args:
      hyper: The member's numbers; only the seed is used.

    Returns:
      A key for each purpose, so that no two of them draw the same numbers.
    """
    # One split and few draws throughout: on the CPU each takes a third of a second to compile.
    return Keys(*jax.random.split(jax.random.key(hyper.seed), len(Keys._fields)))


# One program for all members, and for all groups that are equal in network and optimiser.
@partial(jax.jit, static_argnames=("network", "optimizer"))
def create(
    network: Any,
    optimizer: Callable[[Hyper], optax.GradientTransformation],
    hyper: Hyper,
    inputs: Any,
) -> State:
    """A member's state before its first step.

    Args:
      network: The seam, with `init(key, x)`.
      optimizer: From the member's numbers to the transformation whose state is created.
      hyper: The member's numbers.
      inputs: An example batch of network inputs; only its shape and type matter.

    Returns:
      The state at step 0.
    """
    variables = network.init(keys(hyper).init, inputs)
    return State(
        variables=variables,
        optimizer=optimizer(hyper).init(variables["params"]),
        step=jnp.zeros((), jnp.int32),
        finite=jnp.ones((), bool),
    )
