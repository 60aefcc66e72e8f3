"""Runs one experiment: trains its sweep, measures its invariance, leaves tables and a report.

    python launch.py                                          (experiments/invariance.py on digits)
    python launch.py --list
    python launch.py --config=experiments/FILE.py:ARG --config.optimizer.learning_rate=3e-3
    python launch.py --sweep='seed=0:5;optimizer.learning_rate=1e-3,3e-3;model.name=linear,mlp800'

If several places set the same field, the command line beats the experiment's route, and the route
beats the rest of the file. The same command on the same workdir goes on where it stopped.
"""

import ast
import copy
import difflib
import os
import pathlib
import re
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from absl import flags, logging  # noqa: F401  logging defines --verbosity
from ml_collections import ConfigDict, config_flags

from cnnjax import config as configs
from cnnjax import platform, sweep
from cnnjax.errors import UserError

EXPERIMENTS = pathlib.Path(__file__).resolve().parent / "experiments"
DEFAULT = EXPERIMENTS / "invariance.py"
HELP = ("-h", "-?", "-help", "--help", "-helpshort", "--helpshort", "-helpfull", "--helpfull")
STOPPING = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str]) -> int:
    """Runs a command line.

    Args:
      argv: The program's name and its arguments.

    Returns:
      The exit status: 0, or 2 after a mistake that the user can mend, told in one line. Ctrl-C and
      SIGTERM end the process with 130 and 143.
    """
    try:
        run(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # as in `--list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as error:
        # Some messages quote other libraries' words, which may have several lines.
        print(f"launch.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except SystemExit as error:
        for number in STOPPING:
            if error.code == 128 + number:
                leave(number)
        raise
    return 0


def run(argv: Sequence[str]) -> None:
    """Does what the command line asks for; a mistake of the user raises `UserError`."""
    if any(word in HELP for word in argv[1:]):
        print(help_text(everything=any(word.endswith("helpfull") for word in argv[1:])))
        return
    platform.configure()  # before anything imports jax
    values, config = parse(argv)
    if values.list:
        print(listing())
        return
    groups = sweep.group(sweep.expand(config))

    from cnnjax import results, study, workdir
    from cnnjax.results import terminal
    from cnnjax.study import planning, preview

    # Before the workdir is taken: a launch that cannot start leaves nothing behind.
    plans = planning.plan_all(groups, data_dir=values.data_dir)
    if values.dry_run:
        print(preview.describe(plans))
        return
    path = values.workdir or f"runs/{config.name}"
    try:
        with workdir.claim(path, config) as folder:
            page = study.run(plans, config, workdir=folder, command=argv)
            rows = results.read(folder / "results.parquet")
    except OSError as error:  # such as a disk that is full
        raise UserError(
            f"--workdir={path}: {error}; when that is mended, the same command resumes"
        ) from error
    print(terminal.table(rows, choose=config.choose))
    print(f"report: {page}")


def define(config: ConfigDict, argv: Sequence[str]) -> flags.FlagValues:
    """Returns the program's flags, with those of the experiment's fields."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_dict(
        "config",
        config,
        "experiment file, with or without an argument: experiments/FILE.py:ARG; "
        "--config.x.y=VALUE sets its field x.y",
        flag_values=values,
        sys_argv=list(argv),
        lock_config=False,
        # Free sections take fields that the file does not mention; `parse` has checked all others.
        accept_new_attributes=True,
    )
    flags.DEFINE_multi_string(
        "sweep",
        [],
        "axes, such as 'seed=0:5;optimizer.learning_rate=1e-3,3e-3;route=*'; they replace the "
        "experiment's axes of the same name",
        flag_values=values,
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "folder for tables, figures, report and checkpoints (default: runs/EXPERIMENT or "
        "runs/EXPERIMENT-ARG)",
        flag_values=values,
    )
    flags.DEFINE_string(
        "data_dir",
        os.environ.get("CNNJAX_DATA_DIR") or ("data" if os.path.isdir("data") else None),
        "folder that holds a folder for each data set (default: $CNNJAX_DATA_DIR, else ./data "
        "where there is one)",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "layout",
        None,
        configs.LAYOUTS,
        "how the members of a group are laid out: one after another (map) or side by side (vmap)",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "print runs, groups, parameters and work; train nothing",
        flag_values=values,
    )
    flags.DEFINE_bool("list", False, "list the experiments with their commands", flag_values=values)
    return values


def parse(argv: Sequence[str]) -> tuple[flags.FlagValues, ConfigDict]:
    """Reads the command line.

    Args:
      argv: The program's name and its arguments.

    Returns:
      The flags, and the experiment's configuration with the command line applied to it.

    Raises:
      UserError: An unknown flag, experiment or field, a value of a wrong type, a stray word.
    """
    source, words = split_source(argv)
    found = (re.match(r"--?(?:no)?config\.([^=]*)", word) for word in words[1:])
    names = [match[1] for match in found if match]
    for name in names:
        configs.check_name(name, shown=f"--config.{name}")
    config = configs.load(source)
    for name in names:
        if configs.within(name, "routes"):
            configs.choose("--config.routes", name.split(".")[1], list(config.routes))
    values = define(_room_for(names, config), words)
    for flag in flags.FLAGS.get_flags_for_module("absl.logging"):
        values[flag.name] = flag
    try:
        rest = values(words)
    except flags.UnrecognizedFlagError as error:
        near = difflib.get_close_matches(error.flagname, [*values], n=1)
        hint = f"did you mean --{near[0]}?" if near else "--help shows the flags."
        raise UserError(f"--{error.flagname}: there is no such flag; {hint}") from None
    except flags.Error as error:
        raise UserError(in_our_words(str(error))) from None
    if len(rest) > 1:
        hint = f"; did you mean --config={rest[1]}?" if ".py" in rest[1] else ""
        raise UserError(f"{rest[1]!r}: expected flags only{hint}")
    flags.FLAGS.mark_as_parsed()  # for libraries that look at the flags they define themselves
    overrides = dict(config_flags.get_override_values(values["config"]))
    if values.layout and overrides.setdefault("layout", values.layout) != values.layout:
        raise UserError(
            f"--layout={values.layout}: --config.layout={overrides['layout']} says otherwise"
        )
    return values, sweep.resolve(config, overrides=overrides, sweep=";".join(values.sweep))


def _room_for(names: Sequence[str], config: ConfigDict) -> ConfigDict:
    """A copy of the configuration in which absl's flags can set these fields.

    Flags make no sections, and keep a field's type, where a range is a number or a pair, whatever
    the file has.
    """
    copied = copy.deepcopy(config)
    for name in names:
        section, key = configs.holder_of(copied, name)
        if "augment.ranges." in name and key in section:
            del section[key]
    return copied


def split_source(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Takes --config=FILE.py:ARG, or what stands for it, out of a command line."""
    source, words, pending = str(DEFAULT), list(argv[:1]), iter(argv[1:])
    for word in pending:
        if word in ("--config", "-config"):
            source = next(pending, "")
        elif match := re.match(r"--?config=(.*)", word):
            source = match[1]
        else:
            words.append(word)
    return source, words


def in_our_words(message: str) -> str:
    """Says what a field expects, where absl quotes what Python says of a wrong value."""
    match = re.match(r"flag --config\.([^=]+)=(.*?): ", message, re.DOTALL)
    return (
        f"--config.{match[1]}={match[2]}: expected {configs.expected(match[1])}"
        if match
        else message
    )


def help_text(*, everything: bool) -> str:
    """Returns what --help prints; with `everything` also the fields and absl's own flags."""
    values = define(configs.default(), [])
    shown = [values[name] for name in values]
    if everything:
        shown += flags.FLAGS.get_flags_for_module("absl.logging")
    lines = [(__doc__ or "").strip(), "", "Flags:"]
    for flag in shown:
        lines.append(flags.text_wrap(f"--{flag.name}: {flag.help}", 98, "      ", "  "))
    if not everything:
        return "\n".join([*lines, "", "--helpfull shows the fields of an experiment, too."])
    fields = configs.flatten(configs.default())
    lines += ["", "Fields of an experiment, with their defaults:"]
    lines += [f"  --config.{name}={value!r}" for name, value in fields.items()]
    return "\n".join(lines)


def listing() -> str:
    """Returns the experiments, each with the first line of its docstring and its commands."""
    blocks = []
    for path in sorted(EXPERIMENTS.glob("*.py")):
        words = ast.get_docstring(ast.parse(path.read_text())) or ""
        commands = [line for line in words.splitlines() if line.strip().startswith("python ")]
        title = words.partition("\n")[0]
        commands = [f"    {line.strip()}" for line in commands]
        blocks.append("\n".join([f"{path.stem}: {title}", *commands]))
    return "\n".join(blocks)


def leave(number: int, _frame: object = None) -> NoReturn:
    """Ends the process at once, and tells how to go on: the handler of Ctrl-C and SIGTERM.

    Training answers a signal itself, by a checkpoint; anywhere else, what is to be kept is on the
    disk already. Raising an exception would not do: one that is raised inside a callback of a
    library is lost. Nor would a tidy exit: XLA, still at work, crashes when Python is taken down.
    """
    print("\nlaunch.py: stopped; the same command resumes", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(128 + number)


if __name__ == "__main__":
    for each in STOPPING:
        signal.signal(each, leave)
    sys.exit(main(sys.argv))
