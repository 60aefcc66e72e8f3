"""What every test runs under: two CPU devices, checked shapes, warnings as errors."""

import gc
import os
import pathlib

from cnnjax import platform

# Before jax starts: a second device, so that sharded code is exercised on any machine, and no time
# spent on optimising programs that run for milliseconds, nor on XLA's newer emitters, which take
# twice as long to compile. Both round otherwise than what a launch runs, which tests must stand.
FLAGS = (
    "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    " --xla_cpu_use_fusion_emitters=false"
)
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What one worker has compiled the others find, and so does the next run of the tests.
CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / f"xla-{platform.usable_cores()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Compiled programs are kept, and with them many objects that a full collection would walk again and
# again: it comes a tenth as often.
gc.set_threshold(1000, 20, 100)

import jax  # noqa: E402
import jaxtyping  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# Every signature's shapes and types are checked at run time while the tests run.
jaxtyping.install_import_hook("cnnjax", "beartype.beartype")

# Compilation makes the first example slow, so a deadline would only measure the machine.
settings.register_profile("cnnjax", deadline=None, max_examples=15, derandomize=True)
settings.load_profile("cnnjax")


@pytest.fixture
def unchecked():
    """Without the checks of signatures: as launches run, so that the package's own can be seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def compilations():
    """A list to which every program that is compiled adds one entry."""
    found: list[str] = []

    def note(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield found
    jax.monitoring.unregister_event_duration_listener(note)
