"""nginx and Apache in front, with the snippets of deploy/: a base path, and gRPC by auth_request."""

import os
import subprocess
import sys

import pytest

from harness import payload, wire
from harness.signing import signed
from harness.webservers import Apache, Nginx
from test_traefik import CALLS, GRPC_CLIENT

pytestmark = pytest.mark.heavy

PROXY = {"server": {"trusted_proxies": ["127.0.0.1"]}}


class Stack:
    def __init__(self, house, server):
        self.collector = house.collector()
        self.gateway = house.gateway_to(self.collector, PROXY)
        if server is Nginx:
            self.server = house.keep(Nginx, self.gateway, grpc=self.collector.grpc)
        else:
            self.server = house.keep(Apache, self.gateway)
        self.said = self.server.checked()
        self.server.start()


@pytest.fixture(scope="module")
def nginx(module_house):
    return Stack(module_house, Nginx)


@pytest.fixture(scope="module", params=[Nginx, Apache], ids=["nginx", "apache"])
def stack(request, module_house):
    if request.param is Nginx:
        return request.getfixturevalue("nginx")
    return Stack(module_house, Apache)


def test_the_snippets_are_in_order(stack):
    code, said = stack.said
    assert code == 0, said
    assert "warn" not in said.lower(), said


@pytest.mark.parametrize("path", ["/", "/v1/metrics"])
def test_an_export_under_the_base_path(stack, path):
    name = f"base.{stack.server.name}.{len(path)}"
    answer = stack.server.post(f"/sigpost{path}", signed("/v1/metrics"), payload.metrics(name))
    assert (answer.status, answer.body) == (200, b"")
    stack.collector.wait_names([name])


def test_the_prefix_is_not_signed(stack):
    answer = stack.server.post(
        "/sigpost/v1/metrics", signed("/sigpost/v1/metrics"), payload.metrics()
    )
    assert answer.status == 403
    assert answer.told()[1].startswith("invalid_signature: ")


def test_pages_are_there(stack):
    assert stack.server.exchange("GET", "/sigpost/capacity").json()["available"] is True


@pytest.mark.parametrize("inside", ["metrics", "metrics/clients", "health", "health/ready", "auth"])
def test_the_inside_is_not(stack, inside):
    for path in (f"/sigpost/{inside}", f"/sigpost//{inside}", f"/sigpost/./{inside}?x=y"):
        assert stack.server.exchange("GET", path).status == 404, path
    escaped = f"%{ord(inside[0]):x}{inside[1:]}"
    for path in (f"/sigpost/{escaped}", f"/sigpost/x/../{inside}", f"/sigpost/x/%2e%2e/{inside}"):
        assert stack.server.exchange("GET", path).status in (400, 404), path


def test_the_address_is_the_clients(stack):
    claims = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]
    headers = [*signed("/v1/metrics", session=f"base-{stack.server.name}"), *claims]
    assert stack.server.post("/sigpost/v1/metrics", headers, payload.metrics()).status == 200
    assert f"session=base-{stack.server.name} ip=127.0.0.1 " in stack.gateway.log()
    assert "203.0.113.9" not in stack.gateway.log()


def test_a_body_too_large(stack):
    """Refused by the length alone, before sigpost hears of it."""
    with wire.connect(stack.server.port) as sock:
        headers = [wire.PROTOBUF, *signed("/v1/metrics")]
        sock.sendall(wire.head("POST", "/sigpost/v1/metrics", headers, 4 * 1024 * 1024 + 1))
        assert wire.read_answer(sock).status == 413
    assert stack.gateway.verdicts("body_too_large") == 0


# --- auth_request -----------------------------------------------------------------------------------


def grpc(stack, signal, name, headers):
    done = subprocess.run(
        [sys.executable, GRPC_CLIENT, f"localhost:{stack.server.https}", signal, name],
        env={
            **os.environ,
            "CLIENT_HEADERS": "\n".join(f"{k.lower()}={v}" for k, v in headers),
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(stack.server.certificate.file),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("signal", CALLS)
def test_grpc_to_the_collector(nginx, signal):
    code, said = grpc(nginx, signal, f"nginx.{signal}", signed(CALLS[signal]))
    assert code == 0, said
    nginx.collector.wait_names([f"nginx.{signal}"])


@pytest.mark.parametrize(
    "headers, status",
    [
        (lambda: [], "UNAUTHENTICATED"),
        (lambda: signed("/v1/metrics", secret="w" * 40), "PERMISSION_DENIED"),
        (lambda: [*signed("/v1/traces"), ("x-forwarded-uri", "/v1/traces")], "PERMISSION_DENIED"),
    ],
    ids=["unsigned", "wrong secret", "spoofed path"],
)
def test_grpc_that_is_refused(nginx, headers, status):
    code, said = grpc(nginx, "metrics", "nginx.refused", headers())
    assert code == 1 and status in said, said
    assert not [item for item in nginx.collector.items() if item["name"] == "nginx.refused"]


def test_what_nginx_read_otherwise_than_it_was_sent(nginx):
    """nginx finds its location by the mended path; the path as sent is what is judged."""
    call = CALLS["metrics"]
    headers = signed(call)
    for sent in (f"/x/..{call}", f"/.{call}", call.replace("/Export", "/%45xport"), f"/{call}"):
        assert nginx.server.post(sent, headers, b"").status == 403, sent
    assert nginx.server.exchange("GET", call, headers).status == 403
    assert nginx.server.exchange("GET", "/_sigpost_auth", headers).status == 404


def test_a_gateway_that_is_away_or_busy_is_tried_again(house):
    gateway = house.gateway(
        {**PROXY, "rate": {"burst": 1}}, env={"SIGPOST_RATE_PER_ADDRESS": "1"}
    )
    server = house.keep(Nginx, gateway, grpc=1).start()
    path = CALLS["metrics"]
    statuses = [server.post(path, signed("/v1/logs"), b"").status for _ in range(3)]
    assert statuses == [403, 503, 503]
    gateway.terminate()
    answer = server.post(path, signed(path), b"")
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
