"""A real Traefik with the configuration of deploy/traefik: only names and ports are other ones."""

import os
import signal
import socket
import subprocess

import yaml

from . import wire
from .docker_engine import Engine
from .process import TREE, Process, accepts, free_port
from .tls import Certificate

SHIPPED = TREE / "deploy" / "traefik"
# Which file says as labels what a file of the file provider says.
LABELS = {"dynamic": "labels.yaml", "lobby": "lobby-labels.yaml"}


def program():
    """The path of Traefik, built on first use (tests/e2e/tools/traefik/build)."""
    given = os.environ.get("SIGPOST_TRAEFIK")
    if given:
        return given
    built = subprocess.run(
        [TREE / "tests/e2e/tools/traefik/build"], check=True, stdout=subprocess.PIPE, text=True
    )
    return built.stdout.strip().splitlines()[-1]


def swap(text, changes):
    """Replaces each text, all of which must be there."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the shipped file"
        text = text.replace(old, str(new))
    return text


class Traefik:
    """TLS on `https`, plain HTTP (redirected) on `http`. gateway is a Gateway; grpc the port of a
    collector, app that of a program behind the lobby; `static` and `dynamic` are further changes of the shipped files. With `labels`, what
    dynamic.yaml says comes from labels.yaml, by way of a Docker Engine."""

    def __init__(
        self, directory, gateway, grpc=None, app=None, static=None, dynamic=None, labels=False
    ):
        self.dir = directory
        (self.dir / "dynamic").mkdir(parents=True)
        self.gateway = gateway
        self.http, self.https = free_port(), free_port()
        self.url = f"https://localhost:{self.https}"
        self.certificate = Certificate(self.dir)
        self.process = None
        self._engine = None
        places = {
            '":80"': f'"127.0.0.1:{self.http}"',
            '":443"': f'"127.0.0.1:{self.https}"',
            "/letsencrypt/acme.json": self.dir / "acme.json",
            "/etc/traefik/dynamic": self.dir / "dynamic",
        }
        text = swap((SHIPPED / "traefik.yaml").read_text(), {**places, **(static or {})})
        parts = ["dynamic"] if app is None else ["dynamic", "lobby"]
        if labels:
            self._engine = Engine(self._labels(parts, grpc or free_port(), app))
            text += f"  docker:\n    endpoint: {self._engine.url}\n    exposedByDefault: false\n"
        else:
            self._write_dynamic(parts, grpc or free_port(), app, dynamic or {})
        (self.dir / "traefik.yaml").write_text(text)
        # The resolver of the shipped files has nobody to ask: this one is served until it has.
        (self.dir / "dynamic" / "tls.yaml").write_text(
            "tls: {stores: {default: {defaultCertificate: "
            f"{{certFile: '{self.certificate.file}', keyFile: '{self.certificate.key}'}}}}}}}}\n"
        )

    def _write_dynamic(self, parts, grpc, app, changes):
        places = {
            "telemetry.example.com": "localhost",
            "app.example.com": "app.localhost",
            "http://sigpost:8080": f"http://127.0.0.1:{self.gateway.port}",
            "h2c://collector:4317": f"h2c://127.0.0.1:{grpc}",
            "http://app:3000": f"http://127.0.0.1:{app}",
        }
        for part in parts:
            text = (SHIPPED / f"{part}.yaml").read_text()
            text = swap(text, changes if part == "dynamic" else {})
            text = swap(text, {old: new for old, new in places.items() if old in text})
            (self.dir / "dynamic" / f"{part}.yaml").write_text(text)

    def _labels(self, parts, grpc, app):
        """{service: its labels}"""
        places = {
            "telemetry.example.com": "localhost",
            "app.example.com": "app.localhost",
            "http://sigpost:8080": f"http://127.0.0.1:{self.gateway.port}",
            'port: "8080"': f'port: "{self.gateway.port}"',
            'port: "4317"': f'port: "{grpc}"',
            'port: "3000"': f'port: "{app}"',
        }
        found = {}
        for part in parts:
            text = (SHIPPED / LABELS[part]).read_text()
            text = swap(text, {old: new for old, new in places.items() if old in text})
            for name, service in yaml.safe_load(text)["services"].items():
                found.setdefault(name, {}).update(service["labels"])
        return found

    def start(self):
        argv = [program(), f"--configFile={self.dir / 'traefik.yaml'}"]
        self.process = Process("traefik", argv, self.dir / "traefik.log")
        self.process.wait_ready(lambda: accepts(self.https) and self._routes(), 30)
        return self

    def _routes(self):
        """sigpost itself says that an export is no GET; Traefik without routers knows no path."""
        try:
            return self.exchange("GET", "/v1/metrics").status == 405
        except OSError:
            return False

    def close(self):
        if self._engine is not None:
            self._engine.close()
        if self.process is None:
            return
        try:
            if self.process.alive():
                self.process.send(signal.SIGTERM)
                self.process.wait(20)
        finally:
            self.process.kill()

    # --- asking -------------------------------------------------------------------------------

    def connect(self, source="127.0.0.1"):
        """A TLS connection of a client at that address of loopback."""
        plain = socket.create_connection(
            ("127.0.0.1", self.https), timeout=15, source_address=(source, 0)
        )
        return self.certificate.context().wrap_socket(plain, server_hostname="localhost")

    def exchange(
        self, method, path, headers=(), body=None, source="127.0.0.1", host="localhost"
    ):
        length = None if body is None else len(body)
        with self.connect(source) as sock:
            sock.sendall(wire.head(method, path, headers, length, host))
            if body:
                sock.sendall(body)
            return wire.read_answer(sock, method)

    def post(self, path, headers, body, source="127.0.0.1"):
        return self.exchange("POST", path, [wire.PROTOBUF, *headers], body, source)
