"""The fault tests: the spool's promise under power cuts, failing disks and kills. They use the
end-to-end suite's processes and fixtures.

    1  power cut                        test_power_cut.py
    2  control: without fdatasync       test_power_cut.py
    3  an error from fdatasync          test_disk_errors.py
    4  killed at each system call       test_kills.py
    5  disk full                        test_disk_errors.py
    6  short writes                     test_disk_errors.py
    7  random I/O errors                test_disk_errors.py
    8  every truncation, flipped bit    tests/unit/otlp/spool/test_spool_recover.c
    9  order of sync and answer         test_order.py
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

pytest_plugins = ["e2e.conftest"]


@pytest.fixture
def sink():
    from harness.sink import Sink

    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def mount(tmp_path):
    """mount(directory, *arguments of mount): skips where mounting is not permitted."""
    with contextlib.ExitStack() as stack:

        def mount(place, *arguments):
            place.mkdir(exist_ok=True)
            done = subprocess.run(
                ["mount", *map(str, arguments), str(place)], capture_output=True, text=True
            )
            if done.returncode != 0:
                pytest.skip(
                    "NOT TESTED, root and loop devices are needed: "
                    f"mount {' '.join(map(str, arguments))}: {done.stderr.strip()}"
                )
            stack.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)
            return place

        yield mount
