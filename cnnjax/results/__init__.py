"""The tables that a launch leaves, and what is read off them.

`tables` writes and reads them; `intervals` has means with Student's interval, `summaries` areas
under curves and corruption errors, `terminal` the table that a launch prints.
"""

from cnnjax.results.tables import (
    CELL,
    CORRUPTION,
    EQUIVARIANCE,
    PREDICTIONS,
    SCHEMA,
    SCHEMAS,
    TIMES,
    append,
    discard_incomplete,
    finished,
    read,
)

__all__ = [
    "CELL",
    "CORRUPTION",
    "EQUIVARIANCE",
    "PREDICTIONS",
    "SCHEMA",
    "SCHEMAS",
    "TIMES",
    "append",
    "discard_incomplete",
    "finished",
    "read",
]
