"""A network's cost, layer by layer."""

import dataclasses
import math
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from cnnjax import ops, text
from cnnjax.models.seam import training
from cnnjax.models.watch import Call, watch
from cnnjax.nn import Layer
from cnnjax.ops.windows import per_axis


@dataclasses.dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
      layer: Its name in the network.
      kind: The name of its class.
      output_shape: (*space, channels) of one example; () where it does not give one array.
      parameters: Trained parameters.
      multiply_accumulates: For one example; biases, activations, comparisons and normalisations are
        not counted. A kernel counts once in a layer of another maker that does not give one array.
      receptive_field: How many input positions along each axis an output position depends on,
        padding counted; None where it cannot be known.
    """

    layer: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_accumulates: int
    receptive_field: tuple[int, ...] | None


@dataclasses.dataclass(frozen=True)
class Summary:
    """All layers of a network and the totals; `str` makes it a table.

    Attributes:
      rows: The layers, in the order in which they are computed.
      parameters: Trained parameters in all.
      multiply_accumulates: For one example, in all.
      output_shape: What the network gives for one example; None where that is not one array.
    """

    rows: tuple[Row, ...]
    parameters: int
    multiply_accumulates: int
    output_shape: tuple[int, ...] | None

    def __str__(self) -> str:
        """An aligned table with the totals in its last line."""
        head = ("layer", "kind", "output", "parameters", "multiply–accumulates", "receptive field")
        lines = [head] + [
            (
                row.layer,
                row.kind,
                _times(row.output_shape),
                f"{row.parameters:,}",
                f"{row.multiply_accumulates:,}",
                "—" if row.receptive_field is None else _times(row.receptive_field),
            )
            for row in self.rows
        ]
        lines.append(
            ("total", "", "", f"{self.parameters:,}", f"{self.multiply_accumulates:,}", "")
        )
        rows = text.aligned(lines, left=(0, 1))
        rule = text.rule(rows)
        return "\n".join([rows[0], rule, *rows[1:-1], rule, rows[-1]])


def summary(module: linen.Module, input_shape: tuple[int, ...]) -> Summary:
    """Counts what a network costs, without computing anything.

    A receptive field composes the layers that lead to a layer's input. Two layers that take the
    same array are branches. What happens between layers is not seen: an input that no layer gave or
    took is thought to be made of all that has its shape, as a residual sum is, and to see what the
    largest of these sees. Where the layer before gave another shape, as before `ops.max_pool`, the
    field is not known from there on; `nn.MaxPool` and its like are layers. Nor is it where the
    first layer takes another shape than the network does, other than all of its input as a vector.

    Lifted loops, such as `linen.scan` and `linen.RNN`, are not counted step by step: what is inside
    has a row for each time that it is traced, however many steps there are.

    Args:
      module: The network.
      input_shape: (*space, channels) of one example, without the batch axis.

    Returns:
      A row for every layer, and the totals.

    Raises:
      ValueError: An axis is empty, or the network does not take inputs of that shape.

    >>> from cnnjax import models
    >>> print(summary(models.build("linear"), (40, 1)))
    layer    kind     output  parameters  multiply–accumulates  receptive field
    ───────────────────────────────────────────────────────────────────────────
    flatten  Flatten      40           0                     0               40
    output   Dense        10         410                   400               40
    ───────────────────────────────────────────────────────────────────────────
    total                            410                   400
    """
    if min(input_shape, default=1) < 1:
        raise ValueError(f"input_shape={input_shape}: expected (*space, channels), each ≥ 1")
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    with watch() as calls:
        variables = jax.eval_shape(
            lambda x: module.init(jax.random.key(0), x, **training(module, False)), example
        )
    rows, seen = [], _Seen(tuple(input_shape))
    for call in calls:
        if call.leaf or call.parameters:
            rows.append(_row(call, seen))
    return Summary(
        tuple(rows),
        _size(variables.get("params", {})),
        sum(row.multiply_accumulates for row in rows),
        _of_one(calls[-1].output),
    )


_Windows = tuple[tuple[Any, ...], ...]
"""The windows that lead to an array, for each axis of the network's input."""


class _Seen:
    """The windows that lead to each array that a layer took or gave; None where not known."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self.input_shape = input_shape
        self.space = input_shape[:-1]
        # By identity: the calls that are recorded keep all of these alive.
        self.windows: dict[int, _Windows | None] = {}
        self.given: list[tuple[tuple[int, ...] | None, _Windows | None]] = []

    def through(self, call: Call) -> tuple[int, ...] | None:
        windows = None
        if hasattr(call.input, "shape"):  # neither several arrays nor none
            if id(call.input) not in self.windows:
                self.windows[id(call.input)] = self._before(call)
            windows = self.windows[id(call.input)]
        one = hasattr(call.output, "shape")
        windows = self._after(call, windows) if windows is not None and one else None
        self.windows[id(call.output)] = windows
        self.given.append((call.output.shape if one else None, windows))
        return None if windows is None else self._size(windows)

    def _before(self, call: Call) -> _Windows | None:
        shape = call.input.shape
        if not self.given:
            if shape == (1, *self.input_shape):
                return ((),) * len(self.space)
            flat = shape == (1, math.prod(self.input_shape))
            return tuple(((size, 1, 1, "VALID"),) for size in self.space) if flat else None
        made_of = [windows for _, windows in self.given]
        if self.given[-1][0] != shape or None in made_of:
            return None
        alike = [windows for given, windows in self.given if given == shape]
        return max((each for each in alike if each is not None), key=self._size)

    def _after(self, call: Call, windows: _Windows) -> _Windows | None:
        shape = call.input.shape[1:]
        if not isinstance(call.module, Layer):
            same = shape[:-1] == call.output.shape[1:-1]
            return windows if same and not hasattr(call.module, "kernel_size") else None
        if len(shape) - 1 != len(self.space):
            return windows
        *lengths, padding = call.module.window_geometry(shape)
        named = zip(("window", "stride", "dilation"), lengths, strict=True)
        every = [per_axis(name, value, len(self.space)) for name, value in named]
        after = []
        for axis, before in enumerate(windows):
            # Amounts given per axis; names and integers hold for every axis.
            own = padding if isinstance(padding, str | int) else (padding[axis],)
            after.append((*before, (*(each[axis] for each in every), own)))
        return tuple(after)

    def _size(self, windows: _Windows) -> tuple[int, ...]:
        return tuple(
            ops.receptive_field(layers, size=size).size
            for layers, size in zip(windows, self.space, strict=True)
        )


def _row(call: Call, seen: _Seen) -> Row:
    input_shape, output_shape = (_of_one(value) or () for value in (call.input, call.output))
    if isinstance(call.module, Layer):
        work = call.module.multiply_accumulates(input_shape, output_shape)
    else:
        # Any other module: its kernel's weights, at every position where they are used.
        kernel = call.module.variables.get("params", {}).get("kernel")
        made = np.atleast_1d(getattr(call.module, "features", output_shape[-1:])).tolist()
        used = math.prod(output_shape) // math.prod(made) if output_shape else 1
        if isinstance(call.module, linen.ConvTranspose):
            used = math.prod(input_shape[:-1])  # every pixel meets every weight
        work = 0 if kernel is None else math.prod(kernel.shape) * used
    return Row(
        layer=call.name,
        kind=type(call.module).__name__,
        output_shape=output_shape,
        parameters=call.parameters,
        multiply_accumulates=work,
        receptive_field=seen.through(call),
    )


def _of_one(value: Any) -> tuple[int, ...] | None:
    """The shape of one example; None of several arrays, or of none."""
    return value.shape[1:] if hasattr(value, "shape") else None


def _size(tree: PyTree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
