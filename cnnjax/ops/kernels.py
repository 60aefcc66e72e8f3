"""The kernels that every textbook shows, by name."""

import numpy as np

from cnnjax.errors import choose

_KERNELS: dict[str, tuple[float, list[list[int]]]] = {
    "identity": (1, [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "edge_diagonal": (1, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]),
    "edge_cross": (1, [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "edge_square": (1, [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "sharpen": (1, [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "box_blur": (9, [[1, 1, 1], [1, 1, 1], [1, 1, 1]]),
    "gaussian_blur": (16, [[1, 2, 1], [2, 4, 2], [1, 2, 1]]),
    "emboss": (1, [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    "sobel_vertical": (1, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "sobel_horizontal": (1, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "laplacian": (1, [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
    "prewitt_diagonal": (1, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]),
    "lines_vertical": (1, [[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]]),
    "lines_horizontal": (1, [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]]),
}

KERNEL_NAMES = tuple(_KERNELS)


def named_kernel(name: str) -> np.ndarray:
    """Returns a 3×3 kernel by its name, to be used with `cross_correlate`.

    Args:
      name: One of `KERNEL_NAMES`; "vertical" and "horizontal" say which way the edge or line runs.

    Returns:
      A new float32 array of shape (3, 3); `kernel[..., None, None]` makes it one for one channel.

    Raises:
      cnnjax.errors.UserError: There is no kernel of that name.

    >>> named_kernel("sobel_vertical").tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    divisor, rows = _KERNELS[choose("kernel", name, KERNEL_NAMES)]
    return np.asarray(rows, np.float32) / np.float32(divisor)
