"""What XLA is told before jax starts."""

import os
import subprocess
import sys
from platform import libc_ver

import pytest

from cnnjax import platform


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or cores() < 2,
    reason="needs two cores that processes can be told to use",
)

ON_SOME_CORES = (
    "import os, sys\n"
    "os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[1])])\n"
    "from cnnjax import platform; platform.configure(); import jax; from cnnjax import ops\n"
)


def printed(code, *arguments, **settings):
    """What a process of its own prints, in which nothing but `settings` was set for jax."""
    ours = ("XLA", "JAX", "MALLOC")
    clean = {name: os.environ[name] for name in os.environ if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=clean | {"JAX_PLATFORMS": "cpu"} | settings,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_every_core_is_a_device_and_the_cache_is_used(tmp_path):
    code = (
        "from cnnjax import platform; platform.configure(); import jax; "
        "print(jax.numpy.ones(3).sum(), jax.device_count())"
    )
    told = printed(code, XDG_CACHE_HOME=str(tmp_path))
    assert told.split() == ["3.0", str(cores())]
    assert any(tmp_path.glob("cnnjax/xla-*/*"))


@needs_two_cores
def test_a_program_compiled_for_one_core_is_not_taken_for_two(tmp_path):
    code = ON_SOME_CORES + (
        "program = jax.jit(jax.numpy.sin).lower(jax.numpy.ones((64, 2**16))).compile()\n"
        "print('outer_dimension_partitions' in program.as_text())"
    )
    divided = [printed(code, count, XDG_CACHE_HOME=str(tmp_path)) for count in ("1", "2")]
    assert divided == ["False\n", "True\n"]


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="only glibc is told")
@pytest.mark.parametrize(("variable", "kept"), [("", True), ("MALLOC_MMAP_MAX_", False)])
def test_freed_memory_is_kept_unless_the_user_says_how(variable, kept):
    # A result of 32 MiB is freed and made again by each call: new pages from the system, or none.
    code = (
        "from cnnjax import platform; platform.configure(); import jax, resource\n"
        "x = jax.numpy.ones((32, 2**18)); f = jax.jit(lambda x: 2 * x)\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def new_pages(calls):\n"
        "    before = faults()\n"
        "    for _ in range(calls): f(x).block_until_ready()\n"
        "    return (faults() - before) / calls / (x.nbytes / resource.getpagesize())\n"
        "print(min(new_pages(10) for _ in range(6)))\n"  # threads may take a while to settle
    )
    told = printed(code, **({variable: "65536"} if variable else {}))
    assert (float(told) < 0.5) == kept


def test_what_the_user_set_stays(monkeypatch):
    for name in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.setenv(name, "the user's")
    for name in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
        monkeypatch.setenv(f"JAX_PERSISTENT_CACHE_{name}", "7")
    before = dict(os.environ)
    platform.configure()
    assert dict(os.environ) == before


@needs_two_cores
def test_a_sum_over_many_pixels_has_the_same_bits_on_one_core_and_on_two(tmp_path):
    # A kernel's gradient sums over all positions of all images: kernels that cut such a sum into
    # as many parts as there are cores would train another network on each machine.
    code = ON_SOME_CORES + (
        "x, g = jax.random.normal(jax.random.key(0), (2, 64, 28, 28, 16))\n"
        "loss = lambda k, x, g: (ops.cross_correlate(x, k, padding='SAME') * g).sum()\n"
        "for size in (3, 5):\n"
        "    kernel = jax.numpy.zeros((size, size, 16, 16))\n"
        "    print(jax.jit(jax.grad(loss))(kernel, x, g).tobytes().hex())"
    )
    one, two = (printed(code, count, XDG_CACHE_HOME=str(tmp_path)) for count in ("1", "2"))
    assert one == two


def test_nobody_needs_a_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as of a user without one
    monkeypatch.setattr(platform, "_keep_memory", lambda: None)
    platform.configure()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
