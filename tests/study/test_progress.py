"""What a launch shows while it runs: the bar and the log."""

import json
import re

import numpy as np
import pytest
from launches import planned

from cnnjax import results, train
from cnnjax.study import progress


def test_the_log_tells_how_it_went(whole):
    _, workdir = whole
    lines = [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]
    groups = results.read(workdir / "results.parquet")["group"]
    assert {line["group"] for line in lines} == set(groups)
    assert all(len(line["loss"]) == 8 and line["images_per_second"] > 0 for line in lines)
    assert [line["step"] for line in lines if line["step"] == line["steps"]] == [6, 6]


def test_diverged_losses_leave_the_log_readable(tmp_path):
    plans = planned()
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        for losses in ([np.nan, 0.5, np.inf], [np.nan, np.nan, np.nan]):
            accuracy = np.zeros(len(losses))
            told = train.Progress(2, 0, np.array(losses), accuracy, images_per_second=1.0)
            monitor.report(plans[0], told)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    told = [json.loads(line, parse_constant=refuse)["loss"] for line in lines]
    assert told == [[None, 0.5, None], [None, None, None]]


def test_the_bar_counts_a_group_that_was_trained_but_not_measured(tmp_path):
    plans = planned()
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        for plan in plans:
            monitor.complete(plan)
        assert monitor._bar.n == pytest.approx(monitor._bar.total)
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        told = train.Progress(plans[0].steps, 0, np.zeros(1), np.zeros(1), images_per_second=1.0)
        monitor.report(plans[0], told)
        once = monitor._bar.n
        monitor.complete(plans[0])
        assert monitor._bar.n == once


def test_the_bar_tells_how_it_goes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    plans = planned()
    with progress.Monitor(tmp_path / "log.jsonl", plans) as monitor:
        monitor._bar.start_t -= 100.0
        told = train.Progress(
            step=2,
            start=0,
            loss=np.array([0.5, 1.5]),
            accuracy=np.array([0.25, 0.75]),
            images_per_second=12_345.6,
        )
        monitor.report(plans[0], told)
        monitor._bar.refresh()
    shown = capsys.readouterr().err.replace("\r", "\n")
    line = next(line for line in shown.splitlines() if "loss" in line)
    assert "33%" in line
    minutes = re.search(r"(\d+):(\d+)<(\d+):(\d+)", line)
    assert minutes is not None, line
    spent, left = (60 * int(minutes[i]) + int(minutes[i + 1]) for i in (1, 3))
    assert spent >= 100
    assert abs(left - 2 * spent) <= 2  # a third is done
    assert "loss 1.000 accuracy 50.0 % 12,346 images/s" in line
