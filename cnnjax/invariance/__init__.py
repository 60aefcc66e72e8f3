"""What is measured on a trained model, or on one that has not been trained yet."""

from cnnjax.invariance.equivariance import LayerError, equivariance
from cnnjax.invariance.evaluation import Evaluation, Predict, TopTwo, evaluate, top_two
from cnnjax.invariance.measurement import Measurement, measure, relative_area, summary
from cnnjax.invariance.transformations import DEFAULT, DEFAULT_SIGNALS, NAMES, SIGNAL_NAMES

__all__ = [
    "DEFAULT",
    "DEFAULT_SIGNALS",
    "NAMES",
    "SIGNAL_NAMES",
    "Evaluation",
    "LayerError",
    "Measurement",
    "Predict",
    "TopTwo",
    "equivariance",
    "evaluate",
    "measure",
    "relative_area",
    "summary",
    "top_two",
]
