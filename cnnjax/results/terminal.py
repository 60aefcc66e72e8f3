"""The table that a launch prints."""

import math
from collections.abc import Sequence

import pandas as pd

from cnnjax import text
from cnnjax.results import summaries
from cnnjax.results.intervals import Interval, interval
from cnnjax.results.tables import CELL


def table(frame: pd.DataFrame, *, choose: Sequence[str] = ()) -> str:
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
    frame = frame[summaries.at_full_size(frame)]
    areas = summaries.invariance_summary(frame)
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
    damage = summaries.corruption_summary(frame)
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
        part, own = summaries.where(frame, cell), summaries.where(areas, cell)
        corrupted = summaries.where(damage, cell)
        own = own[~own["initial"]]
        done = part[part["chosen"] & (part["status"] == "done") & ~part["initial"]]
        done = done[done["transformation"] == "none"]
        counted = summaries.seeds(part).iloc[0]
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
                *([percent(interval(corrupted["error"]))] if len(damage) else []),
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
    rows = text.aligned(lines, left=(0, len(head) - 1))
    return "\n".join([rows[0], text.rule(rows), *rows[1:], legend])


def percent(interval: Interval) -> str:
    """Writes an interval of shares in percent.

    >>> percent(Interval(0.975, 0.0049, 3)), percent(Interval(0.975, math.nan, 1))
    ('97.50 ± 0.49', '97.50')
    """
    return _spread(Interval(100 * interval.mean, 100 * interval.half, interval.n), 2)


def _varies_within_labels(frame: pd.DataFrame, column: str) -> bool:
    ends = frame.groupby(["route", "label"])[column].agg(["min", "max"])
    return bool((ends["min"] < ends["max"]).any())


def _told(row: pd.Series, column: str) -> str:
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
