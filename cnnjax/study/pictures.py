"""The arrays behind a report's pictures: misread examples, kernels and feature maps."""

import pathlib
from collections.abc import Sequence
from typing import Any

import flax.traverse_util
import numpy as np

from cnnjax import files, models, ops, results
from cnnjax.results import summaries
from cnnjax.study.evaluation import foreign, restored
from cnnjax.study.planning import Plan


def save(plans: Sequence[Plan], workdir: pathlib.Path) -> None:
    """Writes pictures.npz: what the report shows beside its numbers.

    It holds every test image or signal of one data set that a chosen member misread (`error_index`,
    `error_images`; `error_groups` names the groups that were tested on it), what the classes are
    called (`class_names`), and of the best convolutional network its name (`network`), kernels
    (`kernel__NN__layer`), one input and the feature maps that it makes of it (`map__NN__layer`).

    Args:
      plans: The launch's groups, all of them trained.
      workdir: The launch's folder, with its tables and checkpoints.
    """
    arrays: dict[str, np.ndarray] = {}
    plans = [plan for plan in plans if plan.dataset.test.images.ndim in (3, 4)]
    best = _best_convolutional(plans, workdir)
    if best is not None:
        arrays |= _inside(*best, workdir)
    if plans:
        shown = best[0] if best else plans[0]
        dataset = shown.dataset
        # By name: networks with canvases of different sizes are tested on the same images.
        groups = [plan.group.name for plan in plans if _measured_on(plan) == _measured_on(shown)]
        guesses = results.read(workdir / "predictions.parquet")
        guesses = guesses[guesses["group"].isin(groups)]
        wrong = np.unique(guesses.loc[guesses["first"] != guesses["truth"], "index"])
        arrays |= {
            "error_index": wrong,
            "error_images": dataset.test.images[wrong],
            "error_groups": np.array(groups),
            "class_names": np.array(dataset.class_names),
        }
    with files.replacing(workdir / "pictures.npz") as path, path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _measured_on(plan: Plan) -> str:
    return foreign(plan.group.config) or plan.dataset.name


def _best_convolutional(
    plans: Sequence[Plan], workdir: pathlib.Path
) -> tuple[Plan, int, str] | None:
    """The group, the member in it and the label of the network whose inside is shown.

    The route with the best mean over seeds, and of its seeds the median one. Validation says which
    is best. Where it was trained on, the test set does, as in the report's `Study.judge`: this
    picks a picture, not a result.
    """
    table = results.read(workdir / "results.parquet")
    # Before the chosen are taken: who diverged at its full size does not stand in by a smaller one.
    table = table[summaries.at_full_size(table)]
    table = table[table["chosen"] & ~table["initial"] & (table["transformation"] == "none")]
    judged = table["validation_accuracy"].notna().all()
    by = "validation_accuracy" if judged else "accuracy"
    convolutional = {plan.group.name: plan for plan in plans if _convolutions(plan)}
    table = table[table["group"].isin(convolutional)]
    if table.empty:
        return None
    means = table.groupby(list(results.CELL), sort=False, dropna=False)[by].mean()
    best = table.set_index(list(results.CELL)).loc[[means.idxmax()]]  # of equals the first that ran
    best = best.reset_index().sort_values(by, ascending=False, kind="stable")
    row = best.iloc[(len(best) - 1) // 2]  # of an even number, the better of the two in the middle
    seed = f", seed {row['seed']}" if len(best) > 1 else ""
    return convolutional[row["group"]], int(row["member"]), f"{row['label']}{seed}"


def _inside(plan: Plan, index: int, label: str, workdir: pathlib.Path) -> dict[str, np.ndarray]:
    variables = restored(plan, index, workdir)
    if variables is None:
        return {}  # what was measured stands in the tables; only this picture needs the weights
    image = plan.dataset.test.images[:1]
    maps = models.feature_maps(plan.module, variables, plan.recipe.door(ops.unit(image)))
    spatial = [(layer, each[0]) for layer, each in maps.items() if each.ndim == image.ndim]
    return (
        {"network": np.array(label), "input": image[0]}
        | {
            f"kernel__{place:02d}__{layer}": np.asarray(kernel)
            for place, (layer, kernel) in enumerate(_kernels(plan, variables["params"]).items())
        }
        | {
            f"map__{place:02d}__{layer.replace('/', '.')}": np.asarray(each)
            for place, (layer, each) in enumerate(spatial)
        }
    )


def _convolutions(plan: Plan) -> list[str]:
    """The layers whose kernels all positions share.

    Weights that every position has of its own are no kernels, whatever their shape.
    """
    return [
        row.layer
        for row in plan.summary.rows
        if row.kind in ("Conv", "SparseConv") and len(row.output_shape) > 1
    ]


def _kernels(plan: Plan, params: Any) -> dict[str, Any]:
    """One member's shared kernels, (*window, in, out), by layer."""
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    # A layer that is used again stands under another name there, and has no kernel of its own.
    kernels = {
        layer: flat[f"{layer}/kernel"] for layer in _convolutions(plan) if f"{layer}/kernel" in flat
    }
    axes = plan.dataset.test.images.ndim
    return {
        # A sparse layer has a kernel of one window for each connection.
        layer.replace("/", "."): kernel if kernel.ndim == axes else kernel[..., None, :]
        for layer, kernel in kernels.items()
    }
