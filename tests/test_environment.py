"""What is told of the machine, the code and the data of a launch."""

import importlib.metadata
import pathlib
import re
import shutil
import subprocess
import tomllib

import pytest

from cnnjax import environment
from cnnjax.errors import UserError


def test_the_versions_of_all_dependencies_are_told():
    project = tomllib.loads((pathlib.Path(__file__).parents[1] / "pyproject.toml").read_text())
    names = [re.split(r"[ ;<>=!~\[]", each)[0] for each in project["project"]["dependencies"]]
    told = environment.describe()["versions"]
    assert set(told) == set(names)
    assert all(told.values())
    assert told["orbax-checkpoint"] == importlib.metadata.version("orbax-checkpoint")


def test_the_environment_is_told():
    told = environment.describe(command=["launch.py", "--dry_run"])
    assert told["command"] == ["python", "launch.py", "--dry_run"]
    assert len(told["devices"]) == 2  # tests run on two
    assert told["cores"] >= 1
    assert told["python"]
    assert told["cpu"]


def git(folder, *words):
    who = ("-c", "user.name=A", "-c", "user.email=a@b")
    asked = ["git", "-C", str(folder), *who, *words]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def test_the_commit_of_this_checkout_is_told():
    here = pathlib.Path(__file__).parents[1]
    if not (here / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    told = environment.describe()["git_commit"]
    assert told == git(here, "log", "-1", "--format=%H")
    assert re.fullmatch("[0-9a-f]{40}", told)


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_a_commit_is_told_of_tracked_files_only_and_changes_with_it(tmp_path, monkeypatch):
    file = tmp_path / "environment.py"
    file.write_text("1")
    monkeypatch.setattr(environment, "__file__", str(file))

    def told():
        return {name: environment.describe()[name] for name in ("git_commit", "git_dirty")}

    unknown = {"git_commit": None, "git_dirty": None}
    assert told() == unknown
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "commit", "--allow-empty", "--message=somebody else's")
    assert told() == unknown, "an installed copy in another's checkout"
    git(tmp_path, "add", "environment.py")
    git(tmp_path, "commit", "--message=ours")
    commit = (tmp_path / ".git" / "refs" / "heads" / "main").read_text().strip()
    assert told() == {"git_commit": commit, "git_dirty": False}
    file.write_text("2")
    assert told() == {"git_commit": commit, "git_dirty": True}


def test_every_environment_that_gave_results_is_remembered(tmp_path):
    path = tmp_path / "environment.json"
    assert environment.read(path) == []
    environment.remember(path, command=["launch.py", "--x"])
    environment.remember(path, command=["launch.py", "--y"])
    commands = [each["command"] for each in environment.read(path)]
    assert commands == [["python", "launch.py", "--x"], ["python", "launch.py", "--y"]]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe"])
def test_a_corrupt_environment_is_told_in_one_line(tmp_path, content):
    (tmp_path / "environment.json").write_bytes(content)
    with pytest.raises(UserError, match=r"environment\.json: is corrupt; delete it$"):
        environment.read(tmp_path / "environment.json")


def test_an_edit_of_the_code_changes_its_fingerprint(tmp_path, monkeypatch):
    assert environment.describe()["code"] == environment.code() == environment.code()
    (tmp_path / "ops").mkdir()
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    seen = {environment.code()}
    for content in ("1", "2"):
        (tmp_path / "ops" / "new.py").write_text(content)
        seen.add(environment.code())
    (tmp_path / "ops" / "new.py").rename(tmp_path / "new.py")
    seen.add(environment.code())
    (tmp_path / "notes.txt").write_text("no code")
    assert environment.code() in seen
    assert len(seen) == 4
