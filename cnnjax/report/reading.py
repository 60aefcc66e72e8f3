"""The files of a workdir, as one study: who was measured, with which figures and intervals."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cnnjax import config as configs
from cnnjax import data, environment, invariance, results
from cnnjax.errors import UserError
from cnnjax.results import summaries
from cnnjax.results.intervals import interval

# Numbers or choices that a sweep may vary inside one route; each value is then a row of its own.
_VARIED = {
    "model": "model",
    "features": "features",
    "augment": "augmentation",
    "augment_strength": "strength",
    "label_noise": "label noise",
    "label_smoothing": "label smoothing",
    "weight_decay": "weight decay",
    "learning_rate": "learning rate",
    "batch_size": "batch",
    "steps": "steps",
}


class Study(NamedTuple):
    """What a workdir says.

    Attributes:
      title: The study's name.
      question: What it asks; may be empty.
      config: The parsed config.json, or {}.
      environments: What each launch ran on that trained or measured something, in order.
      measured: Rows of results.parquet of members that were chosen and finished, each with the name
        of its row on the page in `entry`, whether its training set was its route's largest in
        `full_size`, and `initial` as a bool; without the corrupted images.
      routes: One row an entry, at its largest training size (those that diverged there have none),
        in the order of the page: entry,
        label, route, model, features, family, dataset, train_size, seeds, examples, accuracy,
        accuracy_half, errors, errors_half, validation_accuracy (NaN where validation was trained
        on), parameters and multiply_accumulates (both the network's), training_seconds.
      areas: What curves amount to: entry, family, dataset, transformation, initial, and mean and
        half width over seeds of `kept` (area under the accuracy curve relative to the untouched
        accuracy), `transformed` (mean accuracy along the curve) and `consistent` (mean consistency
        along it).
      transformations: Names in the order of the page, without "none".
      sampled: Number of examples that transformations and corruptions were measured on, the first
        of the test set; 0 where there are none.
      corruptions: What corruptions cost beside the plain network: entry, family, dataset,
        corruption (empty for the mean over all), and mean and half width over seeds of `error`
        (corruption error; 1 is the plain network's) and, of the means, of `relative`. Empty where
        none was measured.
      equivariance: Rows of equivariance.parquet with `entry`, or None.
      predictions: Rows of predictions.parquet with `entry`, or None.
      pictures: The arrays of pictures.npz by name, or {}.
      diverged: How many members diverged, by label.
      uncompared: Whether corruptions were measured without a plain network to compare with.
    """

    title: str
    question: str
    config: dict[str, Any]
    environments: list[dict[str, Any]]
    measured: pd.DataFrame
    routes: pd.DataFrame
    areas: pd.DataFrame
    transformations: tuple[str, ...]
    sampled: int
    corruptions: pd.DataFrame
    equivariance: pd.DataFrame | None
    predictions: pd.DataFrame | None
    pictures: dict[str, np.ndarray]
    diverged: dict[str, int]
    uncompared: bool = False

    @property
    def entries(self) -> list[str]:
        """The names of the rows, in the order of the page."""
        return self.routes["entry"].tolist()

    @property
    def split(self) -> str:
        """What was measured on: "test" or "validation"."""
        return str(self.measured["split"].iloc[0]) if len(self.measured) else "test"

    @property
    def signals(self) -> bool:
        """Whether the examples are signals: they are not made of pixels."""
        return set(self.routes["dataset"]) <= set(data.SIGNALS)

    @property
    def judge(self) -> str:
        """What says which row is shown for others: "validation", or what was measured on.

        Validation, where every row has an accuracy on it; where it was trained on it says nothing.
        """
        known = self.routes["validation_accuracy"].notna()
        return "validation" if len(known) and known.all() else self.split


def read(workdir: Path) -> Study:
    """Reads a workdir.

    Args:
      workdir: A folder with at least results.parquet.

    Returns:
      The study; what the folder lacks is empty or None.

    Raises:
      UserError: There is no results.parquet, or a file cannot be read.
    """
    path = workdir / "results.parquet"
    if not path.exists():
        raise UserError(
            f"workdir={workdir}: expected results.parquet in it; launch the study first"
        )
    table = results.read(path)
    config = _json(workdir / "config.json")
    table["initial"] = table["initial"].fillna(False).astype(bool)
    # Family and label say what a row is; a sweep without routes leaves them empty.
    for name, otherwise in (("route", ""), ("label", ""), ("family", "none")):
        table[name] = table[name].fillna(otherwise).astype(str)
    table["label"] = table["label"].where(table["label"] != "", table["route"])
    table["label"] = table["label"].where(table["label"] != "", table["model"].astype(str))

    # Where a row diverged on its largest training set, what it got on a smaller one is no answer.
    table["full_size"] = summaries.at_full_size(table)
    measured = table[(table["status"] == "done") & table["chosen"].astype(bool)]
    measured = measured[measured["accuracy"].notna()].reset_index(drop=True)
    measured["entry"] = _entries(measured)
    touched = measured.loc[measured["transformation"] != "none", "examples"]
    corrupted = measured[summaries.corruptions(measured)]
    measured = measured[~summaries.corruptions(measured)].reset_index(drop=True)
    routes = _routes(measured)
    measured = measured[measured["entry"].isin(routes["entry"])].reset_index(drop=True)
    names = [name for name in pd.unique(measured["transformation"]) if name != "none"]
    corruptions = _corruptions(corrupted, routes)
    members = ["group", "route", "label", "seed", "train_size", *_VARIED]
    bad = table[table["status"] == "diverged"].drop_duplicates(members)
    return Study(
        title=str(config.get("title") or _first(table, "experiment") or workdir.name),
        question=str(config.get("question") or ""),
        config=config,
        environments=environment.read(workdir / "environment.json"),
        measured=measured,
        routes=routes,
        areas=_areas(measured, routes),
        transformations=tuple(names),
        sampled=int(touched.max()) if len(touched) else 0,
        corruptions=corruptions,
        equivariance=_named(workdir / "equivariance.parquet", measured),
        predictions=_named(workdir / "predictions.parquet", measured),
        pictures=_arrays(workdir / "pictures.npz"),
        diverged={str(label): len(rows) for label, rows in bad.groupby("label", sort=False)},
        uncompared=len(corrupted) > 0 and corruptions.empty,
    )


def by_data(study: Study) -> list[tuple[str, Study]]:
    """Returns what the study says of each data set: rows of different ones do not compete.

    Args:
      study: What was read.

    Returns:
      Names and studies; the name is empty where there is but one data set, which goes without
      saying.
    """
    names = pd.unique(study.routes["dataset"])
    if len(names) == 1:
        return [("", study)]
    found = []
    for name in names:
        routes = study.routes[study.routes["dataset"] == name].reset_index(drop=True)
        # Entries of different data sets have different names.
        frames = {
            field: frame[frame["entry"].isin(routes["entry"])]
            for field in ("measured", "areas", "corruptions", "equivariance", "predictions")
            if (frame := getattr(study, field)) is not None
        }
        known = set(frames["measured"]["transformation"])
        kept = tuple(each for each in study.transformations if each in known)
        part = study._replace(routes=routes, transformations=kept, **frames)
        found.append((str(name), part))
    return found


def at_full_size(study: Study) -> pd.DataFrame:
    """Returns the measured rows at each entry's largest training size."""
    return study.measured[study.measured["full_size"]]


def overall(study: Study) -> pd.DataFrame:
    """Returns what trained entries get on average over all transformations: `areas`, by entry."""
    rows = study.areas[~study.areas["initial"].astype(bool)]
    return rows[rows["transformation"] == ""].set_index("entry")


def best_of_families(study: Study) -> dict[str, str]:
    """Returns each family's entry with the highest accuracy, averaged over the transformations.

    Untouched validation examples would not do to choose by: the routes that give up a little there
    to keep more elsewhere are what a study of invariance asks for. Without transformations they do;
    where they were trained on (see `Study.judge`) the untouched accuracy decides.

    Args:
      study: What was read.

    Returns:
      Entry by family, in the order of the page; of equals the first.
    """
    routes = study.routes.set_index("entry")
    transformed = overall(study)["transformed"]
    score = routes["validation_accuracy" if study.judge == "validation" else "accuracy"]
    best = {}
    for family, rows in routes.groupby("family", sort=False):
        scores = rows.index.to_series().map(transformed)
        scores = scores if scores.notna().any() else score[rows.index]
        best[str(family)] = str(rows.index[int(np.nanargmax(scores.to_numpy(float)))])
    return best


def curve(measured: pd.DataFrame, name: str) -> pd.DataFrame:
    """Returns the rows of a transformation, and those at which its curve starts.

    It starts at the untouched test set; or at the untouched part of it that the curve was measured
    on, where that was only a part: rows of the transformation's own at magnitude 0. An untouched
    image agrees with itself, also where nobody wrote that down.
    """
    rows = measured[measured["transformation"] == name]
    if not (rows["magnitude"] == 0).any():
        rows = pd.concat([measured[measured["transformation"] == "none"], rows])
    return rows.assign(consistency=rows["consistency"].where(rows["magnitude"] != 0, 1.0))


def intervals(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Returns mean, half width of the interval over seeds and n of a column, group by group.

    Args:
      frame: Rows, one a seed within each group.
      by: Columns that make the groups.
      value: The column to average; missing values are left out.

    Returns:
      A frame with the columns `by`, mean, half and n; half is NaN where n < 2.
    """
    known = frame[frame[value].notna()]
    rows = [
        (*key, *interval(group.to_numpy(float)))
        for key, group in known.groupby(by, sort=False)[value]
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "half", "n"])


def _entries(frame: pd.DataFrame) -> pd.Series:
    """Names each row's line on the page: its label, and what else is needed to tell it apart."""
    names = frame["label"].copy()
    if frame.empty:
        return names
    several = frame.groupby("label")["route"].transform("nunique") > 1
    same_data = frame.groupby(["label", "dataset"])["route"].transform("nunique") > 1
    names = names.where(~(several & same_data), names + " (" + frame["route"] + ")")
    cell = [
        "dataset",
        "route",
        "label",
        "train_size",
        "seed",
        "initial",
        "transformation",
        "magnitude",
    ]
    for column, word in _VARIED.items():
        # Within what is told apart already: validation chooses a rate for each strength.
        per_cell = frame.groupby([*cell, names], dropna=False)[column].transform(
            "nunique", dropna=False
        )
        varies = (per_cell > 1).groupby(frame["route"]).transform("any")
        text = frame[column].map(lambda x: f"{x:g}" if isinstance(x, float) else str(x))
        told = pd.Series(
            [t in n for t, n in zip(text, names, strict=True)], frame.index, dtype=bool
        )
        plain = column in ("model", "features", "augment")
        extra = text if plain else word + " " + text
        names = names.where(~varies | (told & plain), names + " · " + extra)
    shared = frame["dataset"].groupby(names).transform("nunique") > 1
    return names.where(~shared, names + " · " + frame["dataset"])


def _routes(measured: pd.DataFrame) -> pd.DataFrame:
    untouched = measured[(measured["transformation"] == "none") & ~measured["initial"]]
    untouched = untouched[untouched["full_size"]]
    # Members stand in the order of their sweep, of which validation leaves some out here and others
    # there: within a route the numbers are put in order again.
    place = untouched.groupby(["group", "route", "label"], sort=False).ngroup()
    numbers = [name for name in _VARIED if pd.api.types.is_numeric_dtype(untouched[name])]
    untouched = untouched.assign(place=place).sort_values(["place", *numbers], kind="stable")
    rows = []
    for entry, largest in untouched.groupby("entry", sort=False):
        first = largest.iloc[0]
        accuracy, accuracy_half, seeds = interval(largest["accuracy"].to_numpy(float))
        errors, errors_half, _ = interval(largest["errors"].to_numpy(float))
        rows.append(
            {
                "entry": entry,
                "label": first["label"],
                "route": first["route"],
                "model": first["model"],
                "features": first["features"],
                "family": first["family"],
                "dataset": first["dataset"],
                "train_size": first["train_size"],
                "seeds": seeds,
                "examples": first["examples"],
                "accuracy": accuracy,
                "accuracy_half": accuracy_half,
                "errors": errors,
                "errors_half": errors_half,
                "validation_accuracy": largest["validation_accuracy"].mean(skipna=False),
                "parameters": first["parameters"],
                "multiply_accumulates": first["multiply_accumulates"],
                "training_seconds": largest["training_seconds"].mean(),
            }
        )
    columns = [
        *("entry", "label", "route", "model", "features", "family", "dataset", "train_size"),
        *("seeds", "examples", "accuracy", "accuracy_half", "errors", "errors_half"),
        *("validation_accuracy", "parameters", "multiply_accumulates", "training_seconds"),
    ]
    frame = pd.DataFrame(rows, columns=columns)
    order = {family: place for place, family in enumerate(configs.FAMILIES)}
    return frame.sort_values(
        "family", key=lambda names: names.map(order).fillna(len(order)), kind="stable"
    ).reset_index(drop=True)


def _areas(measured: pd.DataFrame, routes: pd.DataFrame) -> pd.DataFrame:
    """Averages each member's curves over their magnitudes, then over seeds."""
    frame = measured.loc[
        measured["full_size"],
        # A table of fifty columns takes three times as long to be cut up into curves.
        ["entry", "seed", "initial", "transformation", "magnitude", "accuracy", "consistency"],
    ]
    rows = []
    for (entry, seed, initial), member in frame.groupby(["entry", "seed", "initial"], sort=False):
        if not (member["transformation"] == "none").any():
            continue
        for name in pd.unique(member["transformation"]):
            rows_of_curve = curve(member, name).sort_values("magnitude")
            at, accuracy, agree = (
                rows_of_curve[column].astype(float).tolist()
                for column in ("magnitude", "accuracy", "consistency")
            )
            if name == "none" or at[-1] == 0:
                continue
            rows.append(
                {
                    "entry": entry,
                    "seed": seed,
                    "initial": initial,
                    "transformation": name,
                    "kept": invariance.relative_area(at, accuracy),
                    "transformed": float(np.trapezoid(accuracy, at) / at[-1]),
                    "consistent": float(np.trapezoid(agree, at) / at[-1]),
                }
            )
    by = ["entry", "initial", "transformation"]
    members = pd.DataFrame(rows, columns=[*by, "seed", "kept", "transformed", "consistent"])
    # The average over transformations is a summary of its own, with its own interval over seeds.
    overall = members.groupby(["entry", "initial", "seed"], sort=False, as_index=False)[
        ["kept", "transformed", "consistent"]
    ].mean()
    members = pd.concat([members, overall.assign(transformation="")], ignore_index=True)
    frames = [
        intervals(members, by, value)
        .rename(columns={"mean": value, "half": f"{value}_half"})
        .drop(columns="n")
        for value in ("kept", "transformed", "consistent")
    ]
    merged = frames[0]
    for other in frames[1:]:
        merged = merged.merge(other, on=by, how="outer", sort=False)
    return merged.merge(routes[["entry", "family", "dataset"]], on="entry")


def _corruptions(corrupted: pd.DataFrame, routes: pd.DataFrame) -> pd.DataFrame:
    """Averages each member's corruption errors over seeds, in the order of the page."""
    members = summaries.corruption_summary(corrupted, by=("dataset", "entry"))
    by = ["dataset", "entry", "corruption"]
    frames = [
        intervals(members, by, value).rename(columns={"mean": value, "half": f"{value}_half"})
        for value in ("error", "relative")
    ]
    merged = frames[0].merge(frames[1].drop(columns="n"), on=by, how="left", sort=False)
    return routes[["entry", "family"]].merge(merged, on="entry", sort=False)


def _named(path: Path, measured: pd.DataFrame) -> pd.DataFrame | None:
    """Reads a table that goes beside the results and gives its rows their names on the page.

    Members of a group may differ in no more than a number, such as a strength.
    """
    if not path.exists():
        return None
    frame = results.read(path)
    if frame.empty:
        return None
    key = ["group", "member"]
    entries = measured.groupby(key)["entry"].first()
    named = entries.reindex(pd.MultiIndex.from_frame(frame[key])).to_numpy()
    frame["entry"] = pd.Series(named, frame.index).fillna(frame["label"])
    return frame


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path) as file:
        return dict(file)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _first(frame: pd.DataFrame, column: str) -> str:
    return "" if frame.empty else str(frame[column].iloc[0])
