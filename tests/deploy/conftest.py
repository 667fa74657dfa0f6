"""Static checks of deploy/: nothing is built and no process of ours runs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
