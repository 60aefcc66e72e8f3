"""The scripts that time and draw, made small: each still works and says what it ought to."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest
from absl import flags
from PIL import Image

EXPERIMENTS = pathlib.Path(__file__).resolve().parents[1] / "experiments"


def loaded(name):
    """The script as a module; its flags are taken back, for two scripts share some names."""
    before = set(flags.FLAGS)
    spec = importlib.util.spec_from_file_location(f"script_{name}", EXPERIMENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for flag in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, flag)
    return module


@pytest.fixture(scope="module")
def speed():
    return loaded("speed")


@pytest.fixture(scope="module")
def augment_speed():
    return loaded("augment_speed")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("against_flax", ["epoch in a loop, batch 8", "one step, batch 8", "one step, batch 16"]),
        ("members", ["four members in one program"]),
    ],
)
def test_the_training_step_is_told_as_a_ratio(speed, monkeypatch, capsys, part, expected):
    monkeypatch.setattr(speed, "EPOCH_STEPS", 1)
    monkeypatch.setattr(speed, "IMAGES", 64)
    monkeypatch.setattr(speed, "BATCHES", (8, 16))
    monkeypatch.setattr(speed, "repeated", lambda call, times: call)
    speed.pictures.cache_clear()
    getattr(speed, part)(1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected, strict=True):
        assert words in line
        assert "×" in line


def test_ratios_of_operations_are_medians_of_ours_to_each_peers_of_the_same_type(augment_speed):
    found = {
        "rotate": {
            32: {
                "cnnjax": [100.0, 300.0, 200.0],
                "cnnjax uint8": [50.0, 50.0, 50.0],
                "kornia": [50.0, 100.0, 40.0],  # 2, 3 and 5
                "albumentations uint8": [100.0, 200.0, 400.0],  # 0.5, 0.25 and 0.125
            },
            224: {"cnnjax": [10.0], "kornia": [1.25]},
        },
        "gain": {32: {"cnnjax": [7.0]}, 224: {"cnnjax": [3000.0]}},
    }
    lines = augment_speed.tables(found, ["kornia", "albumentations uint8"]).splitlines()
    assert lines[2] == "| rotate | 200 | 10 | 50 | – | 3 / 8 | 0.25 |"
    assert lines[3] == "| gain | 7 | 3,000 | – | – | – | – |"
    told = "behind albumentations uint8: rotate, 32×32, 0.25 (0.12–0.50)"
    assert [line for line in lines if line.startswith("behind")] == [told]


def test_operations_are_timed_in_processes_of_their_own(tmp_path):
    script = [sys.executable, EXPERIMENTS / "augment_speed.py", "--rounds=1", f"--out={tmp_path}"]
    done = subprocess.run([*script, "--only=gain,invert"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in (tmp_path / "rounds.csv").read_text().splitlines()[1:]]
    ours = [row[:3] for row in rows if row[2].startswith("cnnjax")]
    assert ours == [
        [name, side, library]
        for name, libraries in (("invert", ["cnnjax", "cnnjax uint8"]), ("gain", ["cnnjax"]))
        for side in ("32", "224")
        for library in libraries
    ]
    assert all(float(row[3]) > 0 for row in rows)
    assert (tmp_path / "table.md").read_text() in done.stdout

    wrong = subprocess.run([*script, "--only=invret"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "invret" in wrong.stderr


def test_the_gallery_is_drawn(tmp_path, monkeypatch):
    gallery = loaded("augment_gallery")
    shown = ({"geometry": {"rotate": {"degrees": 30.0}, "crop": {}}}, {"colour": {"invert": {}}})
    monkeypatch.setattr(gallery, "GROUPS", shown)
    monkeypatch.setattr(gallery, "SCENES", 2)
    for name, image in gallery.pictures().items():
        gallery.draw(image, tmp_path / f"{name}.jpg")
    gallery.draw_scenes(tmp_path / "augment_gallery_scenes.jpg")
    committed = sorted(path.name for path in EXPERIMENTS.glob("augment_gallery*.jpg"))
    assert sorted(path.name for path in tmp_path.iterdir()) == committed
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 100
            assert all(low < 100 and high > 200 for low, high in picture.getextrema())
