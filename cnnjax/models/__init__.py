"""Networks by name, their cost by layer, and the seam through which training sees them.

>>> from cnnjax import models
>>> network = models.build("lenet5_modern")
>>> models.summary(network, (28, 28, 1)).parameters
61706
"""

from cnnjax.models.registry import DENSE, NAMES, build
from cnnjax.models.seam import Network, feature_maps, seam
from cnnjax.models.summary import Row, Summary, summary

__all__ = [
    "DENSE",
    "NAMES",
    "Network",
    "Row",
    "Summary",
    "build",
    "feature_maps",
    "seam",
    "summary",
]
