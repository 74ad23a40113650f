"""Recomputes the numbers of a run from its config.yaml and data set, as the page docs/reference/semantics.md says."""

import os

# Before JAX is loaded. Compiling takes most of the time of a short case; without optimisation it takes a third.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
os.environ.setdefault("JAX_ENABLE_X64", "1")


def keep_compiled(directory):
    """Lets JAX keep what it compiles there, so that cases with equal networks share it."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(directory))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
