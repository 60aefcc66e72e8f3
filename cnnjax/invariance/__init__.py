"""What is measured on a trained model, or on one that has not been trained yet."""

from cnnjax.invariance.accuracy import Evaluation, Predict, TopTwo, evaluate
from cnnjax.invariance.corruptions import NAMES as CORRUPTIONS
from cnnjax.invariance.corruptions import SEVERITIES, corrupt, corrupted, corruption_errors
from cnnjax.invariance.equivariance import LayerError, equivariance
from cnnjax.invariance.measurement import (
    Measurement,
    measure,
    measure_corruptions,
    relative_area,
    summary,
)
from cnnjax.invariance.transformations import DEFAULT, DEFAULT_SIGNALS, NAMES, SIGNAL_NAMES

__all__ = [
    "CORRUPTIONS",
    "DEFAULT",
    "DEFAULT_SIGNALS",
    "NAMES",
    "SEVERITIES",
    "SIGNAL_NAMES",
    "Evaluation",
    "LayerError",
    "Measurement",
    "Predict",
    "TopTwo",
    "corrupt",
    "corrupted",
    "corruption_errors",
    "equivariance",
    "evaluate",
    "measure",
    "measure_corruptions",
    "relative_area",
    "summary",
]
