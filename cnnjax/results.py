"""The tables that a launch leaves, their columns, and what is read off them.

results.parquet is tidy: one row for each member, transformation and magnitude, measured after
training and, where `initial` is true, before it, on the `split` that the launch measures on: the
test set, or validation. Untouched, it is transformation "none", magnitude 0; where transformations
are measured on part of the test set only, each has a row of magnitude 0 on that part. Corruptions
are "corruption:NAME", with the severity as magnitude, and "corruption:none" the same images
untouched.
A member that validation did not choose, or that diverged, has one row, without an accuracy.
"""

import contextlib
import math
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnjax.errors import UserError

if TYPE_CHECKING:
    import numpy as np
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

_LATER: dict[str, Any] = {
    **dict.fromkeys(("train_on", "normalise", "model_options", "augment_ranges"), ""),
    **dict.fromkeys(("optimizer", "schedule"), ""),
    **dict.fromkeys(("canvas", "warmup", "member"), -1),
    **dict.fromkeys(("final", "momentum"), math.nan),
}
"""Columns that older tables lack, and what stands in them for "not told"."""

EQUIVARIANCE = {
    "group": "str",
    "member": "int64",
    "route": "str",
    "label": "str",
    "family": "str",
    "seed": "int64",
    "initial": "bool",
    "layer": "str",
    "layer_index": "int64",
    "transformation": "str",
    "magnitude": "float64",
    "error": "float64",
}
"""Columns of equivariance.parquet."""

PREDICTIONS = {
    "group": "str",
    "member": "int64",
    "route": "str",
    "label": "str",
    "family": "str",
    "seed": "int64",
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

TEMPORARY = ".unfinished-"
"""How the names of files begin that are not whole yet."""

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


class Interval(NamedTuple):
    """A mean with its confidence interval, mean ± half, over n values."""

    mean: float
    half: float
    n: int


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
      The rows, in the order in which their groups were finished. Hyperparameters that an older
      table does not tell are empty, −1 or NaN.

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
    untold = [name for name in _LATER if name in schema and name not in frame.columns]
    frame = frame.assign(**{name: _LATER[name] for name in untold})
    if wrong := sorted(set(frame.columns) ^ set(schema)):
        raise UserError(f"{path}: other columns than expected ({', '.join(wrong)}); {remedy}")
    try:
        return frame[list(schema)].astype(schema)
    except (TypeError, ValueError):
        raise UserError(f"{path}: other values than expected (corrupt?); {remedy}") from None


def finished(workdir: pathlib.Path) -> set[str]:
    """The groups that a workdir holds whole, in every table.

    A group comes to results.parquet last. Where another table is missing, somebody deleted it:
    results.parquet is then cleared away too, so that every group is measured again, from its final
    checkpoint, and counts as finished only when the other tables hold it again.

    Args:
      workdir: The launch's folder.

    Returns:
      The groups' names.

    Raises:
      UserError: results.parquet cannot be read.
    """
    table = workdir / "results.parquet"
    if not all((workdir / f"{name}.parquet").exists() for name in SCHEMAS):
        table.unlink(missing_ok=True)
        return set()
    return set(read(table)["group"])


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Gives a temporary path beside `path`, and moves it there when the block ends well.

    >>> with replacing("/tmp/cnnjax-doctest") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> pathlib.Path("/tmp/cnnjax-doctest").read_text()
    'whole'
    """
    path = pathlib.Path(path)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def interval(
    values: "Sequence[float] | np.ndarray | pd.Series", *, level: float = 0.95
) -> Interval:
    """The mean of a sample and the half width of Student's confidence interval for it.

    half = t · s / √n, with s the sample's standard deviation and t the quantile of Student's
    distribution with n − 1 degrees of freedom that leaves (1 − level)/2 on either side.

    Args:
      values: The sample, such as one accuracy a seed.
      level: Confidence, in (0, 1).

    Returns:
      Mean, half width and n. The half width of fewer than two values is NaN: one run says nothing
      about its spread.

    Raises:
      ValueError: `level` is not a confidence.

    >>> mean, half, n = interval([0.90, 0.92, 0.94])
    >>> round(mean, 3), round(half, 3), n
    (0.92, 0.05, 3)
    """
    import numpy as np
    from scipy import stats

    if not 0 < level < 1:
        raise ValueError(f"level={level}: expected a number in (0, 1)")
    sample = np.asarray(values, np.float64)
    n = len(sample)
    if n == 0:
        return Interval(math.nan, math.nan, 0)
    mean = float(sample.mean())
    if n == 1:
        return Interval(mean, math.nan, 1)
    quantile = stats.t.ppf(0.5 + level / 2, n - 1)
    return Interval(mean, float(quantile * sample.std(ddof=1) / math.sqrt(n)), n)


def invariance_summary(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The relative area under each member's accuracy curves (see `cnnjax.invariance.summary`).

    Args:
      frame: results.parquet, or a part of it with whole members.

    Returns:
      One row for each chosen member, stage (`initial`) and transformation: the columns of `CELL`,
      `seed`, `initial`, `transformation`, `area`.
    """
    import pandas as pd

    from cnnjax import invariance

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


def corruptions(frame: "pd.DataFrame") -> "pd.Series":
    """Says of each row of results.parquet whether it was measured on corrupted images."""
    return frame["transformation"].str.startswith(CORRUPTION)


def corruption_summary(frame: "pd.DataFrame", *, by: Sequence[str] = CELL) -> "pd.DataFrame":
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
    import numpy as np
    import pandas as pd

    from cnnjax import invariance

    kept = frame[frame["chosen"] & (frame["status"] == "done") & ~frame["initial"]]
    kept = kept[corruptions(kept)]
    rows = []
    for _, part in kept.groupby("dataset", sort=False):
        names = [name for name in pd.unique(part["transformation"]) if name != f"{CORRUPTION}none"]
        plain = part[part["family"] == "none"]
        if plain.empty or not names:
            continue
        first = _where(plain, {name: plain[name].iloc[0] for name in by})
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


def at_full_size(frame: "pd.DataFrame") -> "pd.Series":
    """Says of each row of results.parquet whether its route has no larger training set there."""
    largest = frame.groupby(["dataset", "route", "label"])["train_size"].transform("max")
    return frame["train_size"] == largest


def seeds(frame: "pd.DataFrame", *, by: Sequence[str] = CELL) -> "pd.DataFrame":
    """Counts, cell by cell, the seeds that were run and those of which nothing finite came out.

    Args:
      frame: results.parquet.
      by: Columns whose values make a cell.

    Returns:
      The columns `by`, then `run` and `diverged`, one row a cell. A seed counts as diverged when
      none of its members was chosen and done.
    """
    import pandas as pd

    rows = []
    for cell, part in frame.groupby(list(by), sort=False):
        run = set(part["seed"])
        done = set(part.loc[part["chosen"] & (part["status"] == "done"), "seed"])
        rows.append((*cell, len(run), len(run - done)))
    return pd.DataFrame(rows, columns=[*by, "run", "diverged"])


def terminal_table(frame: "pd.DataFrame", *, choose: Sequence[str] = ()) -> str:
    """The routes of a launch as an aligned table, each at its largest training set.

    Accuracies, errors and the transformations' areas under the accuracy curve, relative to the
    untouched accuracy (1 where the transformation costs nothing), are means over seeds ± Student's
    95 % half width. A group's training seconds are divided by its runs, and have no spread.

    Args:
      frame: results.parquet.
      choose: Dotted names of the fields that validation chose. Values of theirs that lost have no
        line; a value of any other field has one, also where none of its seeds came to anything.

    Returns:
      The table with a line of what its columns are.
    """
    if frame.empty:
        return "no results yet"
    frame = frame[at_full_size(frame)]
    areas = invariance_summary(frame)
    transformations = list(dict.fromkeys(areas.loc[~areas["initial"], "transformation"]))
    shown = [name for name in ("train_size", "label_noise") if len(frame[name].unique()) > 1]
    names = {name.rpartition(".")[2] for name in choose}
    contest = [name for name in CELL if name.removeprefix("augment_") not in names]
    diverged = ~frame.groupby(contest)["chosen"].transform("any")
    kept = frame[frame["chosen"] | diverged]
    # What validation chose is one value; only what was left to compare needs a column.
    free = ("augment_strength", "learning_rate", "weight_decay", "label_smoothing")
    shown += [name for name in free if name in contest and _varies_within_labels(kept, name)]
    head = ["route", *(name.replace("_", " ") for name in shown), "accuracy %", "errors"]
    damage = corruption_summary(frame)
    damage = damage[damage["corruption"] == ""]
    head += [
        *transformations,
        *(["mCE %"] if len(damage) else []),
        "parameters",
        "MACs",
        "train s",
        "seeds",
    ]

    lines = [head]
    cells = kept[list(CELL)].drop_duplicates()
    order = kept.groupby(["route", "label"], sort=False).ngroup()
    cells = cells.assign(order=order).sort_values(["order", *shown], kind="stable")
    for cell in cells[list(CELL)].to_dict("records"):
        part, own = _where(frame, cell), _where(areas, cell)
        own = own[~own["initial"]]
        done = part[part["chosen"] & (part["status"] == "done") & ~part["initial"]]
        done = done[done["transformation"] == "none"]
        counted = seeds(part).iloc[0]
        first = part.iloc[0]
        lines.append(
            [
                first["label"],
                *(_told(first, name) for name in shown),
                percent(interval(done["accuracy"])),
                _spread(interval(done["errors"]), 1),
                *(
                    _spread(interval(own.loc[own["transformation"] == name, "area"]), 2)
                    for name in transformations
                ),
                *([percent(interval(_where(damage, cell)["error"]))] if len(damage) else []),
                f"{first['parameters']:,}",
                f"{first['multiply_accumulates']:,}",
                _spread(Interval(done["training_seconds"].mean(), math.nan, len(done)), 1),
                _counted(len(done), int(counted["run"]), int(counted["diverged"])),
            ]
        )
    legend = "mean over seeds ± half of Student's 95 % interval"
    if transformations:
        legend += f"; {', '.join(transformations)}: relative area under the accuracy curve"
    if len(damage):
        legend += "; mCE: mean corruption error, the plain network's being 100"
    if (frame["features"] != "none").any():
        legend += "; MACs: of the network, features not counted"
    return f"{_aligned(lines)}\n{legend}"


def percent(interval: Interval) -> str:
    """Writes an interval of shares in percent.

    >>> percent(Interval(0.975, 0.0049, 3)), percent(Interval(0.975, math.nan, 1))
    ('97.50 ± 0.49', '97.50')
    """
    return _spread(Interval(100 * interval.mean, 100 * interval.half, interval.n), 2)


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


def _error_rates(rows: "pd.DataFrame", names: Sequence[str]) -> "tuple[np.ndarray, float]":
    """Error rates (corruptions, severities), and that on the same images untouched; over seeds."""
    means = rows.pivot_table(index="transformation", columns="magnitude", values="accuracy")
    corrupted = means.drop(columns=0.0).reindex(list(names))
    return 1 - corrupted.to_numpy(float), 1 - float(means[0.0][f"{CORRUPTION}none"])


def _mean(values: "np.ndarray") -> float:
    """The mean of what is a number, if anything is."""
    known = values[values == values]
    return float(known.mean()) if len(known) else math.nan


def _where(frame: "pd.DataFrame", cell: Mapping[Any, Any]) -> "pd.DataFrame":
    """Returns the rows of one cell."""
    for name, value in cell.items():
        frame = frame[frame[name] == value]
    return frame


def _varies_within_labels(frame: "pd.DataFrame", column: str) -> bool:
    ends = frame.groupby(["route", "label"])[column].agg(["min", "max"])
    return bool((ends["min"] < ends["max"]).any())


def _told(row: "pd.Series", column: str) -> str:
    # What is not distorted has no strength.
    unread = column == "augment_strength" and row["augment"] == "none"
    return "–" if unread else f"{row[column]:g}"


def _spread(found: Interval, digits: int) -> str:
    """Writes a mean and, where it is known, the half width of its interval."""
    if math.isnan(found.mean):
        return "–"
    half = "" if math.isnan(found.half) else f" ± {found.half:.{digits}f}"
    return f"{found.mean:.{digits}f}{half}"


def _counted(done: int, run: int, diverged: int) -> str:
    return f"n={done}" if not diverged else f"n={done}, {diverged} of {run} diverged"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    # Words to the left, figures to the right.
    rows = [
        "  ".join(
            cell.ljust(width) if place in (0, len(widths) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([rows[0], "─" * max(map(len, rows)), *rows[1:]])
