"""The fault tests use the end-to-end suite's processes and fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

pytest_plugins = ["e2e.conftest"]
