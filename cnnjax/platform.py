"""What XLA and the allocator have to be told before jax starts, in one place."""

import ctypes
import os

# Parameters of glibc's mallopt (malloc.h), their values, and the variables by which users set them.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_KEEP = {
    _TRIM_THRESHOLD: (2**31 - 1, "MALLOC_TRIM_THRESHOLD_"),
    _MMAP_MAX: (0, "MALLOC_MMAP_MAX_"),
    _ARENA_MAX: (1, "MALLOC_ARENA_MAX"),
}


def usable_cores() -> int | None:
    """Returns how many cores this process may use; None where the system does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def configure(*, keep_memory: bool = True) -> None:
    """Sets XLA's flags, the compilation cache and the allocator; what the user has set stays.

    Call it before jax is imported. Every usable core is a device to jax, and the members of a group
    are divided among devices: two small networks, each on a core, take less time than one after the
    other on both. A program for one device still uses all cores.

    The cache makes the second launch of the same program start in seconds; it lies in
    `$XDG_CACHE_HOME/cnnjax/xla-N` (`~/.cache/cnnjax/xla-N` without that variable) for N usable
    cores, and `JAX_COMPILATION_CACHE_DIR` moves it. jax itself does not tell programs for different
    numbers of cores apart: one that was compiled for one core would be found again by a process
    with two, and leave the second idle.

    Args:
      keep_memory: Whether the process keeps the memory that it frees, where the C library is glibc.
        Arrays of megabytes would be given back to the system and asked for again by the next call,
        page by page: work on large images takes up to ten times as long, or does not, as the
        history of the process has it. The process stays as large as it was at its largest.
    """
    cores = usable_cores()
    # No flag for faster kernels: with `--xla_cpu_experimental_ynn_fusion_type` convolutions go to
    # Eigen, whose sums depend on chance when two devices share the cores.
    os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={cores}")
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not caches.startswith("~"):  # as it stays where nobody has a home: then without a cache
        folder = os.path.join(caches, "cnnjax", f"xla-{cores}")
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder)
    # Our programs are many and small: every one is worth keeping.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    if keep_memory:
        _keep_memory()


def _keep_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    for parameter, (value, variable) in _KEEP.items():
        if mallopt is not None and variable not in os.environ:
            mallopt(parameter, value)
