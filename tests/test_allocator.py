"""The allocator's thresholds: memory freed by one array serves the next without the system."""

import resource
import subprocess
import sys

import pytest

from a3dgen.allocator import keep_freed_memory

FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from a3dgen.allocator import keep_freed_memory
    assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    np.ones(1 << 18)  # 2 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Page faults of 200 arrays made one after the other, as a worker that Dask starts would see them."""
    environment = {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, env=environment, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="this C library has no mallopt")
def test_freed_memory_is_used_again():
    page = resource.getpagesize()
    assert faults("give back") > 100 * (1 << 21) / page
    assert faults("keep") < 10 * (1 << 21) / page


HOLES = """
import numpy as np, re
from a3dgen import allocator
def resident():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
allocator.keep_freed_memory()
kept = [np.ones(1 << 17) for _ in range(400)]  # 1 MB each
kept = kept[::8]
before = resident()
allocator._released -= 100
allocator.release_holes()
print(before - resident())
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="this C library has no mallopt")
def test_holes_between_long_lived_arrays_are_given_back():
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 200
