"""What is read off a workdir: intervals, areas, who counts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from cnnjax.errors import UserError
from cnnjax.report import reading


@pytest.fixture(scope="module")
def full(full_workdir: Path) -> reading.Study:
    return reading.read(full_workdir)


def test_intervals_are_students(full, builders):
    frame = builders["full_results"]()
    rows = frame[
        (frame["route"] == "ladder_blur")
        & (frame["train_size"] == 1078)
        & (frame["transformation"] == "none")
        & frame["chosen"]
        & ~frame["initial"]
    ]
    values = rows["accuracy"].to_numpy()
    low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    found = full.routes.set_index("route").loc["ladder_blur"]
    assert found["seeds"] == 3
    np.testing.assert_allclose(
        [found["accuracy"] - found["accuracy_half"], found["accuracy"] + found["accuracy_half"]],
        [low, high],
    )


def test_areas_average_each_seed_before_the_seeds(full, builders):
    frame = builders["full_results"]()
    rows = frame[(frame["route"] == "mlp") & (frame["train_size"] == 1078) & ~frame["initial"]]
    areas = []
    for _, member in rows[rows["chosen"]].groupby("seed"):
        curve = member[member["transformation"].isin(["none", "rotation"])]
        curve = curve.sort_values("magnitude")
        area = integrate.trapezoid(curve["accuracy"], curve["magnitude"])
        areas.append(area / curve["magnitude"].max() / curve["accuracy"].iloc[0])
    found = full.areas.set_index(["entry", "transformation", "initial"]).sort_index()
    got = found.loc[("MLP-800", "rotation", False)]
    np.testing.assert_allclose(got["kept"], np.mean(areas))
    np.testing.assert_allclose(
        got["kept_half"], stats.t.ppf(0.975, 2) * np.std(areas, ddof=1) / np.sqrt(3)
    )


@pytest.mark.parametrize("initial", [False, True])
def test_consistency_is_averaged_along_its_own_curve(full, full_frame, builders, initial):
    curves = builders["heights"](full_frame, "mlp", "rotation", "consistency", initial=initial)
    found = full.areas.set_index(["entry", "transformation", "initial"]).sort_index()
    got = found.loc[("MLP-800", "rotation", initial)]
    wanted = builders["student"](builders["along"](curves))
    np.testing.assert_allclose(got[["consistent", "consistent_half"]].to_numpy(float), wanted)


def test_a_curve_measured_on_part_of_the_test_set_starts_on_that_part(builders, tmp_path):
    frame = builders["full_results"](seeds=2, routes=["mlp"], transformations=["rotation"])
    starts = frame[frame["transformation"] == "none"].assign(
        transformation="rotation", accuracy=0.5, consistency=np.nan
    )
    builders["save"](tmp_path, pd.concat([frame, starts]))
    study = reading.read(tmp_path)
    rows = reading.curve(study.measured, "rotation")
    assert set(rows["transformation"]) == {"rotation"}
    assert (rows[rows["magnitude"] == 0]["consistency"] == 1).all()
    one = frame[(frame["train_size"] == 1078) & ~frame["initial"] & (frame["seed"] == 0)]
    one = one[one["transformation"] == "rotation"].sort_values("magnitude")
    at = [0.0, *one["magnitude"]]
    kept = integrate.trapezoid([0.5, *one["accuracy"]], at) / at[-1] / 0.5
    areas = study.areas[~study.areas["initial"] & (study.areas["transformation"] == "rotation")]
    other = frame[(frame["train_size"] == 1078) & ~frame["initial"] & (frame["seed"] == 1)]
    other = other[other["transformation"] == "rotation"].sort_values("magnitude")
    kept_other = integrate.trapezoid([0.5, *other["accuracy"]], at) / at[-1] / 0.5
    np.testing.assert_allclose(areas["kept"], np.mean([kept, kept_other]))
    assert study.routes["accuracy"].iloc[0] != 0.5


def test_rejected_and_diverged_members_do_not_count(full):
    assert full.measured["chosen"].all()
    assert (full.measured["status"] == "done").all()
    assert full.diverged == {"MLP-800": 1}
    assert set(full.routes["seeds"]) == {3}
    assert (full.routes["train_size"] == 1078).all()


def test_what_diverged_on_its_largest_training_set_is_not_shown_by_a_smaller_one(
    builders, tmp_path
):
    rows = builders["full_results"](seeds=2, routes=["mlp", "ladder_blur"])
    rows.loc[(rows["route"] == "mlp") & (rows["train_size"] == 1078), "status"] = "diverged"
    study = reading.read(builders["save"](tmp_path, rows))
    assert study.routes["route"].tolist() == ["ladder_blur"]
    assert set(study.measured["route"]) == {"ladder_blur"}
    assert set(study.diverged) == {"MLP-800"}


def test_rows_come_family_by_family(full):
    families = full.routes["family"].tolist()
    assert list(dict.fromkeys(families)) == [
        "none",
        "features",
        "structure",
        "training",
        "combined",
    ]
    assert len(families) == 16


def test_a_number_swept_inside_a_route_makes_rows_of_their_own(builders, tmp_path):
    rows = [
        builders["row"](label="net", accuracy=0.9 + strength / 100, seed=seed)
        | {"augment_strength": strength}
        for strength in (0.5, 1.0)
        for seed in range(3)
    ]
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    assert study.entries == ["net · strength 0.5", "net · strength 1"]
    np.testing.assert_allclose(study.routes["accuracy"], [0.905, 0.91])


def test_a_learning_rate_chosen_by_validation_does_not(builders, tmp_path):
    rows = [
        builders["row"](label="net", accuracy=0.9, seed=seed) | {"learning_rate": rate}
        for seed, rate in enumerate((1e-3, 3e-3, 1e-3))
    ]
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    assert study.entries == ["net"]
    assert study.routes["seeds"].tolist() == [3]


def test_a_learning_rate_chosen_for_each_strength_and_size_does_not_either(builders, tmp_path):
    chosen = {(0.5, 100): 6e-3, (0.5, 1079): 1e-3, (2.0, 100): 1e-3, (2.0, 1079): 6e-3}
    rows = [
        builders["row"](label="net", accuracy=0.9, seed=seed, train_size=size)
        | {"augment_strength": strength, "learning_rate": rate}
        for (strength, size), rate in chosen.items()
        for seed in range(3)
    ]
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    assert study.entries == ["net · strength 0.5", "net · strength 2"]
    assert study.routes["train_size"].tolist() == [1079, 1079]


def test_strengths_stand_in_order_whichever_rate_validation_chose(builders, tmp_path):
    rows = [
        {
            **builders["row"](label="MLP", family="training", accuracy=0.9, seed=seed),
            "augment_strength": strength,
            "learning_rate": rate,
        }
        for rate, strengths in ((1e-3, (0.5, 2.0)), (6e-3, (1.0,)))
        for strength in strengths
        for seed in range(2)
    ]
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    assert study.entries == [f"MLP · strength {strength}" for strength in ("0.5", "1", "2")]


def test_one_label_on_two_data_sets_makes_two_rows(builders, tmp_path):
    study = reading.read(builders["signals"](tmp_path))
    assert len(study.entries) == len(set(study.entries)) == 6
    assert "CNN · mnist1d_shuffled" in study.entries


def test_a_sweep_without_routes_is_named_after_its_models(builders, tmp_path):
    rows = [
        builders["row"](label="", route="", accuracy=0.9, seed=seed) | {"model": model}
        for model in ("linear", "lenet5")
        for seed in range(2)
    ]
    study = reading.read(builders["save"](tmp_path, pd.DataFrame(rows)))
    assert study.entries == ["linear", "lenet5"]


def test_an_empty_folder_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match=r"expected results\.parquet"):
        reading.read(tmp_path)
