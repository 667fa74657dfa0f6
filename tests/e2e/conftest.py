"""Fixtures: factories of real processes, all of which are stopped when the test ends."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import collector as collector_module  # noqa: E402
from harness import process  # noqa: E402
from harness.collector import Collector, DeployedCollector  # noqa: E402
from harness.gateway import Gateway  # noqa: E402
from harness.prometheus import Prometheus  # noqa: E402
from harness.traefik import Traefik  # noqa: E402


class House:
    """Starts things, each in a directory of its own, and closes them in reverse order."""

    def __init__(self, directory, stack):
        self._dir = directory
        self._stack = stack
        self._count = 0

    def _place(self, name):
        self._count += 1
        return self._dir / f"{self._count}-{name}"

    def _keep(self, thing):
        self._stack.callback(thing.close)
        return thing

    def keep(self, kind, *args, **options):
        """A thing of any kind that has close()."""
        return self._keep(kind(self._place(kind.__name__.lower()), *args, **options))

    def gateway(self, config=None, start=True, **options):
        gateway = self._keep(Gateway(self._place("sigpost"), config, **options))
        return gateway.start() if start else gateway

    def collector(self, start=True):
        collector = self._keep(Collector(self._place("collector"), collector_module.program()))
        return collector.start() if start else collector

    def deployed_collector(self, *overlays, **env):
        """One that runs the configurations of deploy/collector."""
        return self._keep(
            DeployedCollector(self._place("collector"), collector_module.program(), overlays, env)
        ).start()

    def prometheus(self, options=(), more=None, **targets):
        return self._keep(
            Prometheus(self._place("prometheus"), targets, options, **(more or {}))
        ).start()

    def traefik(self, gateway, **options):
        return self._keep(Traefik(self._place("traefik"), gateway, **options)).start()

    def gateway_to(self, collector, config=None, **options):
        """A gateway whose only destination is this Collector."""
        export = {
            "destinations": [{"type": "otlp", "url": collector.url}],
            "retry_initial": "100ms",
            "retry_max": "500ms",
            "batch_age": "50ms",
        }
        return self.gateway({"export": export, **(config or {})}, **options)


@pytest.fixture
def house(tmp_path):
    with contextlib.ExitStack() as stack:
        yield House(tmp_path, stack)


@pytest.fixture(scope="module")
def module_house(tmp_path_factory):
    """The same for a file whose tests share their processes."""
    with contextlib.ExitStack() as stack:
        yield House(tmp_path_factory.mktemp("house"), stack)


def pytest_collection_modifyitems(config, items):
    """What the markers `heavy` and `long` leave out of this run is not even begun."""

    def left_out(item):
        heavy = process.SANITIZED and item.get_closest_marker("heavy")
        return heavy or (not os.environ.get("SIGPOST_LONG") and item.get_closest_marker("long"))

    dropped = [item for item in items if left_out(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its processes said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for child in process.started:
            if child.alive() or item.funcargs.get("tmp_path") in child.log_path.parents:
                report.sections.append((f"{child.name} ({child.log_path.parent})", child.tail()))


def pytest_runtest_teardown(item, nextitem):
    process.started[:] = [child for child in process.started if child.alive()]
