"""The README and the program agree.

- "Quick start" holds exactly two `sh` blocks of one line each: the first ends in launch.py without
  arguments, the second in pytest with the test extra; .ci/run holds the second as it stands.
- The Python that it shows runs, on made-up images and results.
- Every `python launch.py …`, every `--flag` and every `python -m cnnjax.…` that the README shows,
  in a block or in a line, is one that the program knows; so is every experiment and every extra.

Words in capitals (NAME, DIR, FILE, x.y) stand for something and are not looked up.
"""

import collections
import importlib.util
import inspect
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cnnjax import augment, data, ops, platform, results, trained
from cnnjax.augment.composed import OPERATIONS

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()

SPEC = importlib.util.spec_from_file_location("launch", ROOT / "launch.py")
assert SPEC is not None
assert SPEC.loader is not None
launch = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(launch)


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a text: language and content."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {title!r}"
    return found[1]


def lines() -> Iterator[str]:
    """Every line of code that the README shows, in blocks and in the text."""
    for _, content in blocks(README):
        yield from content.replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", prose)


def commands(start: str) -> list[list[str]]:
    """The words behind `start` wherever it is called, up to the end of the command."""
    found = []
    for line in lines():
        for part in re.split(r"&&|\|\||[|;](?=\s)", line):
            if match := re.search(rf"(?:^|[\s/]){start}(?=\s|$)(.*)", part):
                words = shlex.split(match[1], comments=True)
                found.append([word for word in words if word != "…"])
    return found


QUICK = [content for language, content in blocks(section("Quick start")) if language == "sh"]
LAUNCHES = commands(r"launch\.py")
MODULES = [
    (match[1], shlex.split(match[2], comments=True))
    for line in lines()
    if (match := re.search(r"-m (cnnjax[\w.]*)(.*)", line))
]


def test_quick_start_is_two_commands():
    assert len(QUICK) == len(blocks(section("Quick start"))) == 2
    for command in QUICK:
        assert command.count("\n") == 1, "one line each"
    study, tests = (command.strip() for command in QUICK)
    assert re.search(r"python3? launch\.py$", study), "the first runs the study, without arguments"
    assert re.search(r"(?:^|[\s/])pytest$", tests), "the second runs the tests"
    assert re.search(r"\[test\]", tests), "the second installs what the tests need"


@pytest.mark.parametrize("command", QUICK)
def test_quick_start_needs_nothing_but_python_pip_and_git(command):
    programs = [shlex.split(part)[0] for part in command.split("&&")]
    for program in programs:
        assert re.fullmatch(r"git|cd|(python3?|pip3?|\S*/bin/(python3?|pip3?|pytest))", program)
    assert re.search(r"-c constraints\.txt", command), "the pins are used"
    assert (ROOT / "constraints.txt").is_file()


def test_continuous_integration_runs_the_second_command_as_it_stands():
    assert QUICK[1].strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readme_shows_launches():
    assert [] in LAUNCHES
    assert any(words for words in LAUNCHES)


@pytest.mark.parametrize("words", LAUNCHES, ids=" ".join)
def test_every_launch_is_one_that_the_program_takes(words, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(platform, "configure", lambda: None)
    words = [word for word in words if not re.search(r"\.x\.y|=…", word)]
    words = ["--list" if "FILE" in word else word for word in words]
    if {"--help", "--helpfull", "--list"} & set(words):
        assert launch.main(["launch.py", *words]) == 0
        return
    _, config = launch.parse(["launch.py", *words])
    groups = launch.sweep.group(launch.sweep.expand(config))
    assert groups
    # Larger studies, and those whose data may not be there, are only read.
    if len(groups) <= 3 and config.dataset.name in ("digits", "mnist1d", "mnist1d_shuffled"):
        assert launch.main(["launch.py", *words, "--dry_run"]) == 0, capsys.readouterr().err


def test_every_flag_is_one_of_some_program():
    known = {f"--{name}" for name in launch.define(launch.configs.default(), [])}
    known |= {"--help", "--helpfull"}
    for module in {module for module, _ in MODULES}:
        known |= set(re.findall(r"--\w+", _help(module))) | _options_below(module)
    for line in lines():
        if re.search(r"\b(pip|git|pytest|apt|apt-get|docker|venv|ruff|mypy|speed\.py)\b", line):
            continue
        for flag in re.findall(r"(?<![\w-])--[a-zA-Z][\w.-]*", line):
            if flag.startswith("--config."):
                field = flag.removeprefix("--config.")
                if field != "x.y":
                    launch.configs.check_name(field)
            else:
                assert flag in known, f"{flag} in {line!r}"


@pytest.mark.parametrize(("module", "words"), MODULES)
def test_every_module_is_one_that_can_be_run(module, words):
    text = _help(module, *(word for word in words[:1] if word.islower() and word[0] != "-"))
    for word in words[1:]:
        if word.startswith("--"):
            assert word.partition("=")[0] in text


@pytest.mark.parametrize("path", sorted(set(re.findall(r"experiments/[a-z]\w*\.py", README))))
def test_every_experiment_exists(path):
    assert (ROOT / path).is_file()


def python_of(title: str) -> list[str]:
    return [content for language, content in blocks(section(title)) if language == "python"]


def made_up() -> dict:
    images = np.random.default_rng(0).random((4, 16, 12, 3)).astype(np.float32)
    return {
        "augment": augment,
        "ops": ops,
        "key": jax.random.key(0),
        "image": images[0],
        "images": images,
        "labels": np.arange(4),
        "jax": jax,
        "boxes": np.tile(np.array([[4.0, 3, 10, 9], [14, 10, 20, 20]]), (4, 1, 1)),
        "strength": 1.0,
    }


def test_pictures_in_folders_are_prepared_as_shown(tmp_path, monkeypatch):
    (code,) = python_of("Data")
    draws = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 2)):
        for label in ("ash", "elm"):
            folder = tmp_path / "PICTURES" / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draws.integers(0, 256, (9, 7, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "leaves"})
    leaves = data.load("leaves", "DIR")
    assert leaves.class_names == ("ash", "elm")
    assert leaves.test.images.shape == (4, 9, 7, 3)
    assert len(leaves.train.labels) + len(leaves.validation.labels) == 12


def test_the_distortions_run():
    (code,), names = python_of("Distortions"), made_up()
    images = names["images"]
    exec(code, names)
    for before, after in ((images[0], names["turned"]), (images, names["images"])):
        assert after.shape == before.shape
        assert not np.allclose(after, before, atol=0.1)
        assert 0 <= np.min(after) <= np.max(after) <= 1


def test_the_library_is_used_as_shown(tmp_path, monkeypatch, capsys):
    training, moving, reading, using = python_of("As a library")
    names = {"__name__": "shown"}
    exec(training, names)
    assert names["curves"][0].accuracy > 0.9
    assert "0.9" in capsys.readouterr().out

    names = made_up()
    exec(moving, names)
    assert names["images"].shape == made_up()["images"].shape
    assert names["boxes"].shape == (4, 2, 4)
    assert not np.allclose(names["boxes"][:, 0], made_up()["boxes"][:, 0], atol=0.5)
    assert names["boxes"].max() <= 16
    np.testing.assert_array_equal(names["valid"], [[True, False]] * 4)

    columns = {"transformation": "none", "magnitude": 0.0, "status": "done", "label": "MLP"}
    columns |= {"augment_strength": 1.0, "chosen": True, "initial": False}
    sizes = ({"train_size": 300, "accuracy": 0.5}, {"train_size": 100, "accuracy": 0.3})
    rows = pd.DataFrame([columns | size for size in sizes])
    assert set(rows.columns) <= set(results.SCHEMA)
    path = tmp_path / "runs" / "invariance" / "results.parquet"
    path.parent.mkdir(parents=True)
    rows.to_parquet(path)
    monkeypatch.chdir(tmp_path)
    exec(reading, {})
    assert "0.5" in capsys.readouterr().out

    def load(workdir, **run):
        inspect.signature(trained.load).bind(workdir, **run)
        assert (tmp_path / workdir).is_dir()
        always_second = lambda variables, images: jnp.eye(2)[jnp.ones(len(images), int)]  # noqa: E731
        return trained.Network("", always_second, {}, ("no", "yes"))

    monkeypatch.setattr(trained, "load", load)
    exec(using, made_up())
    assert capsys.readouterr().out.split() == ["['yes',", "'yes',", "'yes',", "'yes']"]


def test_every_experiment_is_named():
    names = [f"experiments/{path.name}" for path in (ROOT / "experiments").glob("*.py")]
    missing = [name for name in names if name not in README]
    assert not missing, "to be named under Studies in README.md"


def test_the_catalogue_is_counted():
    words = {6: "six", 41: "forty-one"}
    counts = collections.Counter(
        list(inspect.signature(operation).parameters)[1] for operation in OPERATIONS.values()
    )
    told = f"{words[counts['image']]} operations on images"
    assert told in README, f"README.md and CHANGELOG.md: {counts}"
    assert f"{words[counts['signal']]} on signals" in README
    assert told in (ROOT / "CHANGELOG.md").read_text()


def test_every_extra_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    shown = re.findall(r"(?:\.|cnnjax)\[([a-z, ]+)\]", README)
    assert shown
    for names in shown:
        assert {name.strip() for name in names.split(",")} <= extras


def test_every_link_into_the_repository_leads_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README):
        assert (ROOT / target).exists(), target


def _help(module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words, "--help"], capture_output=True, text=True, check=True
    )
    return done.stdout


def _options_below(module: str) -> set[str]:
    """The options of a module's subcommands, as far as the README shows them."""
    shown = {words[0] for name, words in MODULES if name == module and words}
    texts = [_help(module, word) for word in shown if word.islower() and word[0] != "-"]
    return {flag for text in texts for flag in re.findall(r"--\w+", text)}
