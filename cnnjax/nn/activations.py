"""The squashing functions, by name."""

from collections.abc import Callable

from jaxtyping import Array

from cnnjax import errors
from cnnjax.ops import relu, scaled_tanh

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": relu, "scaled_tanh": scaled_tanh}


def activation(name: str) -> Callable[[Array], Array]:
    """The activation function of that name.

    Args:
      name: One of `ACTIVATIONS`.

    Returns:
      A function of an array that keeps its shape.

    Raises:
      UserError: There is no such activation; the nearest name is suggested.
    """
    return ACTIVATIONS[errors.choose("activation", name, ACTIVATIONS)]
