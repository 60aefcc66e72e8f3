"""A workdir belongs to one launch at a time and to one configuration."""

import json
import subprocess
import sys

import pytest

from cnnjax import config as configs
from cnnjax import files, results, workdir
from cnnjax.errors import UserError

CONFIG = configs.unflatten({"steps": 10, "title": "A study"})


def test_it_holds_the_configuration(tmp_path):
    with workdir.claim(tmp_path / "deep" / "down", CONFIG) as folder:
        assert folder == tmp_path / "deep" / "down"
        assert json.loads((folder / "config.json").read_text())["title"] == "A study"


def test_a_second_launch_keeps_out(tmp_path):
    with (
        workdir.claim(tmp_path, CONFIG),
        pytest.raises(UserError, match=r"another launch is running there"),
        workdir.claim(tmp_path, CONFIG),
    ):
        raise AssertionError("unreachable")
    with workdir.claim(tmp_path, CONFIG):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    program = (
        "import fcntl, os, sys\n"
        f"lock = open({str(tmp_path / '.lock')!r}, 'a+')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another launch"), workdir.claim(tmp_path, CONFIG):
            raise AssertionError("unreachable")
        other.kill()
        other.wait()
        with workdir.claim(tmp_path, CONFIG):
            pass


def test_another_configuration_is_kept_out_and_other_words_are_not(tmp_path):
    with workdir.claim(tmp_path, CONFIG):
        pass
    reworded = configs.unflatten({"steps": 10, "title": "The study"})
    with workdir.claim(tmp_path, reworded):
        assert json.loads((tmp_path / "config.json").read_text())["title"] == "The study"
    other = configs.unflatten({"steps": 20})
    with (
        pytest.raises(UserError, match=r"\(steps=10 there, 20 here\); choose another --workdir$"),
        workdir.claim(tmp_path, other),
    ):
        raise AssertionError("unreachable")
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 10


def test_what_a_killed_launch_left_half_written_is_cleared(tmp_path):
    half = tmp_path / f"{files.TEMPORARY}abc.parquet"
    half.write_text("half")
    with workdir.claim(tmp_path, CONFIG):
        assert not half.exists()


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"', "null", b"\xff\xfe"])
def test_a_corrupt_configuration_is_told(tmp_path, content):
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "config.json").write_bytes(data)
    with (
        pytest.raises(UserError, match=r"config\.json: is corrupt"),
        workdir.claim(tmp_path, CONFIG),
    ):
        raise AssertionError("unreachable")


@pytest.mark.parametrize("name", results.SCHEMAS)
def test_a_corrupt_table_is_told_before_anything_is_trained(tmp_path, name):
    with workdir.claim(tmp_path, CONFIG):
        pass
    (tmp_path / f"{name}.parquet").write_bytes(b"garbage")
    with (
        pytest.raises(UserError, match=rf"{name}\.parquet: is not a readable table"),
        workdir.claim(tmp_path, CONFIG),
    ):
        raise AssertionError("unreachable")


def test_a_file_is_no_workdir(tmp_path):
    (tmp_path / "file").write_text("")
    for where in (tmp_path / "file", tmp_path / "file" / "below"):
        with (
            pytest.raises(UserError, match=r"--workdir=.*: cannot be used"),
            workdir.claim(where, CONFIG),
        ):
            raise AssertionError("unreachable")


@pytest.mark.parametrize("left", ["results.parquet", "checkpoints"])
def test_results_of_nobody_knows_what_are_not_taken_for_ours(tmp_path, left):
    (tmp_path / left).mkdir()
    told = rf"^--workdir={tmp_path}: holds {left} but no config\.json that says .*; choose another"
    with pytest.raises(UserError, match=told), workdir.claim(tmp_path, CONFIG):
        raise AssertionError("unreachable")
    assert not (tmp_path / "config.json").exists()
