"""Images on a larger canvas, as networks with a fixed input size want them."""

import numpy as np

from cnnjax.data.dataset import Dataset, Split, split
from cnnjax.errors import UserError


def on_canvas(dataset: Dataset, side: int) -> Dataset:
    """Pads every image with zeros to `side` × `side` pixels.

    The image goes to the centre; where the rim cannot be even, the odd row and column come after
    it: 28×28 digits on a canvas of 29 get one row of zeros below and one column to their right.

    Args:
      dataset: Images, not signals.
      side: Height and width in pixels, at least those of the images.

    Returns:
      The data set with all three splits padded.

    Raises:
      UserError: The data set holds signals, or its images are larger than the canvas.
    """

    def pad(part: Split) -> Split:
        if part.images.ndim != 4:
            raise UserError(f"dataset.canvas={side}: {dataset.name} holds signals, not images")
        height, width = part.images.shape[1:3]
        if max(height, width) > side:
            raise UserError(
                f"dataset.canvas={side}: the images of {dataset.name} are {height}×{width} pixels; "
                "expected at least their size, or 0 to leave them as they are"
            )
        rims = [((side - size) // 2, side - size - (side - size) // 2) for size in (height, width)]
        return split(np.pad(part.images, [(0, 0), *rims, (0, 0)]), part.labels)

    return dataset._replace(
        train=pad(dataset.train), validation=pad(dataset.validation), test=pad(dataset.test)
    )
