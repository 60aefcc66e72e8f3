"""Named data sets as arrays: `load` gives train, validation and test splits, and never downloads.

`python -m cnnjax.data list` shows what can be loaded; `python -m cnnjax.data prepare NAME` prepares
a set of tensorflow-datasets so that it can be.
"""

from cnnjax.data.canvas import on_canvas
from cnnjax.data.dataset import Dataset, Split, fingerprint
from cnnjax.data.loading import NAMES, SIGNALS, load

__all__ = ["NAMES", "SIGNALS", "Dataset", "Split", "fingerprint", "load", "on_canvas"]
