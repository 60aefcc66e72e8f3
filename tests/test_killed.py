"""A launch that is killed ten times ends with the tables of one that never was."""

import pathlib
import random
import subprocess
import sys
import time

import pandas as pd
import pytest

from cnnjax import results

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMAND = (
    *(sys.executable, "launch.py", "--config.checkpoint_seconds=0.5"),
    *("--config.steps=300", "--config.invariance.equivariance=false"),
    "--sweep=route=mlp,lenet5_augment;seed=0:2;dataset.train_size=200,0",
)
KILLS = 10


@pytest.mark.slow
def test_killed_ten_times_a_launch_ends_with_the_same_tables(tmp_path):
    def launch(name):
        log = (tmp_path / f"{name}.log").open("a")
        return subprocess.Popen(
            [*COMMAND, f"--workdir={tmp_path / name}"], cwd=ROOT, stdout=log, stderr=log
        )

    start = time.monotonic()
    assert launch("whole").wait() == 0
    took = time.monotonic() - start

    moments, killed = random.Random(0), 0
    while killed < KILLS:
        process = launch("killed")
        # Spread over the start, the training, the measuring and the writing.
        time.sleep(moments.uniform(0.05, 0.5) * took)
        if process.poll() is not None:
            break  # it was done before all kills were used up
        process.kill()
        process.wait()
        killed += 1
    assert killed >= 3
    assert launch("killed").wait() == 0

    for name in results.SCHEMAS:
        whole, resumed = (
            results.read(tmp_path / folder / f"{name}.parquet").drop(
                columns=list(results.TIMES), errors="ignore"
            )
            for folder in ("whole", "killed")
        )
        pd.testing.assert_frame_equal(whole, resumed, check_exact=True)
    print(f"\nkilled {killed} times; one whole launch took {took:.0f} s")
