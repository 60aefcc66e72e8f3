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


def test_list_shows_other_prepared_sets_and_what_is_wrong(
    write_prepared, pictures, tmp_path, capsys
):
    root = write_prepared("tiny", {"train": pictures(9)})
    (root / "mnist").write_text("")
    assert main(["list", f"--data_dir={root}"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["tiny"] == str(root / "tiny" / "1.0.0")
    assert lines["mnist"].startswith("unusable: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["describe", "mnits"],
        ["describe", "mnist"],
        ["prepare", "mnist", "--manual_dir=/nowhere/at/all"],
        ["list", "--data_dir=/nowhere/at/all"],
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


def test_a_misspelt_flag_is_told_its_neighbour(capsys):
    assert main(["prepare", "mnist", "--manual_dri=/tmp"]) == 2
    assert "did you mean --manual_dir?" in capsys.readouterr().err


def test_the_command_runs_and_imports_nothing_heavy():
    heavy = ("jax", "tensorflow", "tensorflow_datasets", "sklearn", "mnist1d", "matplotlib", "PIL")
    program = f"import sys, cnnjax.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"
    command = [sys.executable, "-m", "cnnjax.data", "describe", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: dataset='nothing'")
