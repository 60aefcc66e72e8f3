"""What XLA has to be told before jax starts, in one place."""

import importlib.metadata
import os
import pathlib

# Keeps forward convolutions on the CPU out of a slower fused path. XLA aborts on a flag that it
# does not know, so it is set only for the jaxlib releases that were seen to accept it.
CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
ACCEPTED_BY = ("0.10.",)


def configure() -> None:
    """Sets XLA's flags and the compilation cache; what the user has set stays as it is.

    Call it before jax is imported. The cache makes the second launch of the same program start in
    seconds; it lies in `$XDG_CACHE_HOME/cnnjax/xla` (`~/.cache/cnnjax/xla` without that variable),
    and `JAX_COMPILATION_CACHE_DIR` moves it.
    """
    if importlib.metadata.version("jaxlib").startswith(ACCEPTED_BY):
        os.environ.setdefault("XLA_FLAGS", CPU_FLAG)
    caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(caches / "cnnjax" / "xla"))
    # Our programs are many and small: every one is worth keeping.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
