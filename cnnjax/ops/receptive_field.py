"""Receptive fields: which input pixels a unit deep in a network can see."""

from collections.abc import Iterable
from typing import NamedTuple

from cnnjax.ops.windows import Padding, explicit_padding, output_size, span


class ReceptiveField(NamedTuple):
    """What the units of a layer see along one axis of the input.

    Unit i sees the input pixels start + i·jump … start + i·jump + size − 1; those below 0 or beyond
    the end are padding.

    Attributes:
      size: Pixels that one unit sees.
      jump: Pixels between what neighbouring units see.
      start: The first pixel that unit 0 sees; negative where it sees padding.
    """

    size: int
    jump: int
    start: int


def receptive_field(
    layers: Iterable[tuple[int, int, int, Padding]], *, size: int | None = None
) -> ReceptiveField:
    """Composes layers along one axis.

    With window k, dilation d, stride s and padding (low, high), layer by layer from (1, 1, 0):
    size += (k − 1)·d·jump, start −= low·jump, jump ·= s.

    Args:
      layers: (window, stride, dilation, padding) of each layer, the first first; the padding as in
        `explicit_padding`.
      size: Pixels of the input, wanted only for "SAME" with a stride: how much that pads depends on
        the size.

    Returns:
      What a unit of the last layer sees; of the input itself, (1, 1, 0), for no layers.

    Raises:
      ValueError: An argument is out of range, a window does not fit, or `size` is missing.

    Reference: Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks,
    2019.

    >>> receptive_field([(5, 1, 1, "SAME"), (2, 2, 1, "VALID"), (5, 1, 1, "VALID")])
    ReceptiveField(size=14, jump=2, start=-2)
    """
    seen, jump, start = 1, 1, 0
    for window, stride, dilation, padding in layers:
        if size is None and padding == "SAME" and stride != 1:
            raise ValueError(
                f"size=None: expected the input's size, for 'SAME' with stride {stride}"
            )
        # Any size will do where the amounts do not depend on it.
        ((low, _),) = explicit_padding(
            size or 1, window, stride=stride, dilation=dilation, padding=padding
        )
        if size is not None:
            size = output_size(size, window, stride=stride, padding=padding, dilation=dilation)
        seen += (span(window, dilation) - 1) * jump
        start -= low * jump
        jump *= stride
    return ReceptiveField(seen, jump, start)
