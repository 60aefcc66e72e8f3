"""The seam: all that training, evaluation and checkpoints see of a network."""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as linen
import numpy as np
from flax.errors import InvalidRngError
from jaxtyping import Array, Float

from cnnjax.models.watch import watch

Variables = Mapping[str, Any]
"""{"params": …} and, where a layer keeps running statistics, {"batch_stats": …}."""

_STATE = "batch_stats"


class Network(NamedTuple):
    """A network as two pure functions.

    Attributes:
      init: (key, x) -> variables; x is an example batch, only its shape and type matter.
      apply: (variables, x, train, key) -> (logits, new_state); new_state is {"batch_stats": …} when
        the network has such statistics and `train` is true, else {}. `key` draws dropout masks; it
        may be None where nothing is drawn.
    """

    init: Callable[..., dict[str, Any]]
    apply: Callable[..., tuple[Array, dict[str, Any]]]


def seam(module: linen.Module) -> Network:
    """The two functions of a Linen module.

    Args:
      module: Any Linen module that returns logits. It is called as module(x, train=…) where it has
        such an argument, otherwise as module(x).

    Returns:
      Its `Network`. Both functions work under jit, vmap and lax.map; `train` is a Python bool. They
      raise ValueError where the module has another name for it, as it would never be trained.

    >>> import jax, jax.numpy as jnp
    >>> from cnnjax import models
    >>> network = seam(models.build("linear"))
    >>> variables = network.init(jax.random.key(0), jnp.zeros((1, 40, 1)))
    >>> logits, state = network.apply(variables, jnp.zeros((2, 40, 1)), False, None)
    >>> logits.shape, state
    ((2, 10), {})
    """

    def init(key: Array, x: Float[Array | np.ndarray, "batch *rest"]) -> dict[str, Any]:
        variables = module.init(key, x, **training(module, False))
        return {name: variables[name] for name in ("params", _STATE) if name in variables}

    def apply(
        variables: Variables,
        x: Float[Array | np.ndarray, "batch *rest"],
        train: bool = False,
        key: Array | None = None,
    ) -> tuple[Float[Array, "batch classes"], dict[str, Any]]:
        mutable = [_STATE] if train and _STATE in variables else []
        rngs = {} if key is None else {"dropout": key}
        try:
            logits, state = module.apply(
                variables, x, **training(module, train), rngs=rngs, mutable=mutable
            )
        except InvalidRngError as error:
            if key is None:
                raise ValueError("key=None: expected a key, this network draws numbers") from error
            raise
        return logits, dict(state)

    return Network(init, apply)


def training(module: linen.Module, train: bool) -> dict[str, Any]:
    """The argument that tells a module whether it is trained, for one that can be told."""
    parameters = inspect.signature(type(module).__call__).parameters
    for other in ("training", "is_training", "deterministic"):
        if other in parameters and "train" not in parameters:
            raise ValueError(f"{type(module).__name__} takes {other!r}: expected 'train'")
    return {"train": train} if "train" in parameters else {}


def feature_maps(
    module: linen.Module, variables: Variables, x: Float[Array | np.ndarray, "batch *rest"]
) -> dict[str, Array]:
    """What every layer hands on, before its activation function, and every block of layers.

    Args:
      module: The network.
      variables: Its variables.
      x: A batch of inputs.

    Returns:
      An ordered dict from the layer's name ("conv1", "pool1", … "output"; nested ones with slashes)
      to its output, the first layer first. A module that has layers, such as a residual block,
      comes after them, if it gives an array. The order also survives jit.
    """
    with watch() as calls:
        module.apply(variables, x, **training(module, False))
    return OrderedDict(
        (call.name, call.output)
        for call in calls
        if call.leaf or (call.module.path and hasattr(call.output, "shape"))
    )
