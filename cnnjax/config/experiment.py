"""Running an experiment file."""

import difflib
import importlib.util
import inspect
import pathlib
import re
import traceback
from typing import Any

from ml_collections import ConfigDict, config_dict

from cnnjax.config.fields import defaults
from cnnjax.errors import UserError


def load(source: str) -> ConfigDict:
    """Runs an experiment file.

    Args:
      source: Path of a file that defines `get_config(arg)`, with `:ARG` behind it or without.

    Returns:
      Its configuration; `name`, where the file leaves it empty, is FILE or FILE-ARG.

    Raises:
      UserError: There is no such file, it defines no experiment, or it sets a field that does not
        exist. Other errors in the file keep their traceback.
    """
    where, colon, argument = source.partition(":")
    path = pathlib.Path(where)
    if not path.is_file():
        scripts = path.parent.glob("*.py")  # some are no experiments, but measure speed, say
        names = sorted(each.name for each in scripts if "def get_config(" in each.read_text())
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "--list shows the experiments."
        raise UserError(f"--config={source}: there is no file {where}; {hint}")
    spec = importlib.util.spec_from_file_location(f"experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"--config={source}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise UserError(f"--config={source}: {where} does not define get_config(arg)")
        arguments = [argument] if colon else []
        try:
            inspect.signature(module.get_config).bind(*arguments)
        except TypeError:
            takes = "takes no argument" if colon else f"expects an argument, as in {where}:ARG"
            raise UserError(f"--config={source}: {where} {takes}") from None
        config = module.get_config(*arguments)
    except (AttributeError, KeyError, TypeError) as error:
        _explain(error, path)
        raise
    if not isinstance(config, ConfigDict):
        raise UserError(f"--config={source}: get_config gave {config!r}; expected a ConfigDict")
    if "name" in config and not config.name:
        config.name = re.sub(r"[^\w.=+,-]", "_", path.stem + (f"-{argument}" if argument else ""))
    return config


def _explain(error: Exception, path: pathlib.Path) -> None:
    """Raises what a ConfigDict has against a line of an experiment file in the words of a user."""
    frames = traceback.extract_tb(error.__traceback__)
    if pathlib.Path(config_dict.__file__).parent not in pathlib.Path(frames[-1].filename).parents:
        return
    here = path.resolve()
    lines = [frame.lineno for frame in frames if pathlib.Path(frame.filename).resolve() == here]
    where = f"{path}:{lines[-1] if lines else 1}"
    # A ConfigDict wraps its errors in one another; the innermost has the plain words.
    words: Any = error
    while isinstance(words, BaseException) and words.args:
        words = words.args[0]
    words = str(words).splitlines()[0]
    if not (missing := re.match(r'Key "(\w+)" does not exist', words)):
        raise UserError(f"{where}: {words}") from None
    fields = {field.split(".")[-1]: field for field in defaults()}
    near = difflib.get_close_matches(missing[1], fields, n=1)
    hint = f"; did you mean {fields[near[0]]!r}?" if near else ""
    raise UserError(f"{where}: there is no field {missing[1]!r}{hint}") from None
