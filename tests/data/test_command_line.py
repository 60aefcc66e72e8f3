import subprocess
import sys

import pytest

from cnnjax.data.__main__ import main


def test_prepare_then_list_and_describe(fakes, mnist_folder, tmp_path, capsys):
    out = f"--data_dir={tmp_path / 'out'}"
    assert main(["prepare", "mnist", f"--manual_dir={mnist_folder}", out]) == 0
    assert str(tmp_path / "out" / "mnist" / "3.0.1") in capsys.readouterr().out
    assert main(["list", out]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["mnist"] == str(tmp_path / "out" / "mnist" / "3.0.1")
    assert lines["digits"] == "generated"
    assert lines["fashion_mnist"] == "not found"
    assert main(["describe", "mnist", out]) == 0
    assert "54×28×28×1 uint8" in capsys.readouterr().out


def test_list_shows_other_sets_and_what_is_wrong(
    write_prepared, write_idx, fakes, lock, pictures, tmp_path, capsys
):
    root = write_prepared("tiny", {"train": pictures(9)})
    write_idx(root / "own", fakes["mnist"])
    (root / "mnist").write_text("")
    for name in ("locked", "lost+found", "nothing"):
        (root / name).mkdir()
    lock(root / "locked")
    lock(root / "lost+found")
    assert main(["list", f"--data_dir={root}"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["tiny"] == str(root / "tiny" / "1.0.0")
    assert lines["own"] == str(root / "own")
    assert lines["mnist"].startswith("unusable: ")
    assert lines["locked"].startswith(f"unusable: {root}/locked/")
    assert not {"lost+found", "nothing"} & set(lines)


def test_describe_reads_a_users_own_set(write_idx, fakes, tmp_path, capsys):
    folder = write_idx(tmp_path / "own", fakes["mnist"])
    assert main(["describe", "own", f"--data_dir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"own: 10 classes, idx files in {folder}\n")
    assert "54×28×28×1 uint8, 5 to 6 of each class" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["describe", "mnits"],
        ["describe", "mnist"],
        ["prepare", "mnist", "--manual_dir=/nowhere/at/all"],
        ["list", "--data_dir=/nowhere/at/all"],
        ["list", "--data_dir=~nosuchuser/x"],
        ["list", "--manual_dir=/tmp"],
        ["describe", "mnist/x"],
        ["prepare", "mnist", "--manual_dri=/tmp"],
        ["prepare"],
        ["prepar", "mnist"],
        [],
    ],
)
def test_mistakes_are_one_line_and_status_two(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "mnist", "--manual_dri=/tmp"], "did you mean --manual_dir?"),
        (["list", f"--data_dri=/{'long/' * 20}"], "did you mean --data_dir?"),
        (["list", "--manual_dir=/tmp"], "--manual_dir is an argument of `prepare`."),
        (["describe", "mnist", "--manual_dri=/tmp"], "--manual_dir is an argument of `prepare`."),
        (["list", "--quickly"], "`python -m cnnjax.data --help` shows the commands."),
    ],
)
def test_unknown_flags_are_told_what_there_is(arguments, message, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith(f"takes no such argument; {message}\n")


def test_the_command_runs_and_imports_nothing_heavy():
    heavy = ("jax", "tensorflow", "tensorflow_datasets", "sklearn", "mnist1d", "matplotlib", "PIL")
    program = f"import sys, cnnjax.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"
    command = [sys.executable, "-m", "cnnjax.data", "describe", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: dataset='nothing'")
