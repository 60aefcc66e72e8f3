"""Sparsely connected maps, one scipy correlation a connection."""

import numpy as np
import pytest
from scipy import signal

from cnnjax import ops

# The order within a map is that of the kernel; a map named twice has two windows.
TABLE = ((0, 2), (1, 1), (2, 0, 1))


@pytest.mark.parametrize("axes", [1, 2])
def test_each_connection_is_a_correlation_of_its_own(axes):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, *(7, 6)[:axes], 3)).astype(np.float32)
    kernel = random.normal(size=(*(3,) * axes, 7)).astype(np.float32)
    found = ops.sparse_cross_correlate(x, kernel, TABLE)
    connection = iter(range(7))
    for target, maps in enumerate(TABLE):
        pairs = [(source, next(connection)) for source in maps]
        for image, y in zip(x, np.asarray(found), strict=True):
            expected = sum(
                signal.correlate(image[..., source], kernel[..., place], "valid")
                for source, place in pairs
            )
            np.testing.assert_allclose(y[..., target], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "connections", "message"),
    [
        (2, 7, "table: names input map 2, the input has 2"),
        (3, 5, r"kernel\.shape=\(3, 5\): expected \(\*window, 7\)"),
    ],
)
def test_table_input_and_kernel_belong_together(channels, connections, message):
    x, kernel = np.zeros((1, 5, channels), np.float32), np.zeros((3, connections), np.float32)
    with pytest.raises(ValueError, match=message):
        ops.sparse_cross_correlate(x, kernel, TABLE)


def test_maps_are_not_counted_from_the_end():
    x, kernel = np.zeros((1, 5, 2), np.float32), np.zeros((3, 1), np.float32)
    with pytest.raises(ValueError, match="table: names input map -1, the input has 2"):
        ops.sparse_cross_correlate(x, kernel, ((-1,),))
