"""Checks that several families share, with their wording."""

import numpy as np

from cnnjax.errors import UserError


def positive_integer(name: str, value: object) -> int:
    """Returns `value` as an int ≥ 1.

    Args:
      name: What it is called, for the message.
      value: What was given.

    Returns:
      The same number.

    Raises:
      UserError: It is not an integer ≥ 1.

    >>> positive_integer("width", 3)
    3
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or int(value) < 1:  # type: ignore[call-overload]
        raise UserError(f"{name}={value!r}: expected an integer ≥ 1")
    return int(value)  # type: ignore[call-overload]


def least_space(shape: tuple[int, ...], least: int, model: str) -> None:
    """Checks that an input has spatial axes and that none is too short.

    Args:
      shape: (batch, *space, channels).
      least: The smallest size of a spatial axis that the model can take.
      model: Its name, for the message.

    Raises:
      ValueError: There is no spatial axis, or one is shorter than `least`.
    """
    if len(shape) < 3 or min(shape[1:-1]) < least:
        raise ValueError(
            f"x.shape={shape}: {model} expected (batch, *space, channels) with at least {least} "
            f"positions along every spatial axis{for_vectors(shape)}"
        )


def for_vectors(shape: tuple[int, ...]) -> str:
    """Which networks take the vectors that features such as HOG give; "" for other inputs.

    Args:
      shape: Of the input, the batch axis first.

    Returns:
      The end of a message.
    """
    if len(shape) != 2:
        return ""
    return "; vectors are taken by linear, mlp800, ciresan2 to ciresan9 and mnist1d_mlp"
