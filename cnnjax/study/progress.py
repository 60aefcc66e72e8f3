"""What a launch shows while it runs: a bar with the time left, and a log."""

import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from cnnjax import train
from cnnjax.study.planning import Plan


class Monitor:
    """The launch's progress bar and its log.

    The bar counts work, not images, so that the time left is about right although some networks are
    far heavier than others.

    Args:
      log: The file that gets one JSON line a report.
      plans: Every group of the launch.
    """

    def __init__(self, log: pathlib.Path, plans: Sequence[Plan]):
        self._log = log
        self._work = {part.group.name: _work(part) for part in plans}
        self._done: dict[str, float] = {}

    def __enter__(self) -> "Monitor":
        live = sys.stderr.isatty()
        self._bar = tqdm(
            total=sum(self._work.values()),
            bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}",
            mininterval=0.2 if live else 20.0,
            dynamic_ncols=True,
            smoothing=0.0,  # the mean pace: that of the group at hand is not that of those to come
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def skip(self, parts: Sequence[Plan]) -> None:
        """Counts the groups that an earlier launch finished."""
        self._found(sum((self._work[part.group.name] for part in parts), 0.0))

    def complete(self, part: Plan) -> None:
        """Counts a group of which an earlier launch left nothing to train."""
        name = part.group.name
        if name not in self._done:
            self._done[name] = self._work[name]
            self._found(self._work[name])

    def say(self, part: Plan | None, what: str) -> None:
        """Shows what is being done."""
        self._bar.set_postfix_str(f"{part.group.name}: {what}" if part else what)

    def note(self, what: str) -> None:
        """Says something on a line of its own, which stays."""
        self._bar.write(what, file=sys.stderr)

    def report(self, part: Plan, progress: train.Progress) -> None:
        """Moves the bar and writes a line of the log."""
        name = part.group.name
        per_step = self._work[name] / part.steps
        if name not in self._done:
            self._done[name] = per_step * progress.start
            self._found(self._done[name])
        now = per_step * progress.step
        self._bar.set_postfix_str(
            f"{name} loss {_mean(progress.loss):.3f} "
            f"accuracy {100 * np.mean(progress.accuracy):.1f} % "
            f"{progress.images_per_second:,.0f} images/s",
            refresh=False,
        )
        self._bar.update(now - self._done[name])
        self._done[name] = now
        line: dict[str, Any] = {
            "time": round(time.time(), 3),
            "group": name,
            "step": progress.step,
            "steps": part.steps,
            # JSON knows no NaN: null is the loss of a member that diverged.
            "loss": [
                round(float(value), 6) if np.isfinite(value) else None for value in progress.loss
            ],
            "accuracy": [round(float(value), 6) for value in progress.accuracy],
            "images_per_second": round(progress.images_per_second, 1),
        }
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _found(self, work: float) -> None:
        # What was there already says nothing about the pace of this launch.
        self._bar.initial += work
        self._bar.n += work
        self._bar.refresh()


def _mean(losses: np.ndarray) -> float:
    """The mean over members that did not diverge, NaN where all did."""
    finite = losses[np.isfinite(losses)]
    return float(finite.mean()) if len(finite) else np.nan


def _work(part: Plan) -> float:
    # Arithmetic on shared weights, a convolution's, goes at about a tenth of the pace of a matrix
    # product's, and what is not the network's arithmetic costs about as much as the constant.
    shared = part.summary.multiply_accumulates - part.summary.parameters
    images = part.steps * part.recipe.batch_size * len(part.group.members)
    return images * (part.summary.parameters + 10.0 * max(shared, 0) + 500_000.0)
