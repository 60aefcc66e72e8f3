"""A network's cost, layer by layer."""

import dataclasses
import math
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from cnnjax import ops
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
      output_shape: (*space, channels) of one example.
      parameters: Trained parameters.
      multiply_accumulates: For one example; biases, activations, comparisons and normalisations are
        not counted.
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
    """

    rows: tuple[Row, ...]
    parameters: int
    multiply_accumulates: int

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
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        # Words to the left, numbers to the right.
        text = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rule = "─" * max(map(len, text))
        return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])


def summary(module: linen.Module, input_shape: tuple[int, ...]) -> Summary:
    """Counts what a network costs, without computing anything.

    The receptive fields compose the layers in the order in which they run, so they are those of a
    chain; a branch beside it is not told apart. What happens between layers is not seen either:
    where a layer takes another shape than the one before it gave, as behind `ops.max_pool`, the
    field is not known from there on; `nn.MaxPool` and its like are layers.

    Args:
      module: The network.
      input_shape: (*space, channels) of one example, without the batch axis.

    Returns:
      A row for every layer, and the totals.

    Raises:
      ValueError: The network does not take inputs of that shape.

    >>> from cnnjax import models
    >>> print(summary(models.build("linear"), (40, 1)))
    layer    kind     output  parameters  multiply–accumulates  receptive field
    ───────────────────────────────────────────────────────────────────────────
    flatten  Flatten      40           0                     0               40
    output   Dense        10         410                   400               40
    ───────────────────────────────────────────────────────────────────────────
    total                            410                   400
    """
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    with watch() as calls:
        variables = jax.eval_shape(
            lambda x: module.init(jax.random.key(0), x, **training(module, False)), example
        )
    rows, seen = [], _Seen(tuple(input_shape[:-1]))
    for call in calls:
        if call.leaf or call.parameters:
            rows.append(_row(call, seen))
    return Summary(
        tuple(rows),
        _size(variables.get("params", {})),
        sum(row.multiply_accumulates for row in rows),
    )


class _Seen:
    """The windows passed so far, along each axis of the input."""

    def __init__(self, space: tuple[int, ...]) -> None:
        self.space = space
        self.layers: list[list[Any]] = [[] for _ in space]
        self.known = True
        self.given: tuple[int, ...] | None = None

    def through(self, call: Call) -> tuple[int, ...] | None:
        shape = call.input.shape[1:]
        if self.given not in (None, shape):
            self.known = False
        self.given = call.output.shape[1:]
        if isinstance(call.module, Layer):
            if len(shape) - 1 == len(self.space):
                self._add(call.module, shape)
        elif shape[:-1] != call.output.shape[1:-1] or hasattr(call.module, "kernel_size"):
            self.known = False
        if not self.known:
            return None
        return tuple(
            ops.receptive_field(layers, size=size).size
            for layers, size in zip(self.layers, self.space, strict=True)
        )

    def _add(self, layer: Layer, shape: tuple[int, ...]) -> None:
        *lengths, padding = layer.window_geometry(shape)
        named = zip(("window", "stride", "dilation"), lengths, strict=True)
        every = [per_axis(name, value, len(self.space)) for name, value in named]
        for axis, layers in enumerate(self.layers):
            sizes = (each[axis] for each in every)
            # Amounts given per axis; names and integers hold for every axis.
            own = padding if isinstance(padding, str | int) else (padding[axis],)
            layers.append((*sizes, own))


def _row(call: Call, seen: _Seen) -> Row:
    input_shape, output_shape = call.input.shape[1:], call.output.shape[1:]
    if isinstance(call.module, Layer):
        work = call.module.multiply_accumulates(input_shape, output_shape)
    else:
        # Any other module: its kernel's weights, at every position where they are used.
        kernel = call.module.variables.get("params", {}).get("kernel")
        made = np.atleast_1d(getattr(call.module, "features", output_shape[-1])).tolist()
        used = math.prod(output_shape) // math.prod(made)
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


def _size(tree: PyTree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
