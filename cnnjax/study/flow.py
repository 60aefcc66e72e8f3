"""One launch: train each group of runs, measure its members, leave tables, pictures and a report.

`run` is the whole flow. What a group needs is gathered in `planning`; the training loop is
`train.loop.train`; what is read off a trained group is in `evaluation`.
"""

import functools
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ml_collections import ConfigDict

from cnnjax import data, environment, errors, report, results, train
from cnnjax.study import evaluation, pictures, progress
from cnnjax.study.planning import Plan


def run(
    plans: Sequence[Plan],
    config: ConfigDict,
    *,
    workdir: pathlib.Path,
    command: Sequence[str] = (),
) -> pathlib.Path:
    """Trains, measures and reports; what an earlier launch has finished is not done again.

    Args:
      plans: The groups of runs that share a program, from `planning.plan_all`.
      config: The experiment: `name`, `choose`, `layout`, `checkpoint_seconds` and `invariance` are
        read here, everything else from the plans.
      workdir: Where the launch leaves its files; it exists and is ours alone.
      command: The command line, for environment.json; default that of this process.

    Returns:
      The path of report.html.

    Raises:
      UserError: The workdir was begun with other examples, or a file in it cannot be read.
      OSError: A checkpoint or a table cannot be written.
      SystemExit: A signal asked to stop; the same launch goes on from there.
    """
    table = workdir / "results.parquet"
    results.discard_incomplete(workdir)
    finished = results.finished(workdir)
    earlier = environment.read(workdir / "environment.json")
    data_sets = _fingerprints(plans)
    _check_examples(earlier, data_sets, workdir)
    if not finished.issuperset(part.group.name for part in plans):  # a redrawn report is no result
        environment.remember(workdir / "environment.json", command=command, data=data_sets)

    to_do = [part for part in plans if part.group.name not in finished]
    with progress.Monitor(workdir / "log.jsonl", plans) as monitor, ThreadPoolExecutor(1) as beside:
        monitor.skip([part for part in plans if part.group.name in finished])
        if apart := environment.differences(earlier):
            monitor.note(
                f"{workdir}: keeps results that were made {apart}; choose another --workdir to "
                "compute all of them again"
            )
        coming = [beside.submit(_prepare, first, config) for first in to_do[:1]]
        for place, part in enumerate(to_do, 1):
            checkpoints = train.Checkpoints(workdir / "checkpoints" / part.group.name)
            trained = train.train(
                coming.pop().result(),
                part.steps,
                checkpoints=checkpoints,
                checkpoint_seconds=config.checkpoint_seconds,
                report=functools.partial(monitor.report, part),
            )
            checkpoints.close()
            monitor.complete(part)
            monitor.say(part, "measuring")
            # A compiler keeps one core busy: the next group's works while this one is measured.
            coming += [beside.submit(_prepare, after, config) for after in to_do[place : place + 1]]
            measured = evaluation.measure(part, trained, config)
            # The table comes last: a group stands in it only when all of its other files do.
            results.append(workdir / "equivariance.parquet", measured.equivariance)
            results.append(workdir / "predictions.parquet", measured.predictions)
            results.append(table, measured.rows)
        monitor.say(None, "drawing the report")
        pictures.save(plans, workdir)
        return report.write(workdir)


def _fingerprints(plans: Sequence[Plan]) -> dict[str, str]:
    """The fingerprint of each data set as it is used, by a name that tells it from the others."""
    told, known = {}, {}
    for plan in plans:
        own = plan.group.config.dataset
        words = [own.name]
        words += [f"on a canvas of {own.canvas}"] if own.canvas else []
        words += [f"tested on {own.test_on}"] if own.test_on else []
        if id(plan.dataset) not in known:
            known[id(plan.dataset)] = data.fingerprint(plan.dataset)
        told[" ".join(words)] = known[id(plan.dataset)]
    return told


def _check_examples(
    earlier: Sequence[dict[str, Any]], data_sets: dict[str, str], workdir: pathlib.Path
) -> None:
    """Refuses to go on with other examples than those that a launch was begun with."""
    begun = (workdir / "results.parquet").exists() or any(workdir.glob("checkpoints/*/*"))
    for launch in earlier[-1:] if begun else ():
        for name, told in (launch.get("data") or {}).items():
            if data_sets.get(name, told) != told:
                raise errors.UserError(
                    f"--workdir={workdir}: was begun with other examples of {name}; give the "
                    "--data_dir of that launch (for generated sets, install its versions), or "
                    "choose another --workdir"
                )


def _prepare(part: Plan, config: ConfigDict) -> train.Prepared:
    return train.prepare(part.recipe, part.hypers, part.examples, members_layout=config.layout)
