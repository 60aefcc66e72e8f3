"""The study's figures: which rows go into which panel."""

import functools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cnnjax import config as configs
from cnnjax.report import palette, plotting, reading, words
from cnnjax.report.palette import Style
from cnnjax.report.plotting import Dot, Drawing, Line, Panel

_FULL_COLOUR = 4.0  # the corruption error (and its inverse) from which colour grows no stronger
_NO_LINE = (0.1, 40.0)  # dashes of a swatch that is a mark alone
# What a network's training is told by, without its policy.
_TRAINED = (
    *("dataset", "train_on", "canvas", "normalise", "model", "model_options", "features"),
    *("train_size", "batch_size", "steps", "optimizer", "learning_rate", "schedule", "warmup"),
    *("final", "momentum", "weight_decay", "label_smoothing", "label_noise"),
)
_MOST_NETWORKS = 12  # panels of the error of equivariance; more would only be scrolled past


class FamilyFigure(NamedTuple):
    """All of one family's rows: accuracy, consistency, and how they are told apart."""

    family: str
    accuracy: Drawing
    consistency: Drawing | None


class Figures(NamedTuple):
    """A data set's figures; None or empty where the data for it are missing.

    `dataset` is empty where there is but one.
    """

    dataset: str
    accuracy: Drawing | None
    consistency: Drawing | None
    sizes: Drawing | None
    strengths: Drawing | None
    costs: Drawing | None
    families: list[FamilyFigure]
    initial: Drawing | None
    equivariance: Drawing | None
    corruptions: Drawing | None


def draw(study: reading.Study, folder: Path) -> list[Figures]:
    """Draws what the study has data for, each data set by itself.

    Args:
      study: What was read.
      folder: Where the figures' files go; it exists.

    Returns:
      The figures, data set by data set.
    """
    return [_draw(dataset, own, folder) for dataset, own in reading.by_data(study)]


def _draw(dataset: str, study: reading.Study, folder: Path) -> Figures:
    prefix = re.sub(r"\W", "_", f"{dataset}_") if dataset else ""

    def file(name: str) -> Path:
        return folder / f"{prefix}{name}.svg"

    best = reading.best_of_families(study)
    names = [(palette.family_name(family), entry) for family, entry in best.items()]
    styles = {entry: palette.of_family(family) for family, entry in best.items()}
    legend = [
        (entry if entry == family else f"{family}: {entry}", styles[entry])
        for family, entry in names
    ]
    shorts = {entry: family for family, entry in names}
    several = len(best) > 1

    trained = reading.at_full_size(study)
    trained = trained[~trained["initial"]]
    curves = functools.partial(
        _curves, study, trained, styles, shorts if several else {}, legend=legend
    )
    has_curves = bool(study.transformations)
    return Figures(
        dataset=dataset,
        accuracy=curves("accuracy", file("accuracy")) if has_curves else None,
        consistency=curves("consistency", file("consistency")) if has_curves else None,
        sizes=_sizes(study, styles, shorts if several else {}, legend, file("train_size")),
        strengths=_strengths(study, trained, file("strength")),
        costs=_costs(study, best, legend, file("cost")),
        families=_families(study, trained, best, file),
        initial=_initial(study, file("initial_and_trained")),
        equivariance=_equivariance(study, file("equivariance")),
        corruptions=_corruptions(study, file("corruptions")),
    )


def _lines(
    frame: pd.DataFrame,
    entries: dict[str, Style],
    labels: dict[str, str],
    x: str,
    value: str,
) -> list[Line]:
    """Makes a line an entry from the rows' `x` and `value`, in percent."""
    cells = reading.intervals(frame[frame["entry"].isin(entries)], ["entry", x], value)
    found = []
    for entry, style in entries.items():
        rows = cells[cells["entry"] == entry].sort_values(x)
        if len(rows):
            columns = (rows[name].to_numpy(float) for name in (x, "mean", "half"))
            at, mean, half = columns
            found.append(Line(labels.get(entry, ""), style, at, 100 * mean, 100 * half))
    return found


def _transformed_lines(
    trained: pd.DataFrame, name: str, entries: dict[str, Style], labels: dict[str, str], value: str
) -> list[Line]:
    lines = _lines(reading.curve(trained, name), entries, labels, "magnitude", value)
    return [line for line in lines if len(line.x) > 1]


def _curves(
    study: reading.Study,
    trained: pd.DataFrame,
    entries: dict[str, Style],
    labels: dict[str, str],
    value: str,
    path: Path,
    *,
    legend: list[tuple[str, Style]],
    extra: tuple[Panel, ...] = (),
) -> Drawing | None:
    drawn = {
        name: lines
        for name in study.transformations
        if (lines := _transformed_lines(trained, name, entries, labels, value))
    }
    if not drawn:
        return None
    limits = _range([line for lines in drawn.values() for line in lines])
    panels = [
        Panel(
            name.capitalize(),
            f"{value} in %",
            f"{value} against {name}, a line for each of {len(lines)} routes",
            functools.partial(
                plotting.curves,
                lines=lines,
                x_label=words.unit(name, signals=study.signals),
                y_range=limits,
                direct=bool(labels),
            ),
        )
        for name, lines in drawn.items()
    ]
    margins = (34, 72 if labels else 14, 54, 40)
    return plotting.compose([*panels, *extra], path, legend=legend, margins=margins)


def _families(
    study: reading.Study,
    trained: pd.DataFrame,
    best: dict[str, str],
    file: Callable[[str], Path],
) -> list[FamilyFigure]:
    figures = []
    for family, rows in study.routes.groupby("family", sort=False):
        if len(rows) < 2 or not study.transformations:
            continue
        entries: dict[str, Style] = {}
        if "none" in best and family != "none":
            entries[best["none"]] = palette.of_family("none")
        for place, entry in enumerate(rows["entry"]):
            entries[entry] = palette.within_family(place)
        legend = [
            (f"no route: {entry}" if entry not in set(rows["entry"]) else entry, style)
            for entry, style in entries.items()
        ]
        size = _size_panel(study, entries, {}, "Training size")
        accuracy = _curves(
            study,
            trained,
            entries,
            {},
            "accuracy",
            file(f"family_{family}_accuracy"),
            legend=legend,
            extra=(size,) if size else (),
        )
        consistency = _curves(
            study,
            trained,
            entries,
            {},
            "consistency",
            file(f"family_{family}_consistency"),
            legend=legend,
        )
        if accuracy is not None:
            figures.append(FamilyFigure(str(family), accuracy, consistency))
    return figures


def _size_panel(
    study: reading.Study, entries: dict[str, Style], labels: dict[str, str], title: str
) -> Panel | None:
    untouched = study.measured[
        (study.measured["transformation"] == "none") & ~study.measured["initial"]
    ]
    lines = _lines(untouched, entries, labels, "train_size", "accuracy")
    if not any(len(line.x) > 1 for line in lines):
        return None
    return Panel(
        title,
        "accuracy in %, untouched",
        f"accuracy on the untouched {study.split} set against the number of training examples",
        functools.partial(
            plotting.curves,
            lines=lines,
            x_label="training examples (logarithmic)",
            y_range=_range(lines),
            log=True,
            direct=bool(labels),
        ),
    )


def _sizes(
    study: reading.Study,
    entries: dict[str, Style],
    labels: dict[str, str],
    legend: list[tuple[str, Style]],
    path: Path,
) -> Drawing | None:
    if not study.transformations:
        # Without the families' own figures this is the only place where every row is seen.
        entries = {entry: palette.within_family(place) for place, entry in enumerate(study.entries)}
        labels, legend = {}, list(entries.items())
    panel = _size_panel(study, entries, labels, "Accuracy and training examples")
    if panel is None:
        return None
    margins = (34, 76 if labels else 16, 54, 40)
    return plotting.compose([panel], path, legend=legend, size=(400, 286), margins=margins)


def _strengths(study: reading.Study, trained: pd.DataFrame, path: Path) -> Drawing | None:
    """Draws a line for every route that was trained at several strengths of its policy.

    It starts at strength 0, the same network without a policy, where the study has it.
    """
    untouched = trained[trained["transformation"] == "none"]
    rows = untouched.drop_duplicates("entry").set_index("entry")
    # An entry at each strength becomes one line; what else tells entries apart still does.
    members: dict[str, dict[float, str]] = {}
    for entry, strength in rows["augment_strength"].items():
        line = str(entry).replace(f" · strength {strength:g}", "")
        members.setdefault(line, {})[float(strength)] = str(entry)
    lines = {line: own for line, own in members.items() if len(own) > 1}
    if not lines:
        return None
    # What validation chose for each may differ; all else must agree. As words, for NaN is not NaN.
    chosen = {name.rpartition(".")[2] for name in study.config.get("choose") or ()}
    same = rows[[name for name in _TRAINED if name not in chosen]].astype(str)
    for own in lines.values():
        first = same.loc[next(iter(own.values()))]
        plain = rows[(same == first).all(axis=1) & (rows["augment"] == "none")]
        if len(plain) == 1:
            own.setdefault(0.0, str(plain.index[0]))
    entries = {line: palette.within_family(place) for place, line in enumerate(lines)}

    def panel(title: str, unit: str, shown: str, cells: pd.DataFrame) -> Panel:
        drawn = []
        for line, style in entries.items():
            own = dict(sorted(lines[line].items()))
            known = {at: entry for at, entry in own.items() if entry in cells.index}
            mean, half = 100 * cells.loc[list(known.values())].to_numpy(float).T
            drawn.append(Line("", style, np.array(list(known)), mean, half))
        return Panel(
            title,
            unit,
            shown,
            functools.partial(
                plotting.curves,
                lines=drawn,
                x_label="strength of the distortions in training",
                y_range=_range(drawn),
            ),
        )

    routes = study.routes.set_index("entry")
    panels = [
        panel(
            "Untouched",
            "accuracy in %",
            f"accuracy on the untouched {study.split} set against the strength of the distortions",
            routes[["accuracy", "accuracy_half"]],
        )
    ]
    overall = reading.overall(study)
    if len(overall):
        panels.append(
            panel(
                "Transformed",
                "accuracy in %, mean over transformations",
                "accuracy averaged over transformations against the strength of the distortions",
                overall[["transformed", "transformed_half"]],
            )
        )
    return plotting.compose(panels, path, legend=list(entries.items()), size=(400, 286))


def _costs(
    study: reading.Study, best: dict[str, str], legend: list[tuple[str, Style]], path: Path
) -> Drawing | None:
    if len(study.routes) < 3:
        return None
    overall = reading.overall(study)
    if len(overall):
        got = overall[["transformed", "transformed_half"]]
        y_label = "accuracy in %, mean over transformations"
    else:
        got = study.routes.set_index("entry")[["accuracy", "accuracy_half"]]
        y_label = "untouched accuracy in %"
    panels = []
    for column, title, unit in (
        ("parameters", "Parameters", "trainable numbers"),
        ("multiply_accumulates", "Work", "network’s multiply–accumulates"),
        ("training_seconds", "Training", "seconds a run"),
    ):
        points = []
        # The network without a route last, on top: others of its size and accuracy would hide it.
        order = (study.routes["family"] == "none").argsort(kind="stable")
        for _, row in study.routes.iloc[order].iterrows():
            entry, family = row["entry"], row["family"]
            cost = float(row[column])
            if entry in got.index and cost > 0:
                mean, half = 100 * got.loc[entry].to_numpy(float)
                name = palette.family_name(family) if best[family] == entry else ""
                points.append((name, palette.of_family(family), cost, Dot(mean, half)))
        if points:
            draw = functools.partial(plotting.costs, points=points, x_label=unit)
            words_for_it = f"{y_label}, against {unit}; a point for each route"
            panels.append(Panel(title, y_label, words_for_it, draw))
    if not panels:
        return None
    return plotting.compose(panels, path, legend=legend, margins=(34, 72, 54, 40))


def _initial(study: reading.Study, path: Path) -> Drawing | None:
    areas = study.areas[study.areas["consistent"].notna()]
    if not (areas["initial"].any() and study.transformations):
        return None
    dots: dict[tuple[str | bool, ...], Dot] = {
        (row["transformation"], row["entry"], bool(row["initial"])): Dot(
            100 * row["consistent"], 100 * row["consistent_half"]
        )
        for row in areas.to_dict("records")
    }
    reach = areas["consistent"] - areas["consistent_half"].fillna(0.0)
    lowest = min(max(float(reach.min()), 0.0), 0.9)
    limits = (float(10 * np.floor(lowest * 10)) - 3, 102.0)

    panels = []
    for name in study.transformations:
        rows = [
            (
                entry,
                palette.of_family(family),
                dots.get((name, entry, True)),
                dots.get((name, entry, False)),
            )
            for entry, family in study.routes[["entry", "family"]].itertuples(index=False)
        ]
        draw = functools.partial(
            plotting.pairs, rows=rows, x_label="consistency in %", x_range=limits
        )
        shown = f"consistency under {name} of every route, before and after training"
        panels.append(Panel(name.capitalize(), "", shown, draw))
    present = set(study.routes["family"])
    # Without lines, as the rows are.
    legend = [
        (palette.family_name(family), palette.of_family(family)._replace(dashes=_NO_LINE))
        for family in configs.FAMILIES
        if family in present
    ]
    names = [plotting.wrap(entry) for entry in study.entries]
    left = 24 + round(5.6 * max(len(line) for lines in names for line in lines))
    row = 31 if max(map(len, names)) > 1 else 17
    return plotting.compose(
        panels,
        path,
        legend=[
            *legend,
            ("hollow: at initialisation", Style("dark", "o", _NO_LINE, hollow=True)),
            ("filled: after training", Style("dark", "o", _NO_LINE)),
        ],
        size=(350, 76 + row * len(study.routes)),
        margins=(left, 14, 34, 40),
    )


def _corruptions(study: reading.Study, path: Path) -> Drawing | None:
    frame = study.corruptions
    if frame.empty:
        return None
    table = frame.pivot_table(
        index="entry", columns="corruption", values="error", sort=False, dropna=False
    )
    names = [name for name in table.columns if name]
    draw = functools.partial(
        plotting.heat,
        ratios=table[[*names, ""]].to_numpy(float),
        rows=list(table.index),
        columns=[*(name.replace("_", " ") for name in names), "mean (mCE)"],
        limit=_FULL_COLOUR,
        set_off=1,
    )
    shown = f"errors of {len(table)} routes under {len(names)} corruptions, relative to no route"
    left = 16 + round(5.6 * max(min(len(entry), plotting.ROW_NAME) for entry in frame["entry"]))
    width = left + 41 * (len(names) + 1) + 50
    return plotting.compose(
        [Panel("", "", shown, draw)],
        path,
        size=(width, 106 + 25 * (len(table) + 2)),
        margins=(left, 50, 98, 8),
    )


def _equivariance(study: reading.Study, path: Path) -> Drawing | None:
    frame = study.equivariance
    if frame is None or frame["error"].notna().sum() == 0:
        return None
    frame = frame[np.isfinite(frame["error"].astype(float))]
    series = _chosen_magnitudes(frame)
    entries = [entry for entry in study.entries if entry in set(frame["entry"])]
    entries = entries[:_MOST_NETWORKS] or list(pd.unique(frame["entry"]))[:_MOST_NETWORKS]
    cells = reading.intervals(
        frame, ["entry", "initial", "transformation", "magnitude", "layer_index"], "error"
    )
    own = cells[cells["entry"].isin(entries)]
    # A band may be wide where seeds are few; the lines set the scale.
    reach = (own["mean"] + own["half"].fillna(0.0)).clip(upper=1.3 * own["mean"].max())
    top = float(reach.max()) * 1.06 or 1.0
    panels, most = [], 1
    for entry in entries:
        own = frame[frame["entry"] == entry].sort_values("layer_index")
        names = own.drop_duplicates("layer_index").set_index("layer_index")["layer"]
        places = {index: place for place, index in enumerate(names.index)}
        most = max(most, len(names))
        lines = []
        for (name, magnitude), style in series.items():
            for initial in (True, False):
                rows = cells[
                    (cells["entry"] == entry)
                    & (cells["initial"] == initial)
                    & (cells["transformation"] == name)
                    & (cells["magnitude"] == magnitude)
                ].sort_values("layer_index")
                if len(rows):
                    at = rows["layer_index"].map(places).to_numpy(float)
                    look = style._replace(dashes=(2.0, 2.0), hollow=True) if initial else style
                    mean, half = rows["mean"].to_numpy(float), rows["half"].to_numpy(float)
                    lines.append(Line("", look, at, mean, half))
        draw = functools.partial(
            plotting.layers,
            lines=lines,
            names=_layer_names(names),
            x_label="relative error (0 is exact)",
            x_max=top,
        )
        panels.append(Panel(entry, "", f"error of equivariance of each layer of {entry}", draw))
    legend = [(words.by(*key, signals=study.signals), style) for key, style in series.items()]
    if frame["initial"].any():
        legend.append(
            ("dashed, hollow: at initialisation", Style("dark", "o", (2.0, 2.0), hollow=True))
        )
    return plotting.compose(
        panels, path, legend=legend, size=(350, 84 + 21 * most), margins=(96, 16, 34, 40)
    )


def _layer_names(layers: Iterable[str]) -> list[str]:
    """Without the blocks that layers lie in, unless two would then be called the same."""
    whole = [str(layer).replace("/", ".") for layer in layers]
    short = [name.rsplit(".", 1)[-1] for name in whole]
    return short if len(set(short)) == len(short) else whole


def _chosen_magnitudes(frame: pd.DataFrame) -> dict[tuple[str, float], Style]:
    """Picks each transformation's smallest and largest magnitude: three lines, not nine."""
    looks = iter(palette.within_family(place) for place in range(100))
    series = {}
    for name, rows in frame.groupby("transformation", sort=False):
        magnitudes = np.unique(rows["magnitude"].to_numpy(float))
        for magnitude in sorted({magnitudes[0], magnitudes[-1]}):
            series[str(name), float(magnitude)] = next(looks)
    return series


def _range(lines: list[Line]) -> tuple[float, float]:
    """Returns limits in percent that hold every line and its marks, and its band where it can.

    A band of few seeds may be far wider than what the lines tell; beyond as much again as they
    spread it is cut off.
    """
    low = min(float(np.min(line.mean)) for line in lines)
    high = max(float(np.max(line.mean)) for line in lines)
    spread = max(high - low, 1.0)
    halves = [np.nan_to_num(line.half) for line in lines]
    bands = list(zip(lines, halves, strict=True))
    lowest = max(0.0, low - spread, min(float(np.min(line.mean - half)) for line, half in bands))
    highest = min(
        100.0, high + spread, max(float(np.max(line.mean + half)) for line, half in bands)
    )
    return max(0.0, min(low - 0.08 * spread, lowest)), max(high + 0.05 * spread, highest)
