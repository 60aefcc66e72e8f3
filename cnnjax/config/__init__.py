"""What a launch can be told: every field with its default, and the check of a filled-in one.

An experiment file builds its answer to `get_config(arg)` on `default()`. The result is locked, so
that a misspelt field in the file is an error where it stands; only the sections of `FREE_SECTIONS`
take keys of their own choosing.
"""

from cnnjax.config.experiment import load
from cnnjax.config.fields import (
    check_name,
    coerce,
    difference,
    expected,
    flatten,
    holder_of,
    operations_of,
    overlay,
    replaced_by,
    to_json,
    unflatten,
    within,
)
from cnnjax.config.schema import (
    FAMILIES,
    FREE_SECTIONS,
    LAUNCH_WIDE,
    LAYOUTS,
    MEASURE_ON,
    NORMALISATIONS,
    OPTIMIZERS,
    SCHEDULES,
    TRAIN_ON,
    WORDS_ONLY,
    augmentation,
    default,
    ordered,
    steps,
)
from cnnjax.config.validation import validate
from cnnjax.errors import choose

__all__ = [
    "FAMILIES",
    "FREE_SECTIONS",
    "LAUNCH_WIDE",
    "LAYOUTS",
    "MEASURE_ON",
    "NORMALISATIONS",
    "OPTIMIZERS",
    "SCHEDULES",
    "TRAIN_ON",
    "WORDS_ONLY",
    "augmentation",
    "check_name",
    "choose",
    "coerce",
    "default",
    "difference",
    "expected",
    "flatten",
    "holder_of",
    "load",
    "operations_of",
    "ordered",
    "overlay",
    "replaced_by",
    "steps",
    "to_json",
    "unflatten",
    "validate",
    "within",
]
