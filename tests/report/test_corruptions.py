"""What the page and the tables say of corrupted images, against figures worked out by hand."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnnjax import report, results
from cnnjax.report import answer, reading
from cnnjax.results import summaries, terminal

CLEAN = {"pixels": 0.02, "pooling": 0.01}
# Errors at severities 1 and 2; pooling's corruption errors are 50 %, 150 % and so 100 % by mean.
ERRORS = {
    "pixels": {"fog": (0.2, 0.4), "salt_and_pepper": (0.1, 0.1)},
    "pooling": {"fog": (0.1, 0.2), "salt_and_pepper": (0.1, 0.2)},
}


def rows(row, errors, *, spread=0.0, **more):
    """Three seeds of each route; the middle one has the errors as given."""
    found = []
    for label, by_name in errors.items():
        family = "none" if label == "pixels" else "structure"
        for seed in range(3):
            shift = spread * (seed - 1)
            common = {"label": label, "route": label, "family": family, "seed": seed, **more}
            clean = 1 - CLEAN.get(label, 0.02)
            found.append(row(**common, accuracy=clean))
            where = {"transformation": "corruption:none", "magnitude": 0.0}
            found.append(row(**common, **where, accuracy=clean))
            for name, severities in by_name.items():
                for severity, error in enumerate(severities, 1):
                    where = {"transformation": f"corruption:{name}", "magnitude": float(severity)}
                    found.append(row(**common, **where, accuracy=1 - error - shift))
    return found


@pytest.fixture
def workdir(builders, tmp_path: Path) -> Path:
    frame = pd.DataFrame(rows(builders["row"], ERRORS, spread=0.01))
    return builders["save"](tmp_path / "work", frame)


def test_members_are_compared_with_the_mean_of_the_plain_networks_seeds(workdir):
    table = summaries.corruption_summary(results.read(workdir / "results.parquet"))
    pooling = table[(table["label"] == "pooling") & (table["seed"] == 1)].set_index("corruption")
    assert pooling.loc["fog", "error"] == pytest.approx(0.3 / 0.6)
    assert pooling.loc["salt_and_pepper", "error"] == pytest.approx(0.3 / 0.2)
    assert pooling.loc["", "error"] == pytest.approx((0.5 + 1.5) / 2)
    relative = ((0.3 - 0.02) / (0.6 - 0.04) + (0.3 - 0.02) / (0.2 - 0.04)) / 2
    assert pooling.loc["", "relative"] == pytest.approx(relative)
    pixels = table[(table["label"] == "pixels") & (table["corruption"] == "")]
    assert pixels["error"].mean() == pytest.approx(1.0)
    # One point more at both severities: 2 / 60 and 2 / 20.
    assert pixels["error"].max() == pytest.approx(1 + (2 / 60 + 2 / 20) / 2)


def test_without_a_plain_network_there_is_nothing_to_compare_with(builders, tmp_path):
    errors = {"pooling": ERRORS["pooling"]}
    workdir = builders["save"](tmp_path, pd.DataFrame(rows(builders["row"], errors)))
    assert summaries.corruption_summary(results.read(workdir / "results.parquet")).empty
    page = report.write(workdir).read_text()
    assert 'id="corruptions"' not in page
    assert "Corruptions were measured, but no network without a route finished" in page


def test_corruptions_are_no_transformations(workdir):
    study = reading.read(workdir)
    assert study.transformations == ()
    assert set(study.measured["transformation"]) == {"none"}
    table = terminal.table(results.read(workdir / "results.parquet"))
    assert "corruption:" not in table
    assert re.search(r"mCE %.*\n.*\npixels .* 100\.00 ± ", table)


def test_the_page_has_the_heat_map_its_file_and_the_means(workdir):
    source = report.write(workdir).read_text()
    section = source[source.index('id="corruptions"') :]
    section = section[: section.index("</section>")]
    numbers = [float(each) for each in re.findall(r">(\d+)</text>", section)]
    assert numbers == [100, 100, 100, 50, 150, 100]
    assert "salt and pepper" in section
    assert "var(--blue)" in section
    assert "var(--vermilion)" in section
    assert "best against" in section
    assert "Corruptions were measured, but" not in source
    assert "fog (50 %)" in section
    assert (workdir / "figures" / "corruptions.svg").exists()


def test_the_answer_names_a_clear_winner_and_no_other(builders, tmp_path):
    row = builders["row"]
    better = {"fog": (0.1, 0.2), "salt_and_pepper": (0.05, 0.05)}

    def told(errors, spread):
        frame = pd.DataFrame(rows(row, errors, spread=spread))
        study = reading.read(builders["save"](tmp_path / f"{spread}", frame))
        sentences = [re.sub(r"\s+", " ", each.striptags()) for each in answer.sentences(study)]
        return next(each for each in sentences if each.startswith("Corrupted"))

    clear = told({"pixels": ERRORS["pixels"], "pooling": better}, 0.001)
    assert "over 2 corruptions of rising severity, pooling makes the fewest" in clear.lower()
    assert re.search(
        r"50 ± \d % of the errors of the network without a route \(n = 3\); next is pixels with",
        clear,
    )
    assert "no clear winner" in told(ERRORS, 0.01)
    one = {"pixels": {"fog": (0.2, 0.4)}, "pooling": {"fog": (0.1, 0.2)}}
    assert "Over one corruption of rising severity, " in told(one, 0.002)


def test_colour_is_the_papers_where_nothing_differs():
    from matplotlib.figure import Figure

    from cnnjax.report import plotting

    axes = Figure().add_subplot()
    ratios = np.array([[1.0, 0.25, 16.0, np.nan]])
    plotting.heat(axes, ratios, rows=["a"], columns=list("bcde"), limit=4.0)
    shares = [patch.get_alpha() for patch in axes.patches[:3]]
    assert shares == pytest.approx([0.0, 0.6, 0.6])
    assert axes.patches[1].get_facecolor()[2] > axes.patches[1].get_facecolor()[0]
    assert axes.patches[2].get_facecolor()[0] > axes.patches[2].get_facecolor()[2]
