"""The whole tree passes its linter and its formatter, the program its type checker."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join
)
def test_the_tree_is_clean(command):
    told = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_nothing_else_stands_at_the_top():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    tops = {path.split("/")[0] for path in tracked.stdout.splitlines()}
    allowed = {"LICENSE", "constraints.txt", "CHANGELOG.md", "pyproject.toml", "README.md"}
    allowed |= {"cnnjax", "experiments", "tests", "launch.py"}
    assert {top for top in tops if not top.startswith(".")} <= allowed
