"""Fixed feature extractors, batched and jitted: invariance that is designed, not learned."""

from cnnjax.features.hog import hog
from cnnjax.features.moments import Moments, moments
from cnnjax.features.normalise import centre, crop, deskew, normalise_size
from cnnjax.features.pipeline import NAMES, build

__all__ = [
    "NAMES",
    "Moments",
    "build",
    "centre",
    "crop",
    "deskew",
    "hog",
    "moments",
    "normalise_size",
]
