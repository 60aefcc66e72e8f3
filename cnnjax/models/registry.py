"""Every network by its name: what `model.name` and `model.options` of a launch choose from."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as linen

from cnnjax import errors, nn
from cnnjax.models.checks import positive_integer
from cnnjax.models.ladder import RUNGS, Ladder
from cnnjax.models.lenet import CODES, LeNet5, LeNet5Modern
from cnnjax.models.mlp import MLP
from cnnjax.models.mnist1d import MNIST1DCNN, MNIST1DMLP
from cnnjax.models.plain import Plain8

CIRESAN: Mapping[int, tuple[int, ...]] = {
    2: (1000, 500),
    3: (1500, 1000, 500),
    4: (2000, 1500, 1000, 500),
    5: (2500, 2000, 1500, 1000, 500),
    9: (1000,) * 9,
}
"""The hidden layers of Cireşan, Meier, Gambardella and Schmidhuber (2010), arXiv 1003.0358."""


def _linear(num_classes: int) -> MLP:
    return MLP((), num_classes)


def _mlp800(
    num_classes: int, *, width: Any = 800, activation: str = "relu", dropout: Any = 0.0
) -> MLP:
    widths = (_integer("width", width),)
    return MLP(widths, num_classes, _activation(activation), dropout=_dropout(dropout))


def _ciresan(hidden: int) -> Callable[..., MLP]:
    def make(num_classes: int, *, activation: str = "scaled_tanh", dropout: Any = 0.0) -> MLP:
        bound = 0.05 if _activation(activation) == "scaled_tanh" else None
        return MLP(CIRESAN[hidden], num_classes, activation, bound, _dropout(dropout))

    return make


def _ladder(rung: str) -> Callable[..., Ladder]:
    def make(num_classes: int, *, budget: Any = 60_000, padding: str = "SAME") -> Ladder:
        errors.choose("model.options.padding", padding, ("SAME", "CIRCULAR"))
        return Ladder(rung, num_classes, _integer("budget", budget), padding)

    return make


def _lenet5(num_classes: int, *, codes: str = "fixed") -> LeNet5:
    if num_classes > 10:
        raise errors.UserError(
            f"num_classes={num_classes}: lenet5 expected at most 10, it has codes for ten digits; "
            "lenet5_modern takes any number"
        )
    return LeNet5(num_classes, errors.choose("model.options.codes", codes, CODES))


def _lenet5_modern(num_classes: int) -> LeNet5Modern:
    return LeNet5Modern(num_classes)


def _plain8(num_classes: int, *, batch_norm: Any = False, dropout: Any = 0.0) -> Plain8:
    if not isinstance(batch_norm, bool):
        raise errors.UserError(f"model.options.batch_norm={batch_norm!r}: expected true or false")
    return Plain8(num_classes, batch_norm, _dropout(dropout))


def _mnist1d_mlp(num_classes: int, *, width: Any = 100) -> MNIST1DMLP:
    return MNIST1DMLP(num_classes, _integer("width", width))


def _mnist1d_cnn(num_classes: int, *, width: Any = 25) -> MNIST1DCNN:
    return MNIST1DCNN(num_classes, _integer("width", width))


def _integer(option: str, value: Any) -> int:
    return positive_integer(f"model.options.{option}", value)


def _dropout(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        raise errors.UserError(
            f"model.options.dropout={value!r}: expected a number from 0 to below 1"
        )
    return float(value)


def _activation(value: str) -> str:
    return errors.choose("model.options.activation", value, nn.ACTIVATIONS)


_MODELS: dict[str, Callable[..., linen.Module]] = {
    "linear": _linear,
    "mlp800": _mlp800,
    **{f"ciresan{hidden}": _ciresan(hidden) for hidden in CIRESAN},
    **{f"ladder_{rung}": _ladder(rung) for rung in RUNGS},
    "lenet5": _lenet5,
    "lenet5_modern": _lenet5_modern,
    "plain8": _plain8,
    "mnist1d_mlp": _mnist1d_mlp,
    "mnist1d_cnn": _mnist1d_cnn,
}

NAMES: tuple[str, ...] = tuple(_MODELS)
"""Every name that `build` knows."""

DENSE: tuple[str, ...] = (
    *("linear", "mlp800", "ladder_dense", "mnist1d_mlp"),
    *(f"ciresan{hidden}" for hidden in CIRESAN),
)
"""Those whose layers connect everything with everything: their structure keeps nothing."""


def build(name: str, /, *, num_classes: int = 10, **options: Any) -> linen.Module:
    """Builds a network by name.

    | name | options | what it is |
    |---|---|---|
    | linear | | logits straight from the pixels |
    | mlp800 | width=800, activation="relu", dropout=0 | one hidden layer |
    | ciresan2, 3, 4, 5, 9 | activation="scaled_tanh", dropout=0 | that many hidden layers |
    | ladder_dense, _local, _conv, | budget=60000, padding="SAME" | the structure ladder, |
    | ladder_pool, _blur, _gap | the same | see `cnnjax.models.ladder` |
    | lenet5 | codes="fixed" | as published in 1998; "trainable" makes its output codes parameters |
    | lenet5_modern | | its common simplification |
    | plain8 | batch_norm=False, dropout=0 | eight 3×3 convolutions of 64 to 256 channels, |
    | | | global average |
    | mnist1d_mlp, mnist1d_cnn | width=100, width=25 | as published with MNIST-1D |

    Cireşan's weights and biases start uniform on ±0.05, as published; with activation="relu" they
    start as those of the other networks do, He-normal and zero. Two networks built alike are equal
    and hash alike, so that a jitted function that takes them compiles once.

    Args:
      name: One of `NAMES`.
      num_classes: The number of logits, ≥ 1.
      **options: The named network's own options.

    Returns:
      A module to be called with (x, train=False), x of (batch, *space, channels).

    Raises:
      UserError: No such name or option (the nearest is suggested), or a value out of range.

    >>> build("mlp80")
    Traceback (most recent call last):
      ...
    cnnjax.errors.UserError: model.name='mlp80': did you mean 'mlp800'? Known: ...
    """
    make = _MODELS[errors.choose("model.name", name, NAMES)]
    known = [option for option in inspect.signature(make).parameters if option != "num_classes"]
    for option in options:
        if not known:
            raise errors.UserError(f"model.options.{option}: {name} has no options")
        errors.choose(f"model.options of {name}", option, known)
    return make(positive_integer("num_classes", num_classes), **options)
