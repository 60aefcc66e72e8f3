"""What is read off results.parquet: areas under curves, corruption errors, who diverged."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cnnjax import invariance
from cnnjax.results.tables import CELL, CORRUPTION


def invariance_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """The relative area under each member's accuracy curves (see `cnnjax.invariance.summary`).

    Args:
      frame: results.parquet, or a part of it with whole members.

    Returns:
      One row for each chosen member, stage (`initial`) and transformation: the columns of `CELL`,
      `seed`, `initial`, `transformation`, `area`.
    """
    keys = [*CELL, "seed", "initial"]
    kept = frame[frame["chosen"] & (frame["status"] == "done") & ~corruptions(frame)]
    rows = []
    for member, part in kept.groupby(keys, sort=False):
        curves = invariance.summary(
            [
                invariance.Measurement(*values)
                for values in part[list(invariance.Measurement._fields)].itertuples(index=False)
            ]
        )
        rows += [(*member, transformation, area) for transformation, area in curves.items()]
    return pd.DataFrame(rows, columns=[*keys, "transformation", "area"])


def corruptions(frame: pd.DataFrame) -> pd.Series:
    """Says of each row of results.parquet whether it was measured on corrupted images."""
    return frame["transformation"].str.startswith(CORRUPTION)


def corruption_summary(frame: pd.DataFrame, *, by: Sequence[str] = CELL) -> pd.DataFrame:
    """Each member's corruption errors relative to the plain network's.

    The plain network is the first route of the data set that has family "none", at its first cell
    of `by`; the mean of its error rates over seeds is the reference (see
    `cnnjax.invariance.corruption_errors`).

    Args:
      frame: results.parquet, or a part of it with whole members.
      by: Columns whose values make a cell.

    Returns:
      One row for each chosen member and corruption: the columns `by`, `seed`, `corruption` and
      `error` (CE, 1 for the plain network's), and a row with an empty name for the means over
      corruptions, with `error` (mCE) and `relative` (relative mCE: over the corruptions that cost
      the plain network anything). Data sets without a plain network have none.
    """
    kept = frame[frame["chosen"] & (frame["status"] == "done") & ~frame["initial"]]
    kept = kept[corruptions(kept)]
    rows = []
    for _, part in kept.groupby("dataset", sort=False):
        names = [name for name in pd.unique(part["transformation"]) if name != f"{CORRUPTION}none"]
        plain = part[part["family"] == "none"]
        if plain.empty or not names:
            continue
        first = where(plain, {name: plain[name].iloc[0] for name in by})
        reference, untouched = _error_rates(first, names)
        for key, member in part.groupby([*by, "seed"], sort=False):
            error, own = _error_rates(member, names)
            each = invariance.corruption_errors(error, reference)
            added = invariance.corruption_errors(error, reference, clean=own, plain_clean=untouched)
            rows += [
                (*key, name.removeprefix(CORRUPTION), value, np.nan)
                for name, value in zip(names, each, strict=True)
            ]
            rows.append((*key, "", _mean(each), _mean(added)))
    return pd.DataFrame(rows, columns=[*by, "seed", "corruption", "error", "relative"])


def at_full_size(frame: pd.DataFrame) -> pd.Series:
    """Says of each row of results.parquet whether its route has no larger training set there."""
    largest = frame.groupby(["dataset", "route", "label"])["train_size"].transform("max")
    return frame["train_size"] == largest


def seeds(frame: pd.DataFrame, *, by: Sequence[str] = CELL) -> pd.DataFrame:
    """Counts, cell by cell, the seeds that were run and those of which nothing finite came out.

    Args:
      frame: results.parquet.
      by: Columns whose values make a cell.

    Returns:
      The columns `by`, then `run` and `diverged`, one row a cell. A seed counts as diverged when
      none of its members was chosen and done.
    """
    rows = []
    for cell, part in frame.groupby(list(by), sort=False):
        run = set(part["seed"])
        done = set(part.loc[part["chosen"] & (part["status"] == "done"), "seed"])
        rows.append((*cell, len(run), len(run - done)))
    return pd.DataFrame(rows, columns=[*by, "run", "diverged"])


def _error_rates(rows: pd.DataFrame, names: Sequence[str]) -> tuple[np.ndarray, float]:
    """Error rates (corruptions, severities), and that on the same images untouched; over seeds."""
    means = rows.pivot_table(index="transformation", columns="magnitude", values="accuracy")
    corrupted = means.drop(columns=0.0).reindex(list(names))
    return 1 - corrupted.to_numpy(float), 1 - float(means[0.0][f"{CORRUPTION}none"])


def _mean(values: np.ndarray) -> float:
    """The mean of what is a number, if anything is."""
    known = values[values == values]
    return float(known.mean()) if len(known) else math.nan


def where(frame: pd.DataFrame, cell: Mapping[Any, Any]) -> pd.DataFrame:
    """Returns the rows of one cell."""
    for name, value in cell.items():
        frame = frame[frame[name] == value]
    return frame
