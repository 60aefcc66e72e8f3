"""environment.json: what each launch of a workdir ran on, and with which code and data."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from cnnjax import files
from cnnjax.errors import UserError
from cnnjax.platform import usable_cores

DEPENDENCIES = (
    *("absl-py", "flax", "importlib_resources", "jax", "jaxlib", "jaxtyping", "jinja2"),
    *("matplotlib", "ml_collections", "mnist1d", "numpy", "optax", "orbax-checkpoint", "pandas"),
    *("pillow", "pyarrow", "scikit-learn", "scipy", "tensorflow-datasets", "tqdm"),
)
"""What pyproject.toml names, whose versions environment.json tells."""


def describe(
    *, command: Sequence[str] = (), data: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Describes what a launch runs on, for environment.json.

    Args:
      command: The command line; default that of this process.
      data: The fingerprint of each data set, by name.

    Returns:
      Data, versions (None of what is not installed), devices, CPU, the code's fingerprint, git
      commit and whether the tree was dirty (None outside a git checkout), command line and time.
    """
    return {
        "command": ["python", *(command or sys.argv)],
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in DEPENDENCIES},
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in jax.devices()],
        "cpu": _cpu(),
        "cores": usable_cores(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "data": dict(data or {}),
        "code": code(),
        **_git(),
    }


def code() -> str:
    """Returns a fingerprint of the package's own Python: another after any edit."""
    package = pathlib.Path(__file__).parent
    told = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        told.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:12]


def read(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads environment.json.

    Args:
      path: The file.

    Returns:
      What each launch ran on that trained or measured something, in order; none where there is no
      file.

    Raises:
      UserError: It is not such a file.
    """
    if not path.exists():
        return []
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        told = None
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise UserError(f"{path}: is corrupt; delete it")
    return told


def differences(launches: Sequence[Mapping[str, Any]]) -> str:
    """Says what may set the results of earlier launches apart, in their last digits or by more.

    Args:
      launches: What `read` gave. What an older launch does not tell is taken to be as now.

    Returns:
      Words such as "with another jaxlib and on other devices"; empty where all is as now.
    """
    now = describe()

    def other(name: str) -> bool:
        return any(launch.get(name, now[name]) != now[name] for launch in launches)

    jaxlib = now["versions"]["jaxlib"]
    others = (launch.get("versions") or {} for launch in launches)
    apart = {
        "with other code of cnnjax": other("code"),
        "with another jaxlib": any(each.get("jaxlib", jaxlib) != jaxlib for each in others),
        "on other devices": other("backend"),
        # Sums are divided among the cores, and so round otherwise.
        "on another number of cores": now["backend"] == "cpu" and other("cores"),
    }
    return " and ".join(words for words, differs in apart.items() if differs)


def remember(
    path: pathlib.Path, *, command: Sequence[str] = (), data: Mapping[str, str] | None = None
) -> None:
    """Adds what this launch runs on to environment.json.

    Args:
      path: The file; made if need be.
      command: The command line; default that of this process.
      data: The fingerprint of each data set, by name.

    Raises:
      UserError: The file that is there cannot be read.
    """
    told = [*read(path), describe(command=command, data=data)]
    with files.replacing(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git() -> dict[str, Any]:
    """The commit of the checkout that holds this file, if it is tracked in one."""
    here = pathlib.Path(__file__).resolve()

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here.parent), *words], capture_output=True, text=True, check=False
            )
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy may lie inside somebody else's checkout.
    if ask("ls-files", "--error-unmatch", here.name) is None:
        return {"git_commit": None, "git_dirty": None}
    return {"git_commit": ask("rev-parse", "HEAD"), "git_dirty": bool(ask("status", "--porcelain"))}
