"""The tables that a launch leaves: their columns, written a group at a time, and read.

results.parquet is tidy: one row for each member, transformation and magnitude, measured after
training and, where `initial` is true, before it, on the `split` that the launch measures on: the
test set, or validation. Untouched, it is transformation "none", magnitude 0; where transformations
are measured on part of the test set only, each has a row of magnitude 0 on that part. Corruptions
are "corruption:NAME", with the severity as magnitude, and "corruption:none" the same images
untouched.
A member that validation did not choose, or that diverged, has one row, without an accuracy.
"""

import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnjax.errors import UserError
from cnnjax.files import replacing

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = {
    "experiment": "str",
    "group": "str",
    "member": "int64",
    "route": "str",
    "family": "str",
    "label": "str",
    "dataset": "str",
    "split": "str",
    "train_on": "str",
    "canvas": "int64",
    "normalise": "str",
    "model": "str",
    "model_options": "str",
    "features": "str",
    "augment": "str",
    "augment_ranges": "str",
    "seed": "int64",
    "train_size": "int64",
    "batch_size": "int64",
    "steps": "int64",
    "optimizer": "str",
    "learning_rate": "float64",
    "schedule": "str",
    "warmup": "int64",
    "final": "float64",
    "momentum": "float64",
    "weight_decay": "float64",
    "label_smoothing": "float64",
    "label_noise": "float64",
    "augment_strength": "float64",
    "parameters": "int64",
    "multiply_accumulates": "int64",
    "training_seconds": "float64",
    "images_per_second": "float64",
    "status": "str",
    "chosen": "bool",
    "validation_accuracy": "float64",
    "initial": "bool",
    "transformation": "str",
    "magnitude": "float64",
    "examples": "int64",
    "accuracy": "float64",
    "errors": "float64",
    "consistency": "float64",
}
"""Columns of results.parquet, in order, with their types.

Every field of the configuration that a run may differ in is here, by the last word of its name;
`model_options` and `augment_ranges` are JSON.
"""

_MEMBER = {
    "group": "str",
    "member": "int64",
    "route": "str",
    "label": "str",
    "family": "str",
    "seed": "int64",
}
"""What the tables beside the results tell of whom a row is about."""

EQUIVARIANCE = {
    **_MEMBER,
    "initial": "bool",
    "layer": "str",
    "layer_index": "int64",
    "transformation": "str",
    "magnitude": "float64",
    "error": "float64",
}
"""Columns of equivariance.parquet."""

PREDICTIONS = {
    **_MEMBER,
    "index": "int64",
    "truth": "int64",
    "first": "int64",
    "first_probability": "float64",
    "second": "int64",
    "second_probability": "float64",
}
"""Columns of predictions.parquet."""

SCHEMAS = {"results": SCHEMA, "equivariance": EQUIVARIANCE, "predictions": PREDICTIONS}
"""Table by table, by the name of its file."""

TIMES = ("training_seconds", "images_per_second")
"""Columns in which two equal launches may differ."""

_ABSENT = {
    "examples": 0,
    "accuracy": math.nan,
    "errors": math.nan,
    "consistency": math.nan,
    "validation_accuracy": math.nan,
}

CELL = (
    *("group", "route", "label", "family", "train_size", "label_noise", "augment_strength"),
    *("learning_rate", "weight_decay", "label_smoothing"),
)
"""Columns that agree for members that differ in their seed alone."""

CORRUPTION = "corruption:"
"""What the names of corruptions begin with in the column `transformation`."""


def append(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds rows to a table, whole groups at a time.

    The file is replaced in one step, so that it is complete whenever the process dies. Rows of the
    same groups that are there already are replaced: appending twice is appending once.

    Args:
      path: results.parquet, equivariance.parquet or predictions.parquet in a workdir.
      rows: All rows of one or several groups. The measured columns of results.parquet (examples,
        accuracy, errors, consistency, validation_accuracy) may be left out: missing.

    Raises:
      ValueError: A row lacks a column or has one too many.
      UserError: The table that is there cannot be read.
    """
    import pandas as pd

    path = pathlib.Path(path)
    schema = _schema(path)
    new = pd.DataFrame([_complete(row, schema) for row in rows], columns=list(schema))
    new = new.astype(schema)
    if path.exists():
        old = read(path)
        old = old[~old["group"].isin(new["group"].unique())]
        new = new if old.empty else pd.concat([old, new], ignore_index=True) if len(new) else old
    with replacing(path) as temporary:
        new.to_parquet(temporary, index=False)


def read(path: str | os.PathLike[str]) -> "pd.DataFrame":
    """Reads a table that `append` wrote.

    Args:
      path: The file.

    Returns:
      The rows, in the order in which their groups were finished.

    Raises:
      UserError: There is no such file, or it is not such a table.
    """
    import pandas as pd
    import pyarrow

    path = pathlib.Path(path)
    schema = _schema(path)
    remedy = "delete it and launch again to measure anew, or choose another --workdir"
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (OSError, ValueError, pyarrow.ArrowException):
        raise UserError(f"{path}: is not a readable table (corrupt?); {remedy}") from None
    if wrong := sorted(set(frame.columns) ^ set(schema)):
        raise UserError(f"{path}: other columns than expected ({', '.join(wrong)}); {remedy}")
    try:
        return frame[list(schema)].astype(schema)
    except (TypeError, ValueError):
        raise UserError(f"{path}: other values than expected (corrupt?); {remedy}") from None


def finished(workdir: pathlib.Path) -> set[str]:
    """The groups that a workdir holds whole, in every table; a group comes to results.parquet last.

    Args:
      workdir: The launch's folder.

    Returns:
      The groups' names; none where a table is missing (see `discard_incomplete`).

    Raises:
      UserError: results.parquet cannot be read.
    """
    if not _complete_tables(workdir):
        return set()
    return set(read(workdir / "results.parquet")["group"])


def discard_incomplete(workdir: pathlib.Path) -> None:
    """Deletes results.parquet where another table is missing.

    Somebody deleted that one. Every group is then measured again, from its final checkpoint; if
    results.parquet stayed, the first of them would bring the other table back, and all the rest
    would pass for finished.

    Args:
      workdir: The launch's folder.
    """
    if not _complete_tables(workdir):
        (workdir / "results.parquet").unlink(missing_ok=True)


def _complete_tables(workdir: pathlib.Path) -> bool:
    return all((workdir / f"{name}.parquet").exists() for name in SCHEMAS)


def _schema(path: pathlib.Path) -> dict[str, str]:
    if path.stem not in SCHEMAS:
        raise ValueError(f"path={str(path)!r}: expected a file named after {', '.join(SCHEMAS)}")
    return SCHEMAS[path.stem]


def _complete(row: Mapping[str, Any], schema: Mapping[str, str]) -> dict[str, Any]:
    absent = _ABSENT if schema is SCHEMA else {}
    missing = [name for name in schema if name not in row and name not in absent]
    extra = [name for name in row if name not in schema]
    if missing or extra:
        raise ValueError(f"rows: missing columns {missing}, unexpected columns {extra}")
    return {name: row[name] if name in row else absent[name] for name in schema}
