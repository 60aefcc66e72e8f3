"""`python -m cnnjax.data list | describe NAME | prepare NAME`."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from cnnjax.data import directories, idx_folder, own
from cnnjax.data.loading import FORM, GENERATED, NAMES, check_data_dir, idx_folders, load
from cnnjax.errors import UserError

HELP = "`python -m cnnjax.data --help` shows the commands."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
      arguments: The command line without the program's name; None takes the process's own.

    Returns:
      The exit status: 0, or 2 after a mistake that one line on the standard error explains.
    """
    try:
        options, unknown = _parser().parse_known_args(arguments)
        if unknown:
            raise _unknown(unknown[0], options)
        if options.command == "list":
            _list(options.data_dir)
        elif options.command == "describe":
            _describe(options.name, options.data_dir)
        else:
            from cnnjax.data.prepare import prepare

            directory = prepare(
                options.name, data_dir=options.data_dir, manual_dir=options.manual_dir
            )
            print(f"{options.name} is ready in {directory}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _unknown(argument: str, options: argparse.Namespace) -> UserError:
    """Returns the error for an argument that the command does not take."""
    flag = argument.split("=")[0]
    near = difflib.get_close_matches(flag, ("--data_dir", "--manual_dir"), n=1)
    if not near:
        hint = HELP
    elif near[0].lstrip("-") in options:
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"{near[0]} is an argument of `prepare`."
    return UserError(f"{argument}: {options.command} takes no such argument; {hint}")


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing how it is used."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {HELP}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m cnnjax.data", description="Named data sets.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="where each known set would be read from")
    describe = commands.add_parser("describe", help="read a set and print what it holds")
    prepare = commands.add_parser(
        "prepare", help="write a set of tensorflow-datasets as array_record"
    )
    for command in (describe, prepare):
        command.add_argument("name", metavar="NAME", help="such as mnist, cifar10, emnist/balanced")
    for command in (listing, describe, prepare):
        command.add_argument("--data_dir", help="the folder with a folder for each set")
    prepare.add_argument("--manual_dir", help="the folder with files that were downloaded by hand")
    return parser


def _list(data_dir: str | None) -> None:
    root = check_data_dir(data_dir)
    places = directories.roots(root)
    found = [name for place in places for name in directories.names(place)]
    found += [] if root is None else own.names(root)
    for name in dict.fromkeys([*NAMES, *filter(FORM.fullmatch, found)]):
        print(f"{name:18} {_where(name, root, places)}")


def _where(name: str, root: Path | None, places: list[Path]) -> str:
    """Returns where a set would be read from, or why it cannot be."""
    if name in GENERATED:
        return "generated"
    try:
        folders = filter(idx_folder.holds_files, idx_folders(name, root))
        return str(next(folders, None) or directories.find(name, places) or "not found")
    except UserError as error:
        return f"unusable: {error}"


def _describe(name: str, data_dir: str | None) -> None:
    dataset = load(name, data_dir)
    print(f"{dataset.name}: {dataset.num_classes} classes, {dataset.source}")
    for part in ("train", "validation", "test"):
        images, labels = getattr(dataset, part)
        counts = np.bincount(labels, minlength=dataset.num_classes)
        shape = "×".join(map(str, images.shape))
        print(f"{part:10} {shape} {images.dtype}, {counts.min()} to {counts.max()} of each class")


if __name__ == "__main__":
    sys.exit(main())
