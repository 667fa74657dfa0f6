"""A real OpenTelemetry Collector: OTLP in, a file of JSON lines and a Prometheus exporter out."""

import json
import os
import signal
import subprocess

from . import payload
from .process import TREE, Process, accepts, free_port, wait_until

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{grpc}
      http:
        endpoint: 127.0.0.1:{otlp}
exporters:
  file:
    path: {file}
    append: true
    flush_interval: 50ms
  prometheus:
    endpoint: 127.0.0.1:{prometheus}
    resource_to_telemetry_conversion:
      enabled: true
extensions:
  health_check:
    endpoint: 127.0.0.1:{health}
service:
  extensions: [health_check]
  telemetry:
    metrics:
      level: none
    logs:
      level: warn
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [file, prometheus]
    traces:
      receivers: [otlp]
      exporters: [file]
    logs:
      receivers: [otlp]
      exporters: [file]
"""


def program():
    """The path of the Collector, built on first use (tests/e2e/collector/build)."""
    given = os.environ.get("SIGPOST_OTELCOL")
    if given:
        return given
    built = subprocess.run(
        [TREE / "tests/e2e/collector/build"], check=True, stdout=subprocess.PIPE, text=True
    )
    return built.stdout.strip().splitlines()[-1]


class Collector:
    """Ports and files are chosen once, so that it may go down and come back at the same place."""

    def __init__(self, directory, binary):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.binary = binary
        self.otlp, self.grpc = free_port(), free_port()
        self.prometheus, self.health = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.otlp}"
        self.file = self.dir / "out.jsonl"
        (self.dir / "collector.yaml").write_text(CONFIG.format(**vars(self)))
        self.process = None

    def start(self):
        argv = [self.binary, "--config", self.dir / "collector.yaml"]
        self.process = Process("collector", argv, self.dir / "collector.log")
        self.process.wait_ready(
            lambda: accepts(self.health) and accepts(self.otlp) and accepts(self.prometheus), 20
        )
        return self

    def stop(self):
        if self.process is not None and self.process.alive():
            self.process.send(signal.SIGTERM)
            self.process.wait(20)

    def close(self):
        try:
            self.stop()
        finally:
            if self.process is not None:
                self.process.kill()

    def items(self):
        """Every point, span and record that was written so far; a line still being written is left
        for the next look."""
        if not self.file.exists():
            return []
        found = []
        for line in self.file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                found += payload.items(json.loads(line))
        return found

    def wait_items(self, wanted, timeout=15, what="items at the Collector"):
        """Waits until `wanted(items)` holds and returns the items."""
        wait_until(lambda: wanted(self.items()), timeout, what)
        return self.items()

    def wait_names(self, names, timeout=15):
        """Waits until an item of each name is there; the name of a record is its body, of any type."""

        def all_there(items):
            return all(any(item["name"] == name for item in items) for name in names)

        return self.wait_items(all_there, timeout, f"items {names}")

    def named(self, name, timeout=15):
        """Waits for an item of that name and returns all of them; a Collector that is shared has
        those of other tests too."""
        return [item for item in self.wait_names([name], timeout) if item["name"] == name]


class DeployedCollector:
    """Runs deploy/collector/config.yaml with overlays, on ports of its own by the environment."""

    def __init__(self, directory, binary, overlays, env):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        names = ("OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "METRICS_PORT", "SELF_PORT", "HEALTH_PORT")
        ports = {name: free_port() for name in names}
        self.otlp, self.prometheus = ports["OTLP_HTTP_PORT"], ports["METRICS_PORT"]
        self.own, self.health = ports["SELF_PORT"], ports["HEALTH_PORT"]
        self.url = f"http://127.0.0.1:{self.otlp}"
        self.queue = self.dir / "queue"
        self.env = {
            **os.environ,
            **{name: str(port) for name, port in ports.items()},
            "LISTEN_ADDRESS": "127.0.0.1",
            "QUEUE_DIR": str(self.queue),
            **env,
        }
        self.argv = [binary, *config_options(*overlays)]
        self.process = None

    def start(self):
        self.process = Process("collector", self.argv, self.dir / "collector.log", env=self.env)
        self.process.wait_ready(lambda: accepts(self.health) and accepts(self.otlp), 20)
        return self

    def close(self):
        if self.process is not None:
            self.process.kill()


def config_options(*overlays):
    files = [f"{name}.yaml" for name in ("config", *overlays)]
    return [word for file in files for word in ("--config", TREE / "deploy/collector" / file)]
