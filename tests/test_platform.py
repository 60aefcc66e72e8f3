"""What XLA is told before jax starts."""

import os
import subprocess
import sys

from cnnjax import platform


def test_the_flag_is_accepted_by_the_installed_jaxlib(tmp_path):
    # XLA aborts the process on a flag that it does not know.
    code = (
        "from cnnjax import platform; platform.configure(); import os, jax; "
        "print(jax.numpy.ones(3).sum(), os.environ.get('XLA_FLAGS'))"
    )
    ours = {"XDG_CACHE_HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    clean = {name: os.environ[name] for name in os.environ if not name.startswith(("XLA", "JAX"))}
    environment = clean | ours
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["3.0", platform.CPU_FLAG]
    assert any((tmp_path / "cnnjax" / "xla").iterdir()), "the compilation cache is used"


def test_what_the_user_set_stays(monkeypatch):
    for name in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.setenv(name, "the user's")
    for name in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
        monkeypatch.setenv(f"JAX_PERSISTENT_CACHE_{name}", "7")
    before = dict(os.environ)
    platform.configure()
    assert dict(os.environ) == before


def test_another_jaxlib_is_given_no_flag(monkeypatch):
    monkeypatch.setattr(platform.importlib.metadata, "version", lambda name: "99.0")
    for name in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
        monkeypatch.setenv(f"JAX_PERSISTENT_CACHE_{name}", "7")
    platform.configure()
    assert "XLA_FLAGS" not in os.environ
    monkeypatch.undo()
