"""The page as a browser and its reader get it."""

import html
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from cnnjax import report, results
from cnnjax.report import reading
from cnnjax.report.page import route_table

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask about: elements, their attributes, loads, text, nesting."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.cells: list[list[str]] = []
        self.open: list[str] = []
        self.feed(self.source)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th") and self.cells:
            self.cells[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)
            if {"td", "th"} & set(self.open) and self.cells:
                self.cells[-1][-1] += data

    def headings(self) -> list[str]:
        return [attrs["id"] for tag, attrs in self.elements if tag == "h2"]


@pytest.fixture(scope="module")
def page(full_workdir: Path) -> Page:
    return Page(full_workdir / "report.html")


def assert_self_contained(page: Page) -> None:
    """Nothing is loaded: no address, no file, only data URIs and references within the page."""
    assert not page.open
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for key in ("src", "href", "xlink:href", "data", "srcset", "action"):
            if key in attributes:
                assert attributes[key].startswith(("data:image/png;base64,", "#")), (tag, key)
    for address in re.findall(r"url\(([^)]*)\)", page.source):
        assert address.strip("'\"").startswith(("data:image/png;base64,", "#"))
    assert "@import" not in page.source
    assert not re.search(r"https?://", page.source)
    assert len(page.source.encode()) < 4e6


def test_the_page_needs_nothing_else(page):
    assert_self_contained(page)


def test_every_reference_inside_the_page_has_one_target(page):
    identities = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(identities) == len(set(identities))
    wanted = {attrs["href"][1:] for _, attrs in page.elements if attrs.get("href", "")[:1] == "#"}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", page.source))
    wanted |= {attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs}
    assert wanted
    assert wanted <= set(identities)


def test_every_section_is_there(page):
    assert page.headings() == [
        *("answer", "table", "curves", "cost", "sizes", "initial", "equivariance", "families"),
        *("inside", "errors", "made"),
    ]


def test_the_table_holds_every_route_with_its_interval_and_seeds(page, builders):
    frame = builders["full_results"]()
    rows = frame[
        frame["chosen"]
        & ~frame["initial"]
        & (frame["transformation"] == "none")
        & (frame["train_size"] == 1078)
    ]
    table = {cells[0]: cells for cells in page.cells if len(cells) == 13}
    for label, group in rows.groupby("label"):
        family = group["family"].iloc[0].replace("none", "no route")
        cells = table[f"{label}{family}"]
        mean, half = group["accuracy"].mean(), stats.t.ppf(0.975, 2) * stats.sem(group["accuracy"])
        assert cells[1] == "3"
        assert cells[2] == f"{100 * mean:.1f} ± {100 * half:.1f}"
        assert cells[10] == f"{group['parameters'].iloc[0]:,}"
    assert len(table) == 17


def points(builders, seeds) -> str:
    """The mean of shares in percent with its interval, as a cell holds it."""
    mean, half = builders["student"](seeds)
    return f"{100 * mean:.1f} ± {100 * half:.1f}"


def test_every_cell_of_a_row_is_what_its_heading_says(page, full_frame, builders):
    heads, row = (
        next(cells for cells in page.cells if len(cells) == 13 and cells[0] == name)
        for name in ("route", "global average, affine × 1combined")
    )
    names = ("translation", "rotation", "scale", "shear", "noise")
    curves = {
        name: builders["heights"](full_frame, "gap_affine", name, "accuracy") for name in names
    }
    transformed = np.mean([builders["along"](each) for each in curves.values()], axis=0)
    untouched = curves["rotation"][0.0]
    missed, half = builders["student"](360 * (1 - untouched))
    seconds = builders["heights"](full_frame, "gap_affine", "none", "training_seconds")[0.0].mean()
    assert half < 10 < seconds < 120, "counted and timed in the units below"
    assert dict(zip(heads[1:], row[1:], strict=True)) == {
        "n": "3",
        "accuracy %": points(builders, untouched),
        "errors": f"{missed:.1f} ± {half:.1f}",
        "transformed %": points(builders, transformed),
        **{
            f"{name} kept %": points(builders, builders["along"](each) / untouched)
            for name, each in curves.items()
        },
        "parameters": "60,100",
        "MACs": "990 k",
        "training": f"{seconds:.0f} s",
    }


def test_accuracies_stand_under_their_training_sizes(page, full_frame, builders):
    start = next(
        place for place, cells in enumerate(page.cells) if "accuracy in %, trained on" in cells
    )
    assert page.cells[start][1:] == ["100", "300", "1,078"]
    rows = full_frame[
        (full_frame["transformation"] == "none") & ~full_frame["initial"] & full_frame["chosen"]
    ]
    found = {cells[0]: cells[1:] for cells in page.cells[start + 1 : start + 17]}
    assert found == {
        label: [
            points(builders, own.loc[own["train_size"] == size, "accuracy"])
            for size in (100, 300, 1078)
        ]
        for label, own in rows.groupby("label")
    }


def test_learning_rates_are_told_by_route_and_training_size(builders, tmp_path):
    rates = {100: (3e-3, 1e-3), 1078: (2e-2, 2e-2)}
    rows = [
        builders["row"](label="net", accuracy=0.9, train_size=size, seed=seed, learning_rate=rate)
        for size, own in rates.items()
        for seed, rate in enumerate(own)
    ]
    page = Page(report.write(builders["save"](tmp_path, pd.DataFrame(rows))))
    start = page.cells.index(["route", "training examples", "learning rate"])
    assert page.cells[start + 1 : start + 3] == [
        ["net", "100", "0.001, 0.003"],
        ["net", "1,078", "0.02"],
    ]
    assert "that validation chose" not in page.text
    config = {"choose": ["optimizer.learning_rate"]}
    chosen = Page(report.write(builders["save"](tmp_path, pd.DataFrame(rows), config=config)))
    assert "Learning rates that validation chose" in chosen.text


def test_numeric_columns_can_be_sorted(page):
    keys = [
        attrs["data-key"] for tag, attrs in page.elements if tag == "td" and "data-key" in attrs
    ]
    assert len(keys) == 16 * 12
    assert np.isfinite([float(key) for key in keys]).all()


def test_sorting_a_column_sorts_what_is_read_in_it(page):
    keys = [
        attrs["data-key"] for tag, attrs in page.elements if tag == "td" and "data-key" in attrs
    ]
    rows = [cells[1:] for cells in page.cells if len(cells) == 13 and cells[0] != "route"]
    read = (
        pd.DataFrame(rows).replace({" ± .*": "", ",": "", " [ks]$": ""}, regex=True).astype(float)
    )
    for column in read:
        ordered = read[column].iloc[np.argsort(np.array(keys[column::12], float), kind="stable")]
        assert ordered.is_monotonic_increasing, column


def test_figures_are_saved_and_drawn(full_workdir, page):
    figures = sorted(path.name for path in (full_workdir / "figures").iterdir())
    assert {
        *("accuracy.svg", "consistency.svg", "cost.svg", "train_size.svg"),
        *("initial_and_trained.svg", "equivariance.svg", "family_structure_accuracy.svg"),
        *("errors.png", "kernels_0_conv1.png", "feature_maps_1_pool1.png"),
    } <= set(figures)
    for name in figures:
        path = full_workdir / "figures" / name
        if name.endswith(".svg"):
            root = ET.parse(path).getroot()
            drawn = sum(element.tag.endswith("path") for element in root.iter())
            assert drawn > 20, name
        else:
            assert np.asarray(Image.open(path)).std() > 0, name
    panels = [attrs for tag, attrs in page.elements if attrs.get("class") == "panel"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in panels)
    # Five transformations, accuracy and consistency: for the best of each family, then for the
    # four families with more than one route, these with their training sizes.
    main, families = 5 + 5, 4 * (6 + 5)
    assert len(panels) == main + families + 3 + 1 + 5 + 5


@pytest.mark.parametrize("value", ["accuracy", "consistency"])
def test_saved_curves_go_where_their_numbers_lie(full_workdir, full_frame, builders, value):
    root = ET.parse(full_workdir / "figures" / f"{value}.svg").getroot()
    panel = next(element for element in root.iter() if element.get("id") == "panel1")
    paths = [re.findall(r"[ML] (\S+) (\S+)", each.get("d", "")) for each in panel.iter()]
    # Of all paths only the curves have six corners: a family each, no route first.
    lines = [np.array(path, float) for path in paths if len(path) == 6]
    assert len(lines) == 5
    curves = [
        builders["heights"](full_frame, route, "rotation", value).mean()
        for route in ("mlp", "gap_affine")
    ]
    told = np.concatenate([np.stack([each.index, each], axis=1) for each in curves])
    drawn = np.concatenate([lines[0], lines[-1]])
    for numbers, pixels, sign in zip(told.T, drawn.T, (1, -1), strict=True):
        slope, offset = np.polyfit(numbers, pixels, 1)
        assert np.sign(slope) == sign, "an SVG counts from the top"
        np.testing.assert_allclose(slope * numbers + offset, pixels, atol=1e-3)


def test_panels_have_no_colour_that_the_dark_page_cannot_change(page):
    drawn = "".join(re.findall(r'<svg class="panel".*?</svg>', page.source, re.S))
    assert "var(--blue)" in drawn
    assert not re.search(r"#[0-9a-f]{6}\b", drawn)


def few(builders) -> pd.DataFrame:
    """A smaller study: one route of three families, one transformation, one training size."""
    return builders["full_results"](
        sizes=(1078,), routes=("mlp", "ladder_pool", "gap_affine"), transformations=("rotation",)
    )


def test_two_writings_give_the_same_page_and_figures(builders, tmp_path):
    workdir = builders["save"](tmp_path, few(builders))
    first, second = (
        (report.write(workdir).read_bytes(), (workdir / "figures" / "accuracy.svg").read_bytes())
        for _ in range(2)
    )
    assert first == second


def test_one_route_and_nothing_else(builders, tmp_path):
    path = report.write(builders["small"](tmp_path))
    page = Page(path)
    assert_self_contained(page)
    assert page.headings() == ["answer", "table", "made"]
    assert "the only route" in page.text
    assert "95.0 %" in page.text
    assert "Runs that diverged are left out: the only route (1)" in page.text


def test_published_figures_stand_beside_ours_with_their_source(builders, tmp_path):
    page = Page(report.write(builders["published"](tmp_path)))
    assert_self_contained(page)
    assert page.headings() == ["answer", "table", "published", "cost", "inside", "errors", "made"]
    row = next(cells for cells in page.cells if cells[0] == "MLP-800, elastic" and len(cells) == 5)
    assert row[1] == "0.70 %"
    frame = results.read(tmp_path / "results.parquet")
    errors = 100 * (1 - frame[frame["label"] == row[0]]["accuracy"])
    assert row[2].startswith(f"{errors.mean():.2f} ±")
    assert row[4] == "Simard 2003"
    missing = next(cells for cells in page.cells if cells[0] == "DanNet")
    assert missing[2:4] == ["–", "–"]
    # Under a tile: the first guess, then the second, each with its probability.
    tile = re.search(r"<b>(\d)</b>, [^<]+<br><span class=\"second\"><b>(\d)</b>", page.source)
    assert tile is not None
    assert tile[1] != tile[2]


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (("equivariance.parquet", "predictions.parquet"), {"equivariance", "errors"}),
        (("pictures.npz",), {"inside", "errors"}),
    ],
)
def test_a_missing_file_takes_only_its_section(builders, tmp_path, names, lost):
    workdir = builders["full"](tmp_path)
    builders["save"](workdir, few(builders))
    for name in names:
        (workdir / name).unlink()
    headings = Page(report.write(workdir)).headings()
    everything = {"answer", "table", "curves", "cost", "initial", "equivariance", "inside"}
    assert set(headings) == (everything | {"errors", "made"}) - lost


def test_a_label_trained_at_several_strengths_gets_its_curve(builders, tmp_path):
    cells = [("scenes", 0.0), ("scenes", 0.5), ("scenes", 1.0), ("plain", 0.0)]
    rows = [
        builders["row"](
            label=label,
            accuracy=0.9 + strength / 20 + seed / 100,
            seed=seed,
            augment_strength=strength,
            split="mnist test",
        )
        for label, strength in cells
        for seed in range(3)
    ]
    page = Page(report.write(builders["save"](tmp_path, pd.DataFrame(rows))))
    assert "strengths" in page.headings()
    shown = [attrs["aria-label"] for _, attrs in page.elements if attrs.get("class") == "panel"]
    assert (
        "accuracy on the untouched mnist test set against the strength of the distortions" in shown
    )
    assert (tmp_path / "figures" / "strength.svg").exists()


def two_data_sets(builders) -> pd.DataFrame:
    """Two routes on each of two data sets; whatever is measured on the second is worse."""
    return pd.DataFrame(
        [
            builders["row"](
                dataset=dataset,
                label=f"{label} {dataset}",
                family=family,
                seed=seed,
                accuracy=height - 0.1 * place - lost + 0.001 * seed,
                transformation=name,
                magnitude=magnitude,
                train_size=size,
                parameters=parameters,
            )
            for dataset, height in (("easy", 0.95), ("hard", 0.5))
            for place, (label, family) in enumerate(
                (("net", "structure"), ("net 2", "structure"), ("dense", "none"))
            )
            for parameters in (1000 * (place + 1),)
            for size in (100, 1078)
            for seed in range(3)
            for name, magnitude, lost in (("none", 0.0, 0.0), ("noise", 0.5, 0.05 * (place + 1)))
        ]
    )


def test_data_sets_are_neither_drawn_nor_shaded_nor_paid_against_each_other(builders, tmp_path):
    page = Page(report.write(builders["save"](tmp_path, two_data_sets(builders))))
    assert_self_contained(page)
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    kinds = ("accuracy", "consistency", "cost", "train_size", "family_structure_accuracy")
    assert {f"{data}_{kind}.svg" for data in ("easy", "hard") for kind in kinds} <= set(names)
    easy, hard = (
        (tmp_path / "figures" / f"{data}_family_structure_accuracy.svg").read_text()
        for data in ("easy", "hard")
    )
    assert "no route: dense easy" in easy
    assert "hard" not in easy
    assert "no route: dense hard" in hard
    _, rows = route_table(reading.read(tmp_path))
    bold = {each.entry: sum(cell.best for cell in each.cells) for each in rows}
    assert bold == dict.fromkeys(bold, 0) | {"net easy": 4, "net hard": 4}
    told = next(text for text in page.text.split("Transformed") if "averaged over" in text)
    assert re.search(r"On easy, .*no route .* \(dense easy; .*; on hard, .* \(dense hard; ", told)


@pytest.mark.parametrize(
    ("dataset", "units", "others"),
    [
        ("mnist", ("shift in pixels", "pixels run 0 to 1"), "samples"),
        ("mnist1d", ("shift in samples", "a signal’s own is 1"), "pixels"),
    ],
)
def test_units_are_those_of_the_data(builders, tmp_path, dataset, units, others):
    where = (("none", 0.0), ("translation", 2.0), ("noise", 0.5))
    rows = [
        builders["row"](label="net", accuracy=0.9, transformation=name, magnitude=m, examples=n)
        | {"dataset": dataset}
        for name, m in where
        for n in (10_000 if name == "none" else 2_000,)
    ]
    page = Page(report.write(builders["save"](tmp_path, pd.DataFrame(rows))))
    assert all(unit in page.text for unit in units)
    assert others not in page.text
    assert "image" not in page.text
    assert "+1e" not in page.source, "a flat line at 100 % has plain ticks"
    assert "Measured on the first 2,000 of 10,000 test examples." in page.text


@pytest.mark.parametrize(
    ("sampled", "told"),
    [
        (100, "on the first 100 of 359 and 1,000 test examples"),
        (500, "on the first 500 test examples, or on all where there are fewer"),
        (1000, ""),
    ],
)
def test_of_several_sets_each_has_its_own_number_of_examples(builders, tmp_path, sampled, told):
    rows = [
        builders["row"](label=name, transformation=what, accuracy=0.9, magnitude=m, examples=n)
        | {"dataset": name}
        for name, whole in (("digits", 359), ("mnist1d", 1000))
        for what, m, n in (("none", 0.0, whole), ("noise", 0.5, min(whole, sampled)))
    ]
    page = Page(report.write(builders["save"](tmp_path, pd.DataFrame(rows))))
    assert "359 · 1,000" in page.text
    assert told in page.text
    assert ("on the first" in page.text) == bool(told)


def test_without_measurements_at_initialisation(builders, tmp_path):
    frame = few(builders)
    frame = frame[~frame["initial"]]
    page = Page(report.write(builders["save"](tmp_path, frame)))
    assert "initial" not in page.headings()
    assert "Structure alone" not in page.text


@pytest.mark.parametrize(
    ("status", "told"), [("diverged", "Every run diverged, so"), ("failed", "No run has finished")]
)
def test_nothing_has_finished(builders, tmp_path, status, told):
    row = {**builders["row"](label="net", accuracy=np.nan), "status": status, "chosen": False}
    page = Page(report.write(builders["save"](tmp_path, pd.DataFrame([row]))))
    assert page.headings() == ["answer", "made"]
    assert told in page.text


def test_old_figures_do_not_stay(builders, tmp_path):
    workdir = builders["small"](tmp_path)
    (workdir / "figures").mkdir()
    (workdir / "figures" / "accuracy.svg").write_text("old")
    report.write(workdir)
    assert not (workdir / "figures" / "accuracy.svg").exists()


NASTY = '</style><script>alert("1")</script> & <b>$x_1$'


def test_everything_written_by_people_is_escaped(builders, tmp_path):
    rows = [
        builders["row"](
            label=f"{NASTY} {kind}",
            route=f"r{kind}",
            family="structure",
            seed=seed,
            accuracy=0.9 + kind / 50,
            transformation=name,
            magnitude=magnitude,
        )
        for kind in range(3)
        for seed in range(2)
        for name, magnitude in (("none", 0.0), ("swirl", 1.0), ("swirl", 2.0))
    ]
    config = {"title": NASTY, "question": NASTY, "published": [{"label": NASTY, "source": NASTY}]}
    environment = {"command": ["launch.py", NASTY], "git_commit": None, "git_dirty": None}
    workdir = builders["save"](
        tmp_path, pd.DataFrame(rows), config=config, environment=[environment]
    )
    page = Page(report.write(workdir))
    assert_self_contained(page)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert NASTY not in page.source
    assert html.escape(NASTY, quote=True).replace("&quot;", "&#34;") in page.source
    assert NASTY in page.text


def test_the_command_and_the_commit_are_given(page):
    assert "git checkout 0123456789abcdef0123456789abcdef01234567" in page.text
    assert "python launch.py --config=experiments/invariance.py:digits" in page.text


def test_several_commits_are_told(builders, tmp_path):
    launches = [
        {"git_commit": commit * 40, "git_dirty": dirty, "command": ["launch.py"], "cores": 2}
        for commit, dirty in (("a", True), ("b", False))
    ]
    frame = pd.DataFrame([builders["row"](label="net", accuracy=0.9)])
    page = Page(report.write(builders["save"](tmp_path, frame, environment=launches)))
    assert f"git checkout {'b' * 40} launch.py" in page.text
    assert f"several commits made these numbers, in this order: {'a' * 12} and" in page.text
    assert "changes that were not committed" in page.text
    assert f"git_commit {'a' * 40} → {'b' * 40}" in page.text
    assert "cores 2 " in page.text


def test_the_configuration_is_whole(page, full_workdir):
    config = json.loads((full_workdir / "config.json").read_text())
    assert html.escape(json.dumps(config["optimizer"]["learning_rate"])) in page.source
    assert "0.10.2" in page.text


def test_the_best_of_a_column_is_bold_and_what_is_level_with_it_is_underlined(builders, tmp_path):
    rows = [
        builders["row"](label=label, seed=seed, accuracy=mean + spread * (seed - 1))
        for label, mean, spread in (("best", 0.97, 0.001), ("wide", 0.90, 0.05), ("low", 0.95, 0.0))
        for seed in range(3)
    ]
    columns, lines = route_table(reading.read(builders["save"](tmp_path, pd.DataFrame(rows))))
    for name in ("accuracy %", "errors"):
        place = [column.head for column in columns].index(name)
        cells = {line.entry: line.cells[place] for line in lines}
        assert {entry: (cell.best, cell.level) for entry, cell in cells.items()} == {
            "best": (True, False),
            "wide": (False, True),
            "low": (False, False),
        }
        assert [cells[entry].heat for entry in ("best", "wide")] == [1.0, 0.0]
