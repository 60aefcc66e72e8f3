"""One HTML page out of what was read, computed and drawn."""

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from cnnjax import files
from cnnjax.report import answer, figures, gallery, palette, reading, words

_HERE = Path(__file__).parent


class Column(NamedTuple):
    """A column of the table of routes: its heading, what it means, and whether it holds numbers."""

    head: str
    meaning: str
    numeric: bool = True


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
      text: What is read, without its interval.
      half: The interval's half width as it is read; may be empty.
      key: What the column is sorted by.
      heat: Shade from 0 (worst of the column) to 1 (best), or None for a plain cell.
      best: Whether it is the best of its column.
      level: Whether its interval reaches that of the best.
    """

    text: str
    half: str
    key: float | str
    heat: float | None = None
    best: bool = False
    level: bool = False


class Row(NamedTuple):
    """A line of the table of routes."""

    entry: str
    family: str
    colour: str
    cells: list[Cell]


def write(workdir: str | Path) -> Path:
    """Writes report.html and figures/ from the files of a workdir.

    Args:
      workdir: The folder that a launch left: results.parquet is needed, everything else is used
        where it is there.

    Returns:
      The path of report.html, a page that needs no other file and no network.

    Raises:
      UserError: There is no results.parquet in the folder.
    """
    workdir = Path(workdir)
    study = reading.read(workdir)
    folder = workdir / "figures"
    folder.mkdir(exist_ok=True)
    # Figures of an earlier launch that this one does not draw would tell an old story.
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        old.unlink()
    columns, rows = route_table(study)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text = environment.get_template("page.html").render(
        study=study,
        style=Markup(palette.stylesheet() + (_HERE / "page.css").read_text(encoding="utf-8")),
        answer=[_unbroken(sentence) for sentence in answer.sentences(study)],
        facts=_facts(study),
        sample=_sample(study),
        columns=columns,
        rows=rows,
        published=_published(study),
        figures=figures.draw(study, folder),
        inside=gallery.inside(study, folder),
        gallery=gallery.errors(study, folder),
        most_errors=gallery.MOST_ERRORS,
        sizes=_sizes(study),
        corruptions=_corruptions(study),
        chosen=_chosen(study),
        config=json.dumps(study.config, indent=2, ensure_ascii=False) if study.config else "",
        environment=_environment(study.environments),
        reproduce=_reproduce(study),
        family_name=palette.family_name,
        probability=words.probability,
    )
    path = workdir / "report.html"
    with files.replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def route_table(study: reading.Study) -> tuple[list[Column], list[Row]]:
    """Computes the table of routes.

    Args:
      study: What was read.

    Returns:
      The columns after the first, which holds the name, and the rows in the order of the page.
    """
    table = study.routes
    several = len(pd.unique(table["dataset"])) > 1
    decimals = answer.digits(study) if len(table) else 1
    areas = study.areas[~study.areas["initial"].astype(bool)]
    columns = [Column("data", "Data set", numeric=False)] if several else []
    sizes = len(set(table["train_size"])) > 1
    columns += [Column("trained on", "Training examples")] if sizes else []
    columns += [
        Column("n", "Seeds"),
        Column(
            "accuracy %", f"On untouched {study.split} examples: mean and 95 % interval over seeds"
        ),
        Column(
            "errors", f"Number of {study.split} examples misread: mean and 95 % interval over seeds"
        ),
    ]
    # Fewer errors are better, and the shades of a column go by what is.
    fewer = table.assign(errors=-table["errors"])
    shaded = {"accuracy": _shades(table, "accuracy"), "errors": _shades(fewer, "errors")}
    names = list(study.transformations)
    if names:
        overall = areas[areas["transformation"] == ""]
        shaded[""] = _shades(overall, "transformed")
        columns.append(
            Column("transformed %", "Accuracy averaged over all transformations and magnitudes")
        )
    for name in names:
        rows = areas[areas["transformation"] == name]
        shaded[name] = _shades(rows, "kept")
        columns.append(
            Column(
                f"{name} kept %",
                f"Area under the accuracy curve against {name}, relative to the untouched accuracy",
            )
        )
    columns += [
        Column("parameters", "Trainable numbers"),
        Column("MACs", "Multiply–accumulates of the network for one example, features not counted"),
        Column(
            "training",
            "Time of runs that train together, divided by their number, features included",
        ),
    ]
    summary = areas.set_index(["entry", "transformation"])
    lines = []
    for _, row in table.iterrows():
        entry = row["entry"]
        cells = [Cell(row["dataset"], "", row["dataset"])] if several else []
        size = int(row["train_size"])
        cells += [Cell(f"{size:,}", "", size)] if sizes else []
        cells.append(Cell(str(row["seeds"]), "", row["seeds"]))
        text = _points(row["accuracy"], row["accuracy_half"], decimals)
        cells.append(Cell(*text, row["accuracy"], *shaded["accuracy"].get(entry, ())))
        text = words.counted(row["errors"], row["errors_half"])
        cells.append(Cell(*text, row["errors"], *shaded["errors"].get(entry, ())))
        for name, value in [
            *([("", "transformed")] if names else []),
            *((n, "kept") for n in names),
        ]:
            if (entry, name) in summary.index:
                got = summary.loc[(entry, name)]
                text = _points(got[value], got[f"{value}_half"], 1)
                cells.append(Cell(*text, got[value], *shaded[name].get(entry, ())))
            else:
                cells.append(Cell("–", "", -1.0))
        cells += [
            Cell(words.amount(row["parameters"]), "", row["parameters"]),
            Cell(words.short(row["multiply_accumulates"]), "", row["multiply_accumulates"]),
            Cell(words.seconds(row["training_seconds"]), "", row["training_seconds"]),
        ]
        colour = palette.of_family(row["family"]).colour
        lines.append(Row(entry, palette.family_name(row["family"]), colour, cells))
    return columns, lines


def _shades(frame: pd.DataFrame, value: str) -> dict[str, tuple[float, bool, bool]]:
    """Places each mean between its data set's worst and best, and says who is best and level.

    Args:
      frame: Rows with the columns entry, dataset, `value` and `value`_half.
      value: The column in which more is better.

    Returns:
      Place from 0 (worst) to 1 (best), whether it is the best, and whether it is another one that
      is level with the best, by entry.
    """
    found: dict[str, tuple[float, bool, bool]] = {}
    for _, rows in frame.groupby("dataset", sort=False):
        best = answer.contest(rows, value)
        if best is None or len(rows) < 2:
            continue
        level = set(best.level["entry"]) if best.known else set()
        low, high = rows[value].min(), rows[value].max()
        for entry, mean in zip(rows["entry"], rows[value], strict=True):
            if not math.isnan(mean):
                place = (mean - low) / ((high - low) or 1.0)
                found[entry] = (place, entry == best.best["entry"], entry in level)
    return found


def _unbroken(sentence: Markup) -> Markup:
    """Keeps a number, its interval and its unit on one line, and a hyphen before a number too.

    >>> _unbroken(Markup("97.0 ± 0.2 % of 12 M")) == "97.0\u00a0±\u00a00.2\u00a0% of 12\u00a0M"
    True
    >>> _unbroken(Markup("LeNet-5")) == "LeNet\u20115"
    True
    """
    together = re.sub(
        r"(?<=\d) (?=[±%]|(?:k|M|G|s|min|h)\b)|(?<=[±=]) | (?==)", "\u00a0", str(sentence)
    )
    return Markup(re.sub(r"(?<=\w)-(?=\d)", "\u2011", together))


def _points(share: float, half: float, digits: int) -> tuple[str, str]:
    """Writes a share in percent and its half width, under a heading that says so."""
    spread = "" if math.isnan(half) else f"{100 * half:.{digits}f}"
    return ("–" if math.isnan(share) else f"{100 * share:.{digits}f}"), spread


def _sizes(study: reading.Study) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """Lays out accuracy by row and number of training examples."""
    rows = study.measured[(study.measured["transformation"] == "none") & ~study.measured["initial"]]
    cells = reading.intervals(rows, ["entry", "train_size"], "accuracy")
    known = {
        (row["entry"], row["train_size"]): (float(row["mean"]), float(row["half"]))
        for row in cells.to_dict("records")
    }
    sizes = sorted(set(rows["train_size"]))
    decimals = answer.digits(study) if len(study.routes) else 1
    lines = []
    for entry in study.entries:
        line = []
        for size in sizes:
            mean, half = known.get((entry, size), (math.nan, math.nan))
            line.append(_points(mean, half, decimals))
        lines.append((entry, line))
    return [f"{int(size):,}" for size in sizes], lines


def _corruptions(study: reading.Study) -> list[dict[str, Any]]:
    """Lays out the mean corruption errors, the fewest errors first."""
    frame = study.corruptions
    several = len(pd.unique(frame["dataset"])) > 1
    rows = []
    for row in frame[frame["corruption"] == ""].sort_values("error").to_dict("records"):
        each = frame[
            (frame["entry"] == row["entry"])
            & (frame["dataset"] == row["dataset"])
            & (frame["corruption"] != "")
        ]
        each = each[each["error"].notna()].sort_values("error", kind="stable")
        # The plain network is as good as itself against all of them.
        told = len(each) and each["error"].iloc[-1] - each["error"].iloc[0] > 1e-9
        rows.append(
            {
                "entry": f"{row['entry']} · {row['dataset']}" if several else row["entry"],
                "error": _points(row["error"], row["error_half"], 1),
                "relative": _points(row["relative"], row["relative_half"], 1),
                "n": str(int(row["n"])),
                **{
                    end: _corruption(each.iloc[place]) if told else "–"
                    for end, place in (("best", 0), ("worst", -1))
                },
            }
        )
    return rows


def _corruption(row: pd.Series) -> str:
    return f"{str(row['corruption']).replace('_', ' ')} ({words.percent(row['error'], digits=0)})"


def _facts(study: reading.Study) -> list[tuple[str, str]]:
    """Says in a few words what was measured: data, rows, seeds, training examples, diverged."""
    table = study.routes
    if table.empty:
        return []
    seeds = sorted(set(table["seeds"]))
    n = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    sizes = sorted(set(study.measured["train_size"]))
    # A long list of sizes says no more than its ends.
    shown = sizes if len(sizes) <= 5 else [sizes[0], "…", sizes[-1]]
    numbers = " · ".join(x if isinstance(x, str) else f"{int(x):,}" for x in shown)
    facts = [
        ("data", words.listed(list(pd.unique(table["dataset"])))),
        ("routes" if len(table) != 1 else "route", str(len(table))),
        ("seeds each" if seeds[-1] != 1 else "seed each", n),
        ("training examples", numbers),
        (
            f"{study.split} examples",
            " · ".join(f"{int(n):,}" for n in sorted(set(table["examples"]))),
        ),
    ]
    if study.diverged:
        facts.append(("runs diverged", str(sum(study.diverged.values()))))
    return facts


def _sample(study: reading.Study) -> str:
    """Says on what part of the test set transformations were measured; empty where on all of it."""
    wholes = sorted(set(study.routes["examples"]))
    if not wholes or study.sampled >= wholes[-1]:
        return ""
    if study.sampled > wholes[0]:
        first = f"on the first {study.sampled:,} {study.split} examples"
        return f"{first}, or on all where there are fewer"
    of = " and ".join(f"{int(whole):,}" for whole in wholes)
    return f"on the first {study.sampled:,} of {of} {study.split} examples"


def _published(study: reading.Study) -> list[dict[str, Any]]:
    table = answer.published(study)
    shared = table["label"].duplicated(keep=False)
    rows = []
    for (_, row), ambiguous in zip(table.iterrows(), shared, strict=True):
        label = f"{row['label']} · {row['dataset']}" if ambiguous else row["label"]
        ours = words.with_interval(row["ours"], row["half"], digits=2)
        rows.append(
            {
                "label": label,
                "source": row["source"],
                "error": words.percent(row["error"], digits=2),
                "ours": "–" if math.isnan(row["ours"]) else ours,
                "seeds": str(row["seeds"]) if row["seeds"] else "–",
            }
        )
    return rows


def _chosen(study: reading.Study) -> list[tuple[str, str, str]]:
    """Lists the learning rate of each row, where there is more than one."""
    rows = study.measured[(study.measured["transformation"] == "none") & ~study.measured["initial"]]
    if len(pd.unique(rows["learning_rate"])) < 2:
        return []
    table = []
    for (entry, size), cell in rows.groupby(["entry", "train_size"], sort=False):
        rates = ", ".join(f"{rate:g}" for rate in sorted(set(cell["learning_rate"])))
        table.append((str(entry), f"{size:,}", rates))
    return table


def _flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lists the leaves of nested dictionaries by their dotted names.

    >>> _flat({"versions": {"jax": "0.10"}, "devices": ["cpu"], "dirty": False})
    [('versions.jax', '0.10'), ('devices', 'cpu'), ('dirty', 'no')]
    """
    leaves: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            leaves += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            text = shlex.join(map(str, value)) if "command" in key else ", ".join(map(str, value))
            leaves.append((prefix + key, text))
        else:
            text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
            leaves.append((prefix + key, text))
    return leaves


def _environment(launches: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Lists what launches ran on; where they differ, one after the other.

    >>> _environment([{"cores": 2, "jax": "0.9"}, {"cores": 2, "jax": "0.10"}])
    [('cores', '2'), ('jax', '0.9 → 0.10')]
    """
    told: dict[str, dict[str, None]] = {}
    for launch in launches:
        for name, value in _flat(launch):
            told.setdefault(name, {})[value] = None
    return [(name, " → ".join(values)) for name, values in told.items()]


def _reproduce(study: reading.Study) -> dict[str, str]:
    """Finds the commands that make this page again, and how it may be cited."""
    known = study.environments[-1] if study.environments else {}
    commits = list(
        dict.fromkeys(each.get("git_commit") or "no checkout" for each in study.environments)
    )
    command, commit = shlex.join(known.get("command", ())), known.get("git_commit") or ""
    year = str(known.get("time", ""))[:4]
    lines = [f"git checkout {commit}"] if commit else []
    lines += [command] if command else []
    fields = [f"  title = {{{study.title}}}", "  howpublished = {cnnjax}"]
    fields += [f"  year = {{{year}}}"] if year else []
    fields += [f"  note = {{commit {commit[:12]}, {command}}}"] if commit else []
    return {
        "commands": "\n".join(lines),
        "dirty": "yes" if any(each.get("git_dirty") for each in study.environments) else "",
        "commits": words.listed([each[:12] for each in commits]) if len(commits) > 1 else "",
        "cite": "@misc{cnnjax,\n" + ",\n".join(fields) + "\n}",
    }
