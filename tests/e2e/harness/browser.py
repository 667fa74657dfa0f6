"""Chromium, driven by the scenarios of tests/e2e/browser (playwright-core)."""

import json
import os
import subprocess

from .process import TREE

SCENARIOS = TREE / "tests" / "e2e" / "browser"


def run(scenario, timeout=120, **options):
    """Runs browser/SCENARIO.mjs; what it finds wrong fails the test. Returns what it returns."""
    modules = os.environ.get("SIGPOST_BROWSER_MODULES", str(SCENARIOS / "node_modules"))
    assert os.path.isdir(modules), f"{modules} is missing: run npm ci in {SCENARIOS}"
    done = subprocess.run(
        ["node", SCENARIOS / "run.mjs", scenario, json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "SIGPOST_BROWSER_MODULES": modules},
    )
    assert done.returncode == 0, f"{scenario}: {done.stderr[-6000:]}"
    return json.loads(done.stdout)
