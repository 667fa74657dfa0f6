"""A real Prometheus that scrapes every second, asked through its own API."""

import json
import urllib.error
import urllib.parse
import urllib.request

from .process import Process, free_port, wait_until


class Prometheus:
    def __init__(self, directory, targets, options=(), **more):
        """targets: {job: (port, path)}; options: of the command line; more: groups of the
        configuration."""
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None
        jobs = [
            {
                "job_name": job,
                "metrics_path": path,
                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
            }
            for job, (port, path) in targets.items()
        ]
        # JSON is YAML.
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": jobs,
            **more,
        }
        self.options = list(options)
        (self.dir / "prometheus.yml").write_text(json.dumps(config))

    def start(self):
        self.process = Process(
            "prometheus",
            [
                "/usr/bin/prometheus",
                f"--config.file={self.dir / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.dir / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                *self.options,
            ],
            self.dir / "prometheus.log",
        )
        self.process.wait_ready(self._ready, 20)
        return self

    def _ready(self):
        try:
            url = f"http://127.0.0.1:{self.port}/-/ready"
            return urllib.request.urlopen(url, timeout=2).status == 200
        except OSError:
            return False

    def _ask(self, what, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?" + urllib.parse.urlencode(parameters)
        try:
            answer = json.load(urllib.request.urlopen(url, timeout=5))
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{parameters}: {refused.read().decode()}") from None
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        rows = self._ask("query", query=expression)["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def query_range(self, expression, start, end, step=1):
        """[(labels, [value...])]"""
        rows = self._ask("query_range", query=expression, start=start, end=end, step=step)["result"]
        return [(row["metric"], [float(v) for _, v in row["values"]]) for row in rows]

    def label_values(self, series, label):
        return self._ask(f"label/{label}/values", **{"match[]": series})

    def value(self, expression):
        rows = self.query(expression)
        assert len(rows) <= 1, rows
        return rows[0][1] if rows else None

    def wait_value(self, expression, wanted, timeout=20):
        seen = []

        def look():
            seen[:] = [self.value(expression)]
            return seen[0] == wanted

        wait_until(look, timeout, f"{expression} to be {wanted} (it is {seen})", every=0.2)

    def close(self):
        if self.process is not None:
            self.process.kill()
