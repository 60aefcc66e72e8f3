"""A launch that is killed ten times ends with the tables of one that never was."""

import contextlib
import pathlib
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from cnnjax import results

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMAND = (
    *(sys.executable, "launch.py", "--config.checkpoint_seconds=0.5"),
    "--config.steps=100",
    "--sweep=route=mlp,lenet5_augment;seed=0:2;augment.strength=1;dataset.train_size=200,0",
)
KILLS = 10


def launch(workdir):
    with (workdir.parent / f"{workdir.name}.log").open("a") as log:
        return subprocess.Popen(
            [*COMMAND, f"--workdir={workdir}"], cwd=ROOT, stdout=log, stderr=log
        )


@pytest.mark.slow
def test_killed_ten_times_a_launch_ends_with_the_same_tables(tmp_path):
    start = time.monotonic()
    assert launch(tmp_path / "whole").wait() == 0
    took = time.monotonic() - start

    # Ten moments spread over the start, the training, the measuring and the writing. Only a process
    # that died of the signal counts; one that was done before is compared, and another one starts.
    moments, folders, killed = random.Random(0), [tmp_path / "killed-0"], 0
    while killed < KILLS:
        fresh, begun = not folders[-1].exists(), time.monotonic()
        process = launch(folders[-1])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0.1, 0.6) * took)
        process.kill()  # nothing happens to a process whose end has been seen
        if process.wait() == -signal.SIGKILL:
            killed += 1
        else:
            assert process.returncode == 0
            if fresh:  # the first launch compiled what the others find in the cache
                took = min(took, time.monotonic() - begun)
            folders.append(tmp_path / f"killed-{len(folders)}")
    assert launch(folders[-1]).wait() == 0

    for name in results.SCHEMAS:
        tables = [
            results.read(folder / f"{name}.parquet").drop(
                columns=list(results.TIMES), errors="ignore"
            )
            for folder in (tmp_path / "whole", *folders)
        ]
        assert len(tables[0]), name
        for resumed in tables[1:]:
            pd.testing.assert_frame_equal(tables[0], resumed, check_exact=True)
    print(f"killed {killed} times in {len(folders)} launches of {took:.0f} s")
