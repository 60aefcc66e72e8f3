"""Launches without a report, one of which is looked at by several files.

Also lets the tests beside it import `launches`.
"""

import pathlib
import sys

import pytest

from cnnjax.study import evaluation, flow

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from launches import launch, small


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """The report has tests of its own; here it would only take time."""
    monkeypatch.setattr(flow.report, "write", lambda workdir: workdir / "report.html")


@pytest.fixture(scope="session")
def observed(tmp_path_factory):
    """An uninterrupted launch: its table, its folder, each group's plan and what it trained."""
    honest, seen = evaluation.measure, {}

    def measure(plan, trained, config):
        seen[plan.group.name] = plan, trained
        return honest(plan, trained, config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow.report, "write", lambda workdir: workdir / "report.html")
        patch.setattr(evaluation, "measure", measure)
        workdir = tmp_path_factory.mktemp("whole")
        return launch(small(), workdir), workdir, seen


@pytest.fixture(scope="session")
def whole(observed):
    """The table and the folder of that launch."""
    return observed[:2]
