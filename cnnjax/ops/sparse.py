"""Convolutions in which an output map sees only some of the input maps."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.ops.correlation import cross_correlate


def sparse_cross_correlate(
    x: Float[Array | np.ndarray, "batch *space channels"],
    kernel: Float[Array | np.ndarray, "*window connections"],
    table: Sequence[Sequence[int]],
) -> Float[Array, "batch *out features"]:
    """Sums, for each output map, the cross-correlations of the input maps that it is connected to.

    y[…, f] = Σ_{c in table[f]} cross_correlate(x[…, c], kernel[…, (c, f)]), without padding.

    Args:
      x: Images or signals, channels last.
      kernel: A window for each connection, in the order of the table.
      table: For each output map, the input maps it is connected to, from 0; one that is named twice
        has two windows.

    Returns:
      The features at each position where the window fits.

    Raises:
      ValueError: The table has no row or an empty one, names an input map that there is not, or has
        another number of connections than the kernel.

    Reference:
      LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document
      recognition, table I.
    """
    if not len(table) or not all(len(maps) for maps in table):
        raise ValueError(f"table={table}: expected at least one input map for each output map")
    sources = np.concatenate([np.asarray(maps, int) for maps in table])
    targets = np.repeat(np.arange(len(table)), [len(maps) for maps in table])
    for source in (sources.min(), sources.max()):
        if not 0 <= source < x.shape[-1]:
            raise ValueError(f"table: names input map {source}, the input has {x.shape[-1]}")
    if kernel.shape[-1] != len(sources):
        raise ValueError(
            f"kernel.shape={kernel.shape}: expected (*window, {len(sources)}), the table's number "
            "of connections"
        )
    # The missing connections are zeros: one dense kernel is faster than many small ones.
    dense = jnp.zeros((*kernel.shape[:-1], x.shape[-1], len(table)), kernel.dtype)
    return cross_correlate(jnp.asarray(x), dense.at[..., sources, targets].add(kernel))
