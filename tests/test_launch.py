"""The command line, from the flags to the workdir."""

import errno
import gzip
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from cnnjax import config as configs
from cnnjax import platform, report, results, study
from cnnjax.data import idx
from cnnjax.data.known import FILES
from cnnjax.study import planning

ROOT = pathlib.Path(__file__).resolve().parents[1]

SPEC = importlib.util.spec_from_file_location("launch", ROOT / "launch.py")
assert SPEC is not None
assert SPEC.loader is not None
launch = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(launch)

EXPERIMENT = '''"""A small study, for tests."""

from cnnjax import config as configs
from cnnjax.errors import choose


def get_config(arg=None):
    config = configs.default()
    config.title = "Small"
    config.model.name = "linear"
    config.steps = 4
    config.batch_size = 16
    config.invariance.examples = 40
    config.invariance.transformations.rotation = (20.0,)
    config.sweep = "seed=0:2"
    arg = choose("small.py", arg or "plain", ("plain", "routes", "chosen"))
    if arg == "chosen":
        config.sweep = "optimizer.learning_rate=1e-3,1e-2"
        config.choose = ("optimizer.learning_rate",)
    if arg == "routes":
        config.routes.plain = {"label": "Plain", "family": "none"}
        config.routes.mlp = {"label": "MLP", "family": "none", "model": {"name": "mlp800"}}
    return config
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs in an empty folder, without what a launch sets for its process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platform, "configure", lambda: None)
    monkeypatch.delenv("CNNJAX_DATA_DIR", raising=False)
    (tmp_path / "small.py").write_text(EXPERIMENT)


@pytest.fixture
def calls(monkeypatch):
    """Stands in for training: notes what it is called with, leaves a table as a study does."""
    noted, asked, honest = [], {}, planning.plan_all

    def plan_all(groups, *, data_dir):
        asked.update(groups=groups, data_dir=data_dir)
        return honest(groups, data_dir=data_dir)

    def run(plans, config, *, workdir, command):
        noted.append(asked | {"config": config, "workdir": workdir, "command": command})
        results.append(workdir / "results.parquet", [])
        return workdir / "report.html"

    monkeypatch.setattr(planning, "plan_all", plan_all)
    monkeypatch.setattr(study, "run", run)
    return noted


def run(*words: str) -> int:
    return launch.main(["launch.py", *words])


def fields(call: dict) -> list[dict]:
    return [configs.flatten(m.config) for group in call["groups"] for m in group.members]


def test_help_loads_nothing_heavy():
    program = (
        "import sys, runpy\n"
        "sys.argv = ['launch.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'launch.py')!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'jax', 'flax', 'numpy', 'pandas', 'scipy', 'matplotlib', 'tensorflow', 'tqdm'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == ""
    assert "--dry_run" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("word", ["--help", "-h", "--helpshort", "--helpfull"])
def test_help_names_every_flag_and_needs_no_experiment(word, capsys):
    assert run("--config=missing.py", word) == 0
    out = capsys.readouterr().out
    for flag in ("config", "sweep", "workdir", "data_dir", "layout", "dry_run", "list"):
        assert f"  --{flag}: " in out
    assert ("--config.optimizer.learning_rate=0.001" in out) == (word == "--helpfull")
    assert ("--verbosity" in out) == (word == "--helpfull")


def test_list_shows_each_experiment_with_its_command(capsys):
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    for path in (ROOT / "experiments").glob("*.py"):
        assert any(line.startswith(f"{path.stem}: ") for line in lines)
        assert any(f"experiments/{path.name}" in line for line in lines)


def test_commands_in_the_list_are_accepted(capsys):
    run("--list")
    words = [line.split("(")[0].split() for line in capsys.readouterr().out.splitlines()]
    commands = [line[2:] for line in words if line[:2] == ["python", "launch.py"]]
    assert len(commands) >= 3
    for command in commands:
        placed = [word.replace("experiments/", f"{ROOT}/experiments/") for word in command]
        _, config = launch.parse(["launch.py", *placed])
        stems = {word.split("/")[-1].split(".")[0] for word in command if ".py" in word}
        assert config.name.split("-")[0] in (stems or {"invariance"})


def test_without_arguments_it_is_the_first_study_wherever_we_are(calls, tmp_path):
    assert run() == 0
    (call,) = calls
    assert call["config"].dataset.name == "digits"
    assert call["config"].name == "invariance"
    assert call["workdir"] == tmp_path / "runs" / "invariance"
    assert call["data_dir"] is None


def test_what_reaches_the_study(calls, tmp_path, capsys):
    words = ["--config=small.py:routes", "--sweep=seed=3:6;batch_size=8,32", "--layout=map"]
    assert run(*words, "--config.optimizer.learning_rate=0.5", "--data_dir=there") == 0
    (call,) = calls
    assert call["workdir"] == tmp_path / "runs" / "small-routes"
    assert call["data_dir"] == "there"
    assert call["config"].layout == "map"
    assert len(call["groups"]) == 4
    assert {member["seed"] for member in fields(call)} == {3, 4, 5}
    assert {member["optimizer.learning_rate"] for member in fields(call)} == {0.5}
    written = json.loads((call["workdir"] / "config.json").read_text())
    assert written == json.loads(configs.to_json(call["config"]))
    assert call["command"][1:3] == words[:2]
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {call['workdir'] / 'report.html'}"


def test_the_order_of_flags_does_not_matter(calls):
    for words in (
        ["--config.batch_size=7", "--config=small.py"],
        ["--config.batch_size", "7", "--config", "small.py"],
        [
            "--config=missing.py",
            "--config=small.py",
            "--config.batch_size=5",
            "--config.batch_size=7",
        ],
    ):
        assert run(*words, f"--workdir={len(calls)}") == 0
        assert {member["batch_size"] for member in fields(calls[-1])} == {7}


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("--config.features=deskew+hog", "features", ("deskew", "hog")),
        ("--config.features=none", "features", ()),
        ("--noconfig.invariance.initial", "invariance.initial", False),
        ("--config.invariance.initial=false", "invariance.initial", False),
        ("--config.epochs=2", "epochs", 2.0),
        ("--config.model.options.width=12", "model.options.width", 12),
        ("--config.invariance.transformations.shear=(0.1,0.2)", None, None),
    ],
)
def test_fields_on_the_command_line(calls, word, field, value):
    assert run("--config=small.py", "--config.model.name=mlp800", word) == 0
    if field:
        assert {member[field] for member in fields(calls[0])} == {value}


def test_operations_on_the_command_line(calls):
    words = [
        "--config.augment.name=sequence",
        "--config.augment.ranges.rotate.degrees=(0.0,2.0)",
        "--config.augment.ranges.jpeg={}",
        "--config.augment.ranges.cutout.fraction=0.3",
        "--config.augment.ranges.cutout.value=0.0",
    ]
    assert run("--config=small.py", *words) == 0
    ranges = calls[0]["config"].augment.ranges
    told = {"rotate": {"degrees": (0.0, 2.0)}, "jpeg": {}, "cutout": {"fraction": 0.3, "value": 0}}
    assert ranges.to_dict() == told
    assert list(ranges) == list(told)


def test_a_number_on_the_command_line_takes_the_place_of_a_pair_in_the_file(calls, tmp_path):
    ranges = "{'rotate': {'degrees': (0, 2), 'fill': 1.0}}"
    added = f"    config.augment.name = 'sequence'\n    config.augment.ranges = {ranges}\n"
    (tmp_path / "small.py").write_text(EXPERIMENT.replace("    return", f"{added}    return"))
    assert run("--config=small.py", "--config.augment.ranges.rotate.degrees=3") == 0
    found = calls[0]["config"].augment.ranges.to_dict()
    assert found == {"rotate": {"degrees": 3, "fill": 1.0}}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("rotat.degrees=3", "augment.ranges='rotat': did you mean 'rotate'? "),
        ("rotate.degree=3", "augment.ranges.rotate='degree': did you mean 'degrees'? "),
        ("rotate=3", "augment.ranges.rotate=3: expected its options, or {} for the defaults"),
        ("jpeg.quality=900", "augment.ranges.jpeg: quality=900: expected a number or a pair"),
    ],
)
def test_operations_that_cannot_be_built_end_in_one_line(calls, capsys, word, told):
    words = ["--config.augment.name=sequence", f"--config.augment.ranges.{word}"]
    assert run("--config=small.py", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"launch.py: {told}")
    assert calls == []


def test_the_data_folder(calls, monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    run("--config=small.py")
    monkeypatch.setenv("CNNJAX_DATA_DIR", "/from/the/environment")
    run("--config=small.py")
    run("--config=small.py", "--data_dir=/given")
    assert [call["data_dir"] for call in calls] == ["data", "/from/the/environment", "/given"]


def test_a_dry_run_tells_and_leaves_nothing(tmp_path, calls, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert run("--config=small.py:routes", "--dry_run", "--sweep=seed=0:3") == 0
    assert sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts) == before
    assert not calls
    out = capsys.readouterr().out
    # A linear classifier of 28 × 28 pixels: 7,840 weights, 10 biases; the network of 800 units.
    assert "7,850 parameters, 7,840 multiply–accumulates" in out
    assert "636,010 parameters, 635,200 multiply–accumulates" in out
    assert out.splitlines()[-1].startswith("6 runs in 2 groups, 24 steps, 384 training images")
    work = 6 * 4 * 16 * 3 * (7_840 + 635_200)
    assert f"{work / 1e6:.3g} MFLOP" in out.splitlines()[-1]


ERRORS = [
    (["--wrokdir=x"], "--wrokdir: there is no such flag; did you mean --workdir?"),
    (["--zzz"], "--zzz: there is no such flag; --help shows the flags."),
    (["--workdir"], "Missing value for flag --workdir"),
    (["--layout=vamp"], "--layout=vamp"),
    (["--dry_run=perhaps"], "--dry_run=perhaps"),
    (["experiments/mnist1d.py"], "did you mean --config=experiments/mnist1d.py?"),
    (["--config=smal.py"], "there is no file smal.py; did you mean small.py?"),
    (["--config="], "there is no file"),
    (["--config=small.py:rotues"], "small.py='rotues': did you mean 'routes'?"),
    (["--config.optimizer.learning_rat=1"], "did you mean 'optimizer.learning_rate'?"),
    (["--config.modle.name=linear"], "did you mean 'model.name'?"),
    (["--config.optimizer=sgd"], "--config.optimizer: is a section"),
    (["--config.batch_size=many"], "--config.batch_size=many: expected an integer"),
    (["--config.optimizer.learning_rate=fast"], "expected a number"),
    (["--config.batch_size=0"], "batch_size=0: expected an integer > 0"),
    (["--config.model.name=liner"], "model.name='liner': did you mean 'linear'?"),
    (["--config.augment.name=afine"], "augment.name='afine': did you mean 'affine'?"),
    (["--config.augment.mix=mixap"], "augment.mix='mixap': did you mean 'mixup'?"),
    (["--config.features=hogg"], "features='hogg': did you mean 'hog'?"),
    (["--config.features=3"], "expected names, as in deskew+hog"),
    (
        ["--config=small.py:routes", "--config.routes.mlp.model=linear"],
        "expected one of its fields to be set, as in --config.routes.mlp.model.name=VALUE",
    ),
    (["--config.model.options.batch-norm=true"], "expected names of letters, digits and _"),
    (["--config.model.options.=3"], "expected names of letters, digits and _"),
    (["--config.invariance.transformations.scale=(-1.0,)"], "scale=-1: expected a finite number"),
    (["--config.dataset.name=digit", "--dry_run"], "digit"),
    (["--config.model.options.num_classes=9"], "model.options.num_classes: the data set decides"),
    (["--config.model.options.name=linear"], "model.options.name: linear has no options"),
    (
        ["--config.augment.name=affine", "--config.augment.ranges.name=3"],
        "augment.ranges='name': there is none of that name. Known: rotation",
    ),
    (["--config.seed=2147483648"], "seed=2147483648: expected an integer ≤ 2147483647"),
    (["--sweep=seed=3000000000"], "seed=3000000000: expected an integer ≤ 2147483647"),
    (["--config.steps=0"], "expected exactly one of the two > 0"),
    (["--config.choose=optimizer.learning_rate"], "is not swept"),
    (["--config=small.py:routes", "--config.routes.mpl.steps=3"], "did you mean 'mlp'?"),
    (["--config=small.py:routes", "--sweep=route=mpl"], "route='mpl': did you mean 'mlp'?"),
    (["--sweep=sead=0:3"], "sweep sead: there is no such field; did you mean 'seed'?"),
    (["--sweep=seed"], "sweep 'seed': expected an axis"),
    (["--sweep=seed=0:2", "--config.seed=1"], "given both as --config.seed and in --sweep"),
    (["--sweep=seed=0:2", "--sweep=seed=3:5"], "sweep 'seed=3:5': the axis seed is given twice"),
    (["--layout=map", "--config.layout=vmap"], "--layout=map: --config.layout=vmap says otherwise"),
    (["--config.published=3"], "published"),
    (["--sweep=dataset.train_size=99999", "--dry_run"], "dataset.train_size=99999"),
    (["--workdir=small.py"], "--workdir=small.py: cannot be used"),
    (["--config.features=hog", "--config.dataset.name=mnist1d"], "features='hog' on dataset.name="),
    (["--config.model.name=lenet5", "--config.dataset.canvas=29"], "model.name='lenet5' on"),
    (["--config.invariance.transformations.rotation=(0,)"], "rotation=0: expected 0 < magnitude"),
    (
        ["--config.dataset.name=mnist1d", "--config.invariance.transformations.rotation=(9,)"],
        "rotation",
    ),
    (["--config.optimizer.schedule=exponential"], "optimizer.final=0.0: an exponential schedule"),
    (
        ["--config=small.py:chosen", "--config.dataset.train_on=train+validation"],
        "choose=optimizer.learning_rate: expected dataset.train_on='train'",
    ),
]


@pytest.mark.parametrize(("words", "told"), ERRORS, ids=[" ".join(words) for words, _ in ERRORS])
def test_a_mistake_ends_in_one_line_and_status_2(words, told, capsys, calls):
    before = [] if any(word.startswith("--config=") for word in words) else ["--config=small.py"]
    assert run(*before, *words) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.startswith("launch.py: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not calls


def write_digits(folder: pathlib.Path) -> None:
    """Writes four files of MNIST's names and shapes; what they hold is noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for file in FILES:
        shape = (60, 28, 28) if "images" in file else (60,)
        content = idx.encode(random.integers(0, 10, shape, np.uint8))
        (folder / f"{file}.gz").write_bytes(gzip.compress(content))


def cut(folder: pathlib.Path) -> None:
    path = folder / f"{FILES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-100])


def swap(folder: pathlib.Path) -> None:
    (folder / f"{FILES[0]}.gz").write_bytes((folder / f"{FILES[1]}.gz").read_bytes())


def lose(folder: pathlib.Path) -> None:
    (folder / f"{FILES[0]}.gz").unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: None, "corrupt: sha256 of the decompressed bytes"),
        (cut, "train-images-idx3-ubyte.gz: truncated"),
        (swap, "mislabelled"),
        (lose, "train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) is missing"),
        (shutil.rmtree, "mnist: not found. Looked in"),
    ],
    ids=["corrupt", "truncated", "mislabelled", "file missing", "set missing"],
)
def test_bad_data_end_in_one_line_and_status_2(damage, told, tmp_path, capsys, calls, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody's prepared sets
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    write_digits(tmp_path / "data" / "mnist")
    damage(tmp_path / "data" / "mnist")
    words = ("--config=small.py", "--config.dataset.name=mnist", f"--data_dir={tmp_path}/data")
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.startswith("launch.py: ")
    assert captured.err.count("\n") == 1
    assert not calls


def test_the_status_is_that_of_the_process():
    done = subprocess.run(
        [sys.executable, ROOT / "launch.py", "--sead=1"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert done.stderr == "launch.py: --sead: there is no such flag; --help shows the flags.\n"
    assert done.stdout == ""


def test_another_configuration_in_the_workdir(calls, capsys):
    assert run("--config=small.py") == 0
    assert run("--config=small.py") == 0
    capsys.readouterr()
    assert run("--config=small.py", "--config.batch_size=7") == 2
    assert capsys.readouterr().err == (
        "launch.py: --workdir=runs/small: holds another configuration "
        "(batch_size=16 there, 7 here); choose another --workdir\n"
    )
    assert run("--config=small.py", "--config.batch_size=7", "--workdir=other") == 0
    assert len(calls) == 3


def test_a_workdir_that_is_in_use(calls, monkeypatch, capsys):
    inner = []
    monkeypatch.setattr(
        study, "run", lambda *_, **__: inner.append(run("--config=small.py")) or "x"
    )
    run("--config=small.py", "--workdir=runs/small")
    assert inner == [2]
    assert "another launch is running there" in capsys.readouterr().err


def test_a_corrupt_table(calls, tmp_path, capsys):
    assert run("--config=small.py") == 0
    (tmp_path / "runs/small/results.parquet").write_bytes(b"garbage")
    capsys.readouterr()
    assert run("--config=small.py") == 2
    told = capsys.readouterr().err
    assert "results.parquet: is not a readable table" in told
    assert told.count("\n") == 1


def test_a_full_disk_ends_in_one_line_and_status_2(tmp_path, capsys):
    workdir = tmp_path / "full"
    workdir.mkdir()
    (workdir / "log.jsonl").symlink_to("/dev/full")
    assert run("--config=small.py", f"--workdir={workdir}") == 2
    captured = capsys.readouterr()
    told = f"launch.py: --workdir={workdir}: [Errno {errno.ENOSPC}] No space left on device; when"
    assert captured.err.splitlines()[-1].startswith(told)
    assert captured.out == ""


def launched(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "launch.py", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": os.getcwd()},
    )


STOPPED = "launch.py: stopped; the same command resumes"
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_in_one_line_wherever_it_comes(number, tmp_path):
    # Where an exception would be lost: Python only prints what a finaliser raises.
    body = f"""
import os

class Careless:
    def __del__(self):
        os.kill(os.getpid(), {int(number)})

def get_config(arg=None):
    Careless()
    raise AssertionError("went on after the signal")
"""
    (tmp_path / "signalled.py").write_text(body)
    done = launched("--config=signalled.py")
    assert done.returncode == 128 + number
    assert done.stderr.split("\n") == ["", STOPPED, ""]
    assert done.stdout == ""


def test_a_signal_in_training_leaves_a_checkpoint(tmp_path):
    watcher = """
import os, pathlib, signal, threading, time

def watch():
    log = pathlib.Path("runs/stopped/log.jsonl")
    while not (log.exists() and log.stat().st_size):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
"""
    (tmp_path / "stopped.py").write_text(EXPERIMENT + watcher)
    done = launched("--config=stopped.py", "--config.steps=100000000")
    assert done.returncode == 143, done.stderr
    assert done.stderr.splitlines()[-1] == STOPPED
    assert "Traceback" not in done.stderr
    (group,) = (tmp_path / "runs/stopped/checkpoints").iterdir()
    assert any(int(each.name) > 0 for each in group.iterdir())


@pytest.mark.parametrize("number", SIGNALS)
def test_what_training_says_when_it_stops_is_the_status(number, monkeypatch, capsys):
    ends = []

    def stop(*_, **__):
        raise SystemExit(128 + number)

    monkeypatch.setattr(study, "run", stop)
    monkeypatch.setattr(os, "_exit", ends.append)
    with pytest.raises(SystemExit):  # the process would have ended
        run("--config=small.py")
    assert ends == [128 + number]
    assert capsys.readouterr().err == f"\n{STOPPED}\n"


def test_other_exits_stay_what_they_are(monkeypatch):
    def stop(*_, **__):
        raise SystemExit(5)

    monkeypatch.setattr(study, "run", stop)
    with pytest.raises(SystemExit) as ended:
        run("--config=small.py")
    assert ended.value.code == 5


def test_our_own_mistakes_keep_their_traceback(monkeypatch):
    def fail(*_, **__):
        raise ValueError("ours")

    monkeypatch.setattr(study, "run", fail)
    with pytest.raises(ValueError, match="ours"):
        run("--config=small.py")


def test_a_whole_launch_and_again(tmp_path, capsys, monkeypatch):
    def draw(workdir):
        return workdir / "report.html"

    monkeypatch.setattr(report, "write", draw)  # figures have tests of their own
    words = (
        "--config=small.py",
        "--noconfig.invariance.initial",
        "--noconfig.invariance.equivariance",
    )
    assert run(*words) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "runs" / "small"
    assert "n=2" in out
    assert out.splitlines()[-1] == f"report: {folder / 'report.html'}"
    for name in ("config.json", "environment.json", "log.jsonl", "results.parquet"):
        assert (folder / name).stat().st_size
    table = results.read(folder / "results.parquet")
    assert table["seed"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["transformation"].tolist() == ["none", "rotation", "rotation"] * 2
    assert table["magnitude"].tolist() == [0.0, 0.0, 20.0] * 2
    assert table["experiment"].unique().tolist() == ["small"]

    stamp = (folder / "results.parquet").stat()
    assert run(*words) == 0
    assert (folder / "results.parquet").stat() == stamp
    assert capsys.readouterr().out == out


def test_sweeps_add_up(calls):
    assert run("--config=small.py", "--sweep=seed=0:2", "--sweep=batch_size=8,16") == 0
    runs = {(member["seed"], member["batch_size"]) for member in fields(calls[0])}
    assert runs == {(0, 8), (0, 16), (1, 8), (1, 16)}


def test_who_stops_reading_gets_no_traceback():
    with subprocess.Popen(
        [sys.executable, ROOT / "launch.py", "--list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait() == 128 + signal.SIGPIPE
    assert told == b""
