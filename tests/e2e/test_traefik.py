"""A real Traefik in front, with the files of deploy/traefik: the published client, the SDKs, liars,
the slow and those who leave; gRPC to a real Collector past sigpost's judgement."""

import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from harness import clients, payload, wire
from harness.process import TREE, wait_until
from harness.signing import SECRET, signed
from harness.traefik import LABELS, SHIPPED

pytestmark = pytest.mark.heavy

PROXY = {"server": {"trusted_proxies": ["127.0.0.1"]}}
CLIENT = "127.0.0.77"  # an address of loopback that is no proxy's


class Stack:
    def __init__(self, house, **options):
        self.collector = house.collector()
        self.gateway = house.gateway_to(self.collector, PROXY)
        self.traefik = house.traefik(self.gateway, grpc=self.collector.grpc, **options)


@pytest.fixture(scope="module")
def stack(module_house):
    return Stack(module_house)


def unlimited():
    return {"average: 10": "average: 0"}


@pytest.fixture(scope="module")
def wide(module_house):
    """The same without Traefik's rate limit, for tests that send much."""
    return Stack(module_house, dynamic=unlimited())


def post(stack, signal="metrics", path=None, body=None, source=CLIENT, extra=(), **who):
    body = getattr(payload, signal)() if body is None else body
    headers = [*signed(f"/v1/{signal}", **who), *extra]
    return stack.traefik.post(path or f"/v1/{signal}", headers, body, source)


# --- the inline way ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", None], ids=["root", "own path"])
@pytest.mark.parametrize("signal", ["metrics", "traces", "logs"])
def test_an_export_arrives(wide, signal, path):
    name = f"traefik.{signal}.{path}"
    answer = post(wide, signal, path, getattr(payload, signal)(name))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Strict-Transport-Security").startswith("max-age=31536000")
    assert wide.collector.named(name)[0]["resource"]["sigpost.session.id"] == "e2e-session"


def test_refusals_come_through_whole(wide):
    answer = post(wide, secret="w" * 40)
    assert answer.status == 403
    assert answer.told()[1].startswith("invalid_signature: ")
    answer = wide.traefik.exchange("GET", "/v1/metrics")
    assert (answer.status, answer.header("Allow")) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/auth", "/metrics", "/metrics/clients", "/health", "/health/ready", "/new", "/v1/x"]
)
def test_what_is_not_the_publics_is_not_routed(wide, path):
    assert wide.traefik.exchange("GET", path).status == 404


def test_signed_is_the_path_as_traefik_passes_it_on(wide):
    """Traefik mends dot segments and needless escapes, and leaves the others: none of it leads to
    a path that was not signed."""
    for path in ("/v1/x/../metrics", "/v1/./metrics?a=b", "/v1//metrics", "/v1/%6detrics"):
        assert post(wide, path=path).status == 200
        assert post(wide, "traces", path=path, body=b"").status == 403
    assert post(wide, path="/v1%2fmetrics").status == 404
    assert post(wide, path="/v1/x/%2e%2e/metrics").status == 200


def test_plain_http_is_sent_to_https(wide):
    with wire.connect(wide.traefik.http) as sock:
        sock.sendall(wire.head("POST", "/v1/metrics", signed("/v1/metrics"), 0, host="localhost"))
        answer = wire.read_answer(sock)
    assert answer.status in (301, 308)
    assert answer.header("Location").startswith("https://localhost")


CAPTURES = TREE / "tests" / "data" / "captures"


@pytest.mark.parametrize("capture", sorted(CAPTURES.glob("root-*.http")), ids=lambda p: p.stem)
def test_the_published_client_byte_for_byte(wide, capture):
    """Its own headers and body, but for signature and time."""
    head, body = capture.read_bytes().split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    assert first.startswith("POST / ")
    signal = "traces" if "traces" in capture.stem else "metrics"
    kept = [line.split(": ", 1) for line in lines]
    kept = [(k, v) for k, v in kept if not re.match("(?i)host|content-length|x-kms-(sig|tim)", k)]
    session = next((v for k, v in kept if re.fullmatch("(?i)x-kms-session(-id)?", k)), "")
    fresh = [h for h in signed(f"/v1/{signal}", session=session) if "Session" not in h[0]]
    stored = wide.gateway.stored()
    answer = wide.traefik.exchange("POST", "/", [*kept, *fresh], body, CLIENT)
    assert (answer.status, answer.body) == (200, b"")
    assert wide.gateway.stored() == stored + 1


def run_sdk(wide, argv, session):
    certificate = str(wide.traefik.certificate.file)
    done = subprocess.run(
        [*map(str, argv), wide.traefik.url, "protobuf", "gzip", "0"],
        env={
            **os.environ,
            "SIGPOST_SECRET": SECRET,
            "CLIENT_SESSION": session,
            "REQUESTS_CA_BUNDLE": certificate,
            "NODE_EXTRA_CA_CERTS": certificate,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_sdks(wide, language):
    """What each prints is what it gave its exporter: as many items arrive."""
    session = f"traefik-{language}"
    argv = {"python": clients.python, "javascript": clients.javascript}[language]()
    given = run_sdk(wide, argv, session).splitlines()
    assert len(given) > 10

    def arrived():
        return sum(
            item["resource"].get("sigpost.session.id") == session
            for item in wide.collector.items()
        )

    wait_until(lambda: arrived() == len(given), 15, f"{len(given)} items of {session}")


def dotnet():
    program = os.environ.get("SIGPOST_DOTNET_CLIENT")
    if not program:
        pytest.skip("the published client: SIGPOST_DOTNET_CLIENT does not name the program")
    return program


def test_the_published_client_itself(wide):
    done = subprocess.run(
        [dotnet(), wide.traefik.url, "2", "--every", "50"],
        env={
            **os.environ,
            "KOTORMODSYNC_SIGNING_SECRET": SECRET,
            "CLIENT_SESSION": "traefik-dotnet",
            "SSL_CERT_FILE": str(wide.traefik.certificate.file),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "exports ok=5 failed=0" in done.stdout, done.stdout + done.stderr
    wide.gateway.wait_log("session=traefik-dotnet ip=127.0.0.1 ")
    wide.collector.wait_names(["kotormodsync.events", "mod.install"])


def test_keep_alive(wide):
    stored = wide.gateway.stored()
    with wide.traefik.connect(CLIENT) as sock:
        for n in range(50):
            body = payload.metrics(value=n)
            headers = [wire.PROTOBUF, *signed("/v1/metrics")]
            sock.sendall(wire.head("POST", "/", headers, len(body), host="localhost") + body)
            assert wire.read_answer(sock).status == 200
    assert wide.gateway.stored() == stored + 50


def test_a_client_that_waits_for_100_continue(wide):
    """As .NET Framework does; Traefik hands the header on to sigpost, and to /auth."""
    expect = ("Expect", "100-continue")
    assert post(wide, extra=[expect]).status == 200
    before = wide.gateway.verdicts("ok")
    path = CALLS["metrics"]
    # What a collector for gRPC says to a call over HTTP/1.1 is its own affair.
    wide.traefik.post(path, [*signed(path), expect], b"", CLIENT)
    assert wide.gateway.verdicts("ok") == before + 1


def test_http2(wide, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(payload.metrics("traefik.http2"))
    headers = [f"-H{name}: {value}" for name, value in [wire.PROTOBUF, *signed("/v1/metrics")]]
    done = subprocess.run(
        [
            *("curl", "-sS", "--http2", "--cacert", wide.traefik.certificate.file),
            *("-w", "%{http_version} %{http_code}", "--data-binary", f"@{body}", *headers),
            f"{wide.traefik.url}/v1/metrics",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("2 200", "")
    wide.collector.wait_names(["traefik.http2"])


def test_a_slow_client_is_served(wide):
    body = payload.metrics("traefik.slow")
    data = wire.head("POST", "/", [wire.PROTOBUF, *signed("/v1/metrics")], len(body), "localhost")
    with wide.traefik.connect(CLIENT) as sock:
        for byte in range(0, len(data + body), 20):
            sock.sendall((data + body)[byte : byte + 20])
            time.sleep(0.03)
        assert wire.read_answer(sock).status == 200
    wide.collector.wait_names(["traefik.slow"])


def test_a_client_that_leaves_in_the_middle(wide):
    """Nothing of it is stored, and the connections behind Traefik are not out of step after it."""
    stored, failed = wide.gateway.stored(), wide.gateway.verdicts("ok")
    body = payload.metrics("traefik.left")
    for n in range(30):
        with wide.traefik.connect(CLIENT) as sock:
            head = wire.head("POST", "/", signed("/v1/metrics"), len(body) + 1, host="localhost")
            sock.sendall(head + body)
            if n % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    for n in range(30):
        assert post(wide, body=payload.metrics("traefik.stayed", n)).status == 200
    assert wide.gateway.stored() == stored + 30
    assert wide.gateway.verdicts("ok") == failed + 30


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_a_body_too_large(wide, form):
    """413 with a Status. Where Traefik is still writing when sigpost hangs up, the answer is lost and
    the client hears 502, or nothing: then it tries again, and learns."""
    stored = wide.gateway.stored()

    def told():
        try:
            status = send_large(wide, 6 * 1024 * 1024, form)
        except OSError:
            return False
        assert status in (413, 502)
        return status == 413

    wait_until(told, 60, "413")
    assert wide.gateway.stored() == stored


def large(size, form):
    """Head and body, in pieces."""
    headers = [wire.PROTOBUF, *signed("/v1/metrics")]
    piece = b"x" * 65536
    if form == "length":
        yield wire.head("POST", "/v1/metrics", headers, size, host="localhost")
        yield from [piece] * (size // len(piece))
    else:
        chunked = ("Transfer-Encoding", "chunked")
        yield wire.head("POST", "/v1/metrics", [*headers, chunked], host="localhost")
        yield from [b"10000\r\n" + piece + b"\r\n"] * (size // len(piece))
        yield b"0\r\n\r\n"


def send_large(wide, size, form):
    """Sends until nobody takes it any more, then reads the answer, as HTTP clients do."""
    with wide.traefik.connect(CLIENT) as sock:
        with contextlib.suppress(OSError):
            for data in large(size, form):
                sock.sendall(data)
        answer = wire.read_answer(sock)
    if answer.status == 413:
        assert answer.told()[1].startswith("body_too_large: ")
    return answer.status


# --- who is asking ----------------------------------------------------------------------------------

SPOOFED = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Real-Ip", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9"),
    ("X-Forwarded-Method", "POST"),
    ("X-Forwarded-Uri", "/v1/traces"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Prefix", "/admin"),
    ("X_Forwarded_For", "203.0.113.9"),
    ("X.Forwarded.For", "203.0.113.9"),
    ("X-Auth-Status", "valid"),
]


def test_what_a_client_says_of_itself_counts_for_nothing(wide):
    session = "traefik-spoof"
    assert post(wide, session=session, source="127.0.0.78", extra=SPOOFED).status == 200
    assert f"session={session} ip=127.0.0.78 " in wide.gateway.log()
    assert post(wide, session=session, secret="w" * 40, source="127.0.0.79", extra=SPOOFED).status == 403
    assert f"reason=invalid_signature session={session} ip=127.0.0.79" in wide.gateway.log()
    assert "203.0.113.9" not in wide.gateway.log()


CDN = "127.0.0.50"
BEHIND_CDN = {
    "    transport:\n": f"    forwardedHeaders:\n      trustedIPs: [{CDN}]\n    transport:\n"
}
# What docs/traefik.md says for ForwardAuth behind a CDN.
AUTH_BEHIND_CDN = {
    "ipv6Subnet: 64": "depth: 1",
    "trustForwardHeader: false": "trustForwardHeader: true",
    "telemetry-rate, telemetry-auth": "telemetry-rate, telemetry-no-claims, telemetry-auth",
    "    telemetry-auth:\n": """\
    telemetry-no-claims:
      headers:
        customRequestHeaders:
          X-Forwarded-Method: ""
          X-Forwarded-Uri: ""

    telemetry-auth:
""",
}


@pytest.mark.parametrize("auth", [{}, AUTH_BEHIND_CDN], ids=["as shipped", "as documented"])
def test_behind_a_cdn(house, auth):
    """The CDN passes on what its own clients say of the path; that must not be what is judged."""
    gateway = house.gateway({"server": {"trusted_proxies": ["127.0.0.1", CDN]}})
    traefik = house.traefik(gateway, static=BEHIND_CDN, dynamic=auth)
    far = [("X-Forwarded-For", "198.51.100.7")]
    headers = [*signed("/v1/metrics", session="inline"), *far]
    assert traefik.post("/v1/metrics", headers, payload.metrics(), CDN).status == 200
    assert "session=inline ip=198.51.100.7 " in gateway.log()

    claims = [*far, ("X-Forwarded-Uri", "/v1/metrics"), ("X-Forwarded-Method", "POST")]
    path = CALLS["traces"]
    headers = [*signed("/v1/metrics", session="asked"), *claims]
    assert traefik.post(path, headers, b"", CDN).status == 403
    # Who is no CDN of ours is not believed.
    headers = [*signed("/v1/metrics", session="liar"), *far]
    assert traefik.post("/v1/metrics", headers, payload.metrics(), "127.0.0.51").status == 200
    assert "session=liar ip=127.0.0.51 " in gateway.log()
    # Passed, and then there is no collector. The address is the far client's only as documented.
    assert traefik.post(path, [*signed(path, session="good"), *claims], b"", CDN).status == 502
    seen = "198.51.100.7" if auth else CDN
    assert f"session=good ip={seen} " in gateway.log()


def test_each_client_has_its_own_rate_at_sigpost(module_house):
    gateway = module_house.gateway(
        {**PROXY, "rate": {"burst": 3}}, env={"SIGPOST_RATE_PER_ADDRESS": "1"}
    )
    traefik = module_house.traefik(gateway, dynamic=unlimited())

    def send(source, claim):
        headers = [*signed("/v1/metrics"), ("X-Forwarded-For", claim)]
        return traefik.post("/v1/metrics", headers, payload.metrics(), source)

    answers = [send("127.0.0.5", f"198.51.100.{n}") for n in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].header("Retry-After") == "1"
    assert answers[3].told()[1].startswith("rate_limited: ")
    assert "reason=rate_limited ip=127.0.0.5" in gateway.log()
    assert send("127.0.0.6", "127.0.0.5").status == 200


def burst(stack, source, n=100):
    """The statuses of n requests that are sent at once, on one connection."""
    data = [wire.head("GET", "/v1/metrics", host="localhost")] * (n - 1)
    data.append(wire.head("GET", "/v1/metrics", [("Connection", "close")], host="localhost"))
    with stack.traefik.connect(source) as sock:
        sock.sendall(b"".join(data))
        said = sock.makefile("rb").read()
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", said)]
    assert len(statuses) == n
    return statuses


def test_each_client_has_its_own_rate_at_traefik(stack):
    statuses = burst(stack, "127.0.0.8")
    assert statuses[:20] == [405] * 20
    assert 429 in statuses and set(statuses) == {405, 429}
    assert post(stack, source="127.0.0.9").status == 200


def test_a_gateway_that_is_away_is_no_lost_data(house):
    """502 is tried again by clients that try; with ForwardAuth it would be 500, which is not."""
    gateway = house.gateway(PROXY)
    traefik = house.traefik(gateway)
    gateway.terminate()
    answer = traefik.post("/v1/metrics", signed("/v1/metrics"), payload.metrics())
    assert answer.status == 502
    path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    assert traefik.post(path, signed(path), payload.metrics()).status == 500
    gateway.start()
    assert traefik.post("/v1/metrics", signed("/v1/metrics"), payload.metrics()).status == 200


def seconds(path, pattern):
    return int(re.search(pattern, (TREE / path).read_text()).group(1))


def test_idle_connections_end_at_traefik_first():
    """Else a request may be sent into a connection that sigpost is just closing."""
    idle = seconds("deploy/traefik/traefik.yaml", r"idleConnTimeout: (\d+)s")
    assert idle < seconds("docs/configuration.md", r"`server.request_timeout` \| `(\d+)s`")


# --- gRPC past sigpost, by ForwardAuth --------------------------------------------------------------

GRPC_CLIENT = Path(__file__).parent / "harness" / "grpc_client.py"
CALLS = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


numbers = itertools.count()


def grpc(stack, signal, name, headers):
    """(exit status, what it said) of a program with the SDK's own exporter over gRPC."""
    done = subprocess.run(
        [sys.executable, GRPC_CLIENT, f"localhost:{stack.traefik.https}", signal, name],
        env={
            **os.environ,
            "CLIENT_HEADERS": "\n".join(f"{k.lower()}={v}" for k, v in headers),
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(stack.traefik.certificate.file),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module", params=["get", "own method"])
def asking(request, module_house, wide):
    """Traefik asks with GET, or with the request's own method."""
    if request.param == "get":
        return wide
    return Stack(
        module_house,
        dynamic={
            **unlimited(),
            "trustForwardHeader: false": "trustForwardHeader: false\n"
            "        preserveRequestMethod: true",
        },
    )


@pytest.mark.parametrize("signs", ["the call", "the signal"])
@pytest.mark.parametrize("signal", CALLS)
def test_grpc_to_the_collector(asking, signal, signs):
    path = CALLS[signal] if signs == "the call" else f"/v1/{signal}"
    name = f"grpc.{next(numbers)}"
    before = asking.gateway.verdicts("ok")
    code, said = grpc(asking, signal, name, signed(path, session="grpc-run"))
    assert code == 0, said
    asking.collector.wait_names([name])
    assert asking.gateway.verdicts("ok") > before
    assert "session=grpc-run ip=127.0.0.1 " in asking.gateway.log()


@pytest.mark.parametrize(
    "headers, status",
    [
        (lambda: [], "UNAUTHENTICATED"),
        (lambda: signed("/v1/metrics", secret="w" * 40), "PERMISSION_DENIED"),
        (lambda: signed("/v1/traces"), "PERMISSION_DENIED"),
        (lambda: [*signed("/v1/traces"), ("x-forwarded-uri", "/v1/traces")], "PERMISSION_DENIED"),
        (lambda: [("x-auth-status", "valid")], "UNAUTHENTICATED"),
    ],
    ids=["unsigned", "wrong secret", "another signal", "spoofed path", "claims to be valid"],
)
def test_grpc_that_is_refused(asking, headers, status):
    name = f"grpc.refused.{next(numbers)}"
    code, said = grpc(asking, "metrics", name, headers())
    assert code == 1 and status in said, said
    assert post(asking, body=payload.metrics("grpc.after")).status == 200
    asking.collector.wait_names(["grpc.after"])
    assert not [item for item in asking.collector.items() if item["name"] == name]


# --- the same by labels -----------------------------------------------------------------------------


def test_labels_say_what_the_file_says(module_house):
    stack = Stack(module_house, labels=True)
    assert post(stack, path="/", body=payload.metrics("labels.root")).status == 200
    stack.collector.wait_names(["labels.root"])
    assert stack.traefik.exchange("GET", "/metrics").status == 404
    assert post(stack).header("X-Content-Type-Options") == "nosniff"
    code, said = grpc(stack, "traces", "labels.call", signed("/v1/traces"))
    assert code == 0, said
    stack.collector.wait_names(["labels.call"])
    code, said = grpc(stack, "traces", "labels.refused", signed("/v1/logs"))
    assert code == 1 and "PERMISSION_DENIED" in said
    statuses = burst(stack, "127.0.0.8")
    assert statuses[:20] == [405] * 20 and 429 in statuses


def flat(node, prefix=""):
    """A file's settings as Traefik's labels: lower case, lists joined by commas."""
    if isinstance(node, dict):
        return {k: v for key in node for k, v in flat(node[key], f"{prefix}.{key}").items()}
    if isinstance(node, list):
        node = ",".join(map(str, node))
    return {prefix.lower(): str(node).lower() if isinstance(node, bool) else str(node)}


@pytest.mark.parametrize("part", LABELS)
def test_labels_and_file_are_one(part):
    text = (SHIPPED / f"{part}.yaml").read_text()
    file = flat({"http": yaml.safe_load(text)["http"]}, "traefik")
    services = yaml.safe_load((SHIPPED / LABELS[part]).read_text())["services"].values()
    labels = {k.lower(): v for service in services for k, v in service["labels"].items()}
    labels.pop("traefik.enable")

    def without_servers(settings):
        return {k: v for k, v in settings.items() if ".loadbalancer.server" not in k}

    assert without_servers(labels) == without_servers(file)
