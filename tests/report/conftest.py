"""Fabricated workdirs: what a launch leaves, with figures whose winners are known."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

TRANSFORMATIONS: dict[str, tuple[float, ...]] = {
    "translation": (1.0, 2.0, 3.0, 4.0, 6.0),
    "rotation": (10.0, 20.0, 30.0, 45.0, 60.0),
    "scale": (0.1, 0.2, 0.3, 0.4),
    "shear": (0.1, 0.2, 0.3, 0.4, 0.6),
    "noise": (0.1, 0.2, 0.3, 0.5),
}

# route: label, family, error untouched (fraction), how fast accuracy falls, parameters,
# multiply–accumulates, seconds, consistency under shifts at initialisation.
ROUTES: dict[str, tuple[str, str, float, float, int, int, float, float]] = {
    "mlp": ("MLP-800", "none", 0.045, 1.00, 636_010, 635_200, 6.1, 0.42),
    "deskew_mlp": ("deskew + MLP-800", "features", 0.034, 0.80, 636_010, 635_200, 6.4, 0.45),
    "hog_linear": ("HOG + linear", "features", 0.037, 0.85, 12_970, 12_960, 1.2, 0.50),
    "ladder_dense": ("dense", "structure", 0.046, 1.00, 61_010, 60_900, 3.0, 0.41),
    "ladder_local": ("locally connected", "structure", 0.040, 0.95, 61_400, 90_000, 4.2, 0.48),
    "ladder_conv": ("convolution", "structure", 0.034, 0.85, 61_100, 812_000, 7.7, 0.52),
    "ladder_pool": (
        "convolution + max pooling",
        "structure",
        0.026,
        0.66,
        60_800,
        640_000,
        8.8,
        0.61,
    ),
    "ladder_blur": (
        "convolution + blur pooling",
        "structure",
        0.025,
        0.58,
        60_800,
        690_000,
        9.9,
        0.66,
    ),
    "ladder_gap": (
        "convolution + global average",
        "structure",
        0.032,
        0.35,
        60_100,
        990_000,
        12.2,
        0.83,
    ),
    "mlp_affine": ("MLP-800, affine × 1", "training", 0.024, 0.42, 636_010, 635_200, 13.9, 0.42),
    "mlp_strong": (
        "MLP-800, affine + elastic × 1.6",
        "training",
        0.022,
        0.34,
        636_010,
        635_200,
        15.0,
        0.42,
    ),
    "lenet_affine": ("LeNet-5, affine × 1", "training", 0.016, 0.30, 61_706, 416_520, 19.9, 0.60),
    "lenet_strong": (
        "LeNet-5, affine + elastic × 1.6",
        "training",
        0.018,
        0.24,
        61_706,
        416_520,
        21.0,
        0.60,
    ),
    "deskew_lenet": ("deskew + LeNet-5", "combined", 0.017, 0.55, 61_706, 416_520, 10.1, 0.59),
    "hog_mlp_affine": ("HOG + MLP, affine × 1", "combined", 0.023, 0.45, 40_010, 39_900, 9.0, 0.51),
    "gap_affine": (
        "global average, affine × 1",
        "combined",
        0.009,
        0.14,
        60_100,
        990_000,
        29.3,
        0.83,
    ),
}

COLUMNS = {
    "experiment": "invariance",
    "dataset": "digits",
    "split": "test",
    "train_on": "train",
    "canvas": 0,
    "normalise": "standard",
    "model": "lenet5_modern",
    "model_options": "{}",
    "features": "",
    "augment": "none",
    "augment_ranges": "{}",
    "batch_size": 128,
    "steps": 400,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "warmup": 0,
    "final": 0.0,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "label_smoothing": 0.0,
    "label_noise": 0.0,
    "augment_strength": 0.0,
    "images_per_second": 12_000.0,
    "status": "done",
    "chosen": True,
    "validation_accuracy": 0.97,
}


def row(**values: Any) -> dict[str, Any]:
    """Returns one row of results.parquet with every column of the schema."""
    given = {
        "seed": 0,
        "train_size": 1078,
        "parameters": 61_706,
        "multiply_accumulates": 416_520,
        "training_seconds": 10.0,
        "initial": False,
        "transformation": "none",
        "magnitude": 0.0,
        "examples": 360,
        "consistency": 1.0,
        **COLUMNS,
        **values,
    }
    given.setdefault("route", given.get("label", ""))
    given.setdefault("group", f"{given['route']}-0123abcd")
    given.setdefault("family", "none")
    given.setdefault("member", 0)
    given.setdefault("errors", (1.0 - given["accuracy"]) * given["examples"])
    return given


def full_results(
    seeds: int = 3,
    sizes: Sequence[int] = (100, 300, 1078),
    routes: Sequence[str] = tuple(ROUTES),
    transformations: Sequence[str] = tuple(TRANSFORMATIONS),
) -> pd.DataFrame:
    """Returns every route over seeds, training sizes, transformations and magnitudes."""
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for route in routes:
        label, family, error, fall, parameters, work, seconds, before = ROUTES[route]
        for size in sizes:
            for seed in range(seeds):
                base = min(0.9, error * (max(sizes) / size) ** 0.6)
                base *= 1 + 0.08 * generator.standard_normal()
                common = {
                    "route": route,
                    "label": label,
                    "family": family,
                    "seed": seed,
                    "train_size": size,
                    "parameters": parameters,
                    "multiply_accumulates": work,
                    "training_seconds": seconds * size / max(sizes) * generator.uniform(0.95, 1.05),
                    "group": f"{route}-{size}",
                }
                rows.append(row(**common, accuracy=1 - base, learning_rate=3e-3))
                rejected = row(**common, accuracy=np.nan, learning_rate=1e-3, chosen=False)
                rows.append({**rejected, "consistency": np.nan, "errors": np.nan})
                rows.append(row(**common, accuracy=0.1, consistency=1.0, initial=True))
                for name in transformations:
                    magnitudes = TRANSFORMATIONS[name]
                    easier = 0.45 if "deskew" in route and name in ("shear", "rotation") else 1.0
                    for level, magnitude in enumerate(magnitudes, 1):
                        strength = level / len(magnitudes)
                        lost = 0.8 * fall * easier * strength**1.6
                        lost = float(np.clip(lost + 0.01 * generator.standard_normal(), 0, 0.9))
                        accuracy = max(0.08, (1 - base) * (1 - lost))
                        agree = float(np.clip(accuracy + 0.02, 0, 1))
                        start = float(
                            np.clip(
                                1
                                - (1 - before) * 1.5 * strength
                                + 0.03 * generator.standard_normal(),
                                0.1,
                                1,
                            )
                        )
                        where = {"transformation": name, "magnitude": magnitude}
                        rows.append(row(**common, **where, accuracy=accuracy, consistency=agree))
                        rows.append(
                            row(**common, **where, accuracy=0.1, consistency=start, initial=True)
                        )
    diverged = row(
        route="mlp", label="MLP-800", family="none", seed=2, accuracy=np.nan, status="diverged"
    )
    rows.append({**diverged, "chosen": False, "learning_rate": 1.0, "errors": np.nan})
    return pd.DataFrame(rows)


def equivariance(seeds: int = 3) -> pd.DataFrame:
    """Returns the error of equivariance of every layer of five convolutional routes."""
    generator = np.random.default_rng(1)
    layers = ("conv1", "relu1", "pool1", "conv2", "relu2", "pool2")
    rows = []
    for route in ("ladder_local", "ladder_conv", "ladder_pool", "ladder_blur", "gap_affine"):
        label, family = ROUTES[route][:2]
        for seed in range(seeds):
            for initial in (True, False):
                for index, layer in enumerate(layers):
                    for name, magnitudes in (("translation", (1, 2, 4)), ("rotation", (90,))):
                        for magnitude in magnitudes:
                            error = 0.02 * (index + 1) * (1.5 if initial else 1.0)
                            error += 0.15 * (index >= 2 and magnitude % 2 == 1)
                            error += 0.5 * (name == "rotation")
                            rows.append(
                                {
                                    "group": f"{route}-1078",
                                    "route": route,
                                    "label": label,
                                    "family": family,
                                    "seed": seed,
                                    "initial": initial,
                                    "layer": layer,
                                    "layer_index": index,
                                    "transformation": name,
                                    "magnitude": float(magnitude),
                                    "error": error * generator.uniform(0.9, 1.1),
                                }
                            )
    return pd.DataFrame(rows)


def predictions(
    labels: Mapping[str, str], seeds: int, examples: int, rate: float = 0.03
) -> pd.DataFrame:
    """Returns two guesses an image; the last label given makes the fewest errors."""
    generator = np.random.default_rng(2)
    frames = []
    for position, (route, label) in enumerate(labels.items()):
        share = rate * (len(labels) - position) / len(labels)
        for seed in range(seeds):
            truth = np.arange(examples) % 10
            wrong = generator.uniform(size=examples) < share
            other = (truth + generator.integers(1, 10, size=examples)) % 10
            first = np.where(wrong, other, truth)
            second = np.where(wrong, truth, other)
            top = generator.uniform(0.5, 1.0, size=examples)
            frames.append(
                pd.DataFrame(
                    {
                        "group": f"{route}-1078",
                        "route": route,
                        "label": label,
                        "family": "none",
                        "seed": seed,
                        "index": np.arange(examples),
                        "truth": truth,
                        "first": first,
                        "first_probability": top,
                        "second": second,
                        "second_probability": (1 - top) * 0.8,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def heights(
    frame: pd.DataFrame, route: str, name: str, value: str, *, initial: bool = False
) -> pd.DataFrame:
    """Returns a route's curves at its full size: a row a seed, a column a magnitude from 0 on."""
    rows = frame[
        (frame["route"] == route)
        & (frame["train_size"] == frame["train_size"].max())
        & (frame["initial"] == initial)
        & frame["chosen"]
        & frame["transformation"].isin(["none", name])
    ]
    return rows.pivot_table(index="seed", columns="magnitude", values=value)


def along(curves: pd.DataFrame) -> np.ndarray:
    """Returns each curve's mean height by the trapezium rule."""
    at, height = curves.columns.to_numpy(float), curves.to_numpy(float)
    return (np.diff(at) * (height[:, 1:] + height[:, :-1]) / 2).sum(1) / at[-1]


def student(seeds: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and half width of Student's 95 % interval down the first axis."""
    values = np.asarray(seeds, float)
    return values.mean(0), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values, axis=0)


@functools.cache
def scans() -> Any:
    """Returns scikit-learn's scans of digits."""
    from sklearn.datasets import load_digits

    return load_digits()


def scan(digit: int, generator: np.random.Generator) -> np.ndarray:
    """Returns one of scikit-learn's scans of a digit, enlarged to 28×28×1."""
    from PIL import Image

    digits = scans()
    images = digits.images[digits.target == digit]
    picture = images[generator.integers(len(images))] * (255 / 16)
    large = Image.fromarray(picture.astype(np.uint8)).resize((20, 20), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(large), 4)[..., None]


def pictures(path: Path, frame: pd.DataFrame, network: str) -> None:
    """Writes pictures.npz for the errors of every member in `frame`."""
    generator = np.random.default_rng(3)
    wrong = frame[frame["first"] != frame["truth"]].drop_duplicates("index")
    images = np.stack([scan(int(digit), generator) for digit in wrong["truth"]])
    np.savez(
        path,
        error_index=wrong["index"].to_numpy(),
        error_images=images,
        error_groups=np.array(sorted(set(frame["group"]))),
        kernel__00__conv1=generator.normal(size=(5, 5, 1, 6)).astype(np.float32),
        kernel__01__conv2=generator.normal(size=(5, 5, 1, 16)).astype(np.float32),
        map__00__conv1=generator.uniform(size=(28, 28, 6)).astype(np.float32),
        map__01__pool1=generator.uniform(size=(14, 14, 6)).astype(np.float32),
        map__02__conv2=generator.normal(size=(10, 10, 16)).astype(np.float32),
        input=scan(3, generator).astype(np.float32) / 255,
        network=network,
    )


def table(path: Path, frame: pd.DataFrame) -> None:
    """Writes one of the launch's tables, with its columns in their order."""
    from cnnjax import results

    schema = results.SCHEMAS[path.stem]
    # A group's seeds share a number here: the page looks for nothing but the entry by it.
    frame = frame if "member" in frame else frame.assign(member=0)
    frame[list(schema)].astype(schema).to_parquet(path, index=False)


def save(
    workdir: Path,
    results: pd.DataFrame,
    *,
    config: Mapping[str, Any] | None = None,
    environment: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """Writes the files that every launch leaves."""
    workdir.mkdir(parents=True, exist_ok=True)
    table(workdir / "results.parquet", results)
    if config is not None:
        (workdir / "config.json").write_text(json.dumps(config))
    if environment is not None:
        (workdir / "environment.json").write_text(json.dumps(environment))
    return workdir


ENVIRONMENT = {
    "command": ["python", "launch.py", "--config=experiments/invariance.py:digits"],
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": False,
    "python": "3.11.2",
    "versions": {"jax": "0.10.2", "flax": "0.12.8", "numpy": "2.4.0"},
    "devices": ["TFRT_CPU_0"],
    "time": "2026-11-21T10:00:00+00:00",
}


def full(workdir: Path) -> Path:
    """Writes a workdir like the default study's."""
    save(
        workdir,
        full_results(),
        config={
            "title": "Which route to invariance pays?",
            "question": "On real handwritten digits, what do structure, training and feature "
            "extraction each buy against shifts, rotations, scalings and shears, "
            "and what does each cost?",
            "seed": 0,
            "dataset": {"name": "digits", "canvas": 28},
            "optimizer": {"name": "adamw", "learning_rate": 1e-3},
        },
        environment=[ENVIRONMENT],
    )
    table(workdir / "equivariance.parquet", equivariance())
    frame = predictions({key: value[0] for key, value in ROUTES.items()}, 3, 360, 0.05)
    table(workdir / "predictions.parquet", frame)
    pictures(workdir / "pictures.npz", frame, ROUTES["gap_affine"][0])
    return workdir


def small(workdir: Path) -> Path:
    """Writes a workdir with one route, one seed, one diverged member and nothing else."""
    frame = pd.DataFrame(
        [
            row(route="only", label="the only route", accuracy=0.95),
            {
                **row(route="only", label="the only route", accuracy=np.nan, status="diverged"),
                "chosen": False,
            },
        ]
    )
    return save(workdir, frame)


def published(workdir: Path, *, seeds: int = 3, examples: int = 10_000) -> Path:
    """Writes a workdir like mnist_errors': no transformations, published figures, many errors."""
    nets = {
        "lenet5": ("LeNet-5", "structure", 0.0083, 61_706),
        "mlp": ("MLP-800", "none", 0.0163, 636_010),
        "mlp_elastic": ("MLP-800, elastic", "training", 0.0054, 636_010),
        "ciresan5": ("Cireşan 2500-2000-1500-1000-500", "training", 0.0040, 12_115_010),
    }
    generator = np.random.default_rng(4)
    rows = [
        row(
            experiment="mnist_errors",
            dataset="mnist",
            route=route,
            label=label,
            family=family,
            seed=seed,
            train_size=60_000,
            examples=examples,
            parameters=parameters,
            multiply_accumulates=parameters,
            accuracy=1 - round(error * examples + generator.normal()) / examples,
            training_seconds=200.0,
        )
        for route, (label, family, error, parameters) in nets.items()
        for seed in range(seeds)
    ]
    save(
        workdir,
        pd.DataFrame(rows),
        config={
            "title": "MNIST, every error",
            "question": "How many of the 10,000 test digits does each network get wrong?",
            "published": [
                {"label": "LeNet-5", "error": 0.95, "source": "LeCun et al. 1998"},
                {"label": "MLP-800", "error": 1.6, "source": "Simard 2003"},
                {"label": "MLP-800, elastic", "accuracy": 99.3, "source": "Simard 2003"},
                {"label": "DanNet", "error": 0.35, "source": "IJCAI 2011"},
            ],
        },
        environment=[ENVIRONMENT],
    )
    frame = predictions(
        {key: value[0] for key, value in nets.items()}, seeds, examples, rate=0.0163
    )
    table(workdir / "predictions.parquet", frame)
    pictures(workdir / "pictures.npz", frame, "LeNet-5")
    return workdir


def signals(workdir: Path) -> Path:
    """Writes a workdir like mnist1d's: two data sets, three models each, no pictures."""
    accuracies = {"linear": (0.32, 0.32), "MLP": (0.68, 0.68), "CNN": (0.94, 0.56)}
    rows = [
        row(
            experiment="mnist1d",
            dataset=dataset,
            route=f"{dataset}-{label}",
            label=label,
            family="structure" if label == "CNN" else "none",
            model=label.lower(),
            seed=seed,
            train_size=4000,
            examples=1000,
            accuracy=accuracy[position] + 0.002 * seed,
        )
        for label, accuracy in accuracies.items()
        for position, dataset in enumerate(("mnist1d", "mnist1d_shuffled"))
        for seed in range(3)
    ]
    save(
        workdir,
        pd.DataFrame(rows),
        config={
            "title": "MNIST-1D",
            "question": "Does the published table come out again?",
            "published": [
                {"label": "CNN", "dataset": "mnist1d", "accuracy": 94, "source": "Greydanus"},
                {"label": "CNN", "dataset": "mnist1d_shuffled", "accuracy": 56, "source": "same"},
            ],
        },
    )
    return workdir


@pytest.fixture
def builders() -> dict[str, Callable[..., Any]]:
    """The builders by name, since test folders are not packages that can be imported from."""
    return {
        "row": row,
        "save": save,
        "full": full,
        "small": small,
        "published": published,
        "signals": signals,
        "full_results": full_results,
        "heights": heights,
        "along": along,
        "student": student,
    }


@pytest.fixture(scope="session")
def full_workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default study's workdir with its report written once for all who look at it."""
    from cnnjax import report

    workdir = full(tmp_path_factory.mktemp("full"))
    report.write(workdir)
    return workdir


@pytest.fixture(scope="session")
def full_frame(full_workdir: Path) -> pd.DataFrame:
    """The rows of that study as pandas reads them."""
    return pd.read_parquet(full_workdir / "results.parquet")
