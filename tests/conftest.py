"""What every test runs under: two CPU devices, checked shapes, warnings as errors."""

import os

# Before jax starts: a second device, so that sharded code is exercised on any machine.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from hypothesis import settings
from jaxtyping import install_import_hook

# Every signature's shapes and types are checked at run time while the tests run.
install_import_hook("cnnjax", "beartype.beartype")

# Compilation makes the first example slow, so a deadline would only measure the machine.
settings.register_profile("cnnjax", deadline=None, max_examples=15, derandomize=True)
settings.load_profile("cnnjax")
