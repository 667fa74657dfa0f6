"""Telemetry from web pages: the listed origins' browsers may send, and are told so in every answer;
all others are told nothing."""

import gzip

import pytest

from harness import payload, wire
from harness.process import wait_until
from harness.signing import signed

ORIGIN = "https://app.example.org"
SECOND = "http://localhost:3000"
SIGNING = """
x-kms-signature x-kms-timestamp x-kms-session-id x-kms-session x-kms-client-version x-kms-version
x-kms-build x-kms-key-id
""".split()
PATHS = ["/v1/metrics", "/v1/traces", "/v1/logs", "/"]
UNLISTED = [
    "https://evil.example.org",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org.evil.net",
    "https://app.example.orgs",
    "https://app.example.or",
    "https://app.example.org/",
    "null",
    "*",
    "",
    f"{ORIGIN}, {SECOND}",
]


@pytest.fixture(scope="module")
def gateway(module_house):
    return module_house.gateway(
        {"server": {"max_body": 64 * 1024}},
        env={"SIGPOST_SERVER_CORS_ORIGINS": f"{ORIGIN}, {SECOND}"},
    )


@pytest.fixture(scope="module")
def closed(module_house):
    """As it is by default: no web pages."""
    return module_house.gateway()


def words(text):
    return {word.strip().lower() for word in text.split(",")}


def preflight(gateway, origin, path="/v1/metrics", headers="content-type,x-kms-signature"):
    asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", headers),
    ]
    return wire.exchange(gateway.port, "OPTIONS", path, asked)


def allowed(answer):
    return {name.lower() for name, _ in answer.headers if name.lower().startswith("access-control")}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [ORIGIN, SECOND])
def test_preflight_of_a_listed_origin(gateway, origin, path):
    answer = preflight(gateway, origin, path)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert words(answer.header("Access-Control-Allow-Methods")) == {"post"}
    may = words(answer.header("Access-Control-Allow-Headers"))
    assert may == {"content-type", "content-encoding", *SIGNING}
    assert int(answer.header("Access-Control-Max-Age")) > 0
    assert "origin" in words(answer.header("Vary"))
    # Cookies play no part here.
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_a_204_has_no_body_and_the_connection_goes_on(gateway):
    """Neither length nor chunks (RFC 9110, 8.6; RFC 9112, 6.1), and the export follows on the same
    connection, as browsers do it."""
    body = payload.metrics()
    asked = [("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")]
    export = [wire.PROTOBUF, ("Origin", ORIGIN), *signed("/v1/metrics")]
    with wire.connect(gateway.port) as sock:
        for _ in range(2):
            sock.sendall(wire.head("OPTIONS", "/v1/metrics", asked))
            answer = wire.read_answer(sock, "OPTIONS")
            assert answer.status == 204
            assert answer.header("Content-Length") is None
            assert answer.header("Transfer-Encoding") is None
            assert answer.header("Connection") != "close"
        sock.sendall(wire.head("POST", "/v1/metrics", export, len(body)) + body)
        assert wire.read_answer(sock).status == 200


def listed_post(gateway, headers, body, content_type=wire.PROTOBUF, origin=ORIGIN, path=None):
    return wire.post(
        gateway.port, path or "/v1/metrics", [("Origin", origin), *headers], body, content_type
    )


@pytest.mark.parametrize("origin", [ORIGIN, SECOND])
@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
def test_the_answer_to_an_export(gateway, origin, content_type):
    meant = payload.metrics()
    body = payload.as_json("metrics", meant) if content_type == wire.JSON else meant
    for data in (body, body, b"{}" if content_type == wire.JSON else b""):  # new, repeat, nothing
        answer = listed_post(gateway, signed("/v1/metrics"), data, content_type, origin)
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert "origin" in words(answer.header("Vary"))
        assert answer.header("Content-Type") == content_type[1]


REFUSALS = {
    401: (lambda: [], payload.metrics(), wire.PROTOBUF),
    403: (lambda: signed("/v1/metrics", secret="w" * 40), payload.metrics(), wire.PROTOBUF),
    400: (lambda: signed("/v1/metrics"), b"\xff", wire.PROTOBUF),
    415: (lambda: signed("/v1/metrics"), b"x", ("Content-Type", "text/plain")),
    413: (
        lambda: [("Content-Encoding", "gzip"), *signed("/v1/metrics")],
        gzip.compress(bytes(1024 * 1024)),
        wire.PROTOBUF,
    ),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_can_be_read_by_the_page(gateway, status):
    headers, body, content_type = REFUSALS[status]
    answer = listed_post(gateway, headers(), body, content_type)
    assert answer.status == status, answer
    assert answer.header("Access-Control-Allow-Origin") == ORIGIN
    assert answer.rpc_status().message


def test_a_body_too_long_on_the_wire_can_be_read_by_the_page(gateway):
    """libh2o refuses it by its length, before any handler. No body is sent, so that no reset can
    overtake the answer."""
    sent = [wire.PROTOBUF, ("Origin", ORIGIN), *signed("/v1/metrics")]
    with wire.connect(gateway.port) as sock:
        sock.sendall(wire.head("POST", "/v1/metrics", sent, 128 * 1024))
        answer = wire.read_answer(sock)
    assert answer.status == 413
    assert answer.rpc_status().message.startswith("body_too_large: ")
    assert answer.header("Access-Control-Allow-Origin") == ORIGIN


def test_too_many_requests_can_be_read_by_the_page(house):
    gateway = house.gateway(
        env={
            "SIGPOST_SERVER_CORS_ORIGINS": ORIGIN,
            "SIGPOST_RATE_PER_ADDRESS": "1",
            "SIGPOST_RATE_BURST": "1",
        }
    )
    for status in (200, 429):
        answer = listed_post(gateway, signed("/v1/metrics"), payload.metrics())
        assert answer.status == status
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN


def test_no_room_can_be_read_by_the_page(house):
    """Known only when the spool has said so, long after the other verdicts."""
    gateway = house.gateway_to(
        house.collector(start=False),
        {
            "spool": {"max_bytes": "4MiB", "wait": "50ms"},
            "server": {"max_body": "512KiB", "cors_origins": [ORIGIN]},
        },
    )
    for _ in range(40):
        large = payload.metrics(attributes={"filler": "x" * 400_000})
        answer = listed_post(gateway, signed("/v1/metrics"), large)
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN
        if answer.status != 200:
            break
    assert answer.status == 503


@pytest.mark.parametrize("origin", UNLISTED)
def test_an_unlisted_origin_is_told_nothing(gateway, origin):
    answer = preflight(gateway, origin)
    assert (answer.status, answer.header("Allow")) == (405, "POST")
    assert allowed(answer) == set()
    for headers, status in ((signed("/v1/metrics"), 200), ([], 401)):
        answer = listed_post(gateway, headers, payload.metrics(), origin=origin)
        assert answer.status == status
        assert allowed(answer) == set()


def test_two_origins_are_none(gateway):
    sent = [("Origin", ORIGIN), ("Origin", SECOND)]
    answer = wire.exchange(gateway.port, "OPTIONS", "/v1/metrics", sent)
    assert (answer.status, allowed(answer)) == (405, set())


@pytest.mark.parametrize("origin", [ORIGIN, "*", "null"])
@pytest.mark.parametrize("path", PATHS)
def test_by_default_no_origin_is_listed(closed, origin, path):
    answer = preflight(closed, origin, path)
    assert answer.status == 405
    assert "POST" in answer.header("Allow")
    assert allowed(answer) == set()
    answer = listed_post(closed, signed("/v1/metrics"), payload.metrics(), origin=origin)
    assert (answer.status, allowed(answer)) == (200, set())


def test_without_an_origin_nothing_is_added(gateway):
    answer = wire.exchange(gateway.port, "OPTIONS", "/v1/metrics")
    assert (answer.status, answer.header("Allow"), allowed(answer)) == (405, "POST", set())
    answer = gateway.send("metrics", payload.metrics())
    assert (answer.status, allowed(answer)) == (200, set())


@pytest.mark.parametrize("path", ["/health", "/metrics", "/metrics/clients", "/capacity", "/auth"])
def test_only_exports_are_for_other_origins(gateway, path):
    assert allowed(preflight(gateway, ORIGIN, path)) == set()
    assert allowed(wire.get(gateway.port, path, [("Origin", ORIGIN)])) == set()


def test_all_origins(house):
    gateway = house.gateway(env={"SIGPOST_SERVER_CORS_ORIGINS": "*"})
    for origin in (ORIGIN, "https://anything.example", "null"):
        answer = preflight(gateway, origin)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (204, "*")
        answer = listed_post(gateway, signed("/v1/metrics"), payload.metrics(), origin=origin)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (200, "*")


def test_a_reload_changes_the_list(house):
    gateway = house.gateway({"server": {"cors_origins": [ORIGIN]}})
    assert preflight(gateway, ORIGIN).status == 204
    gateway.configure({"server": {"cors_origins": [SECOND]}})
    gateway.reload()
    wait_until(lambda: preflight(gateway, ORIGIN).status == 405, 5, "the first to be gone")
    assert preflight(gateway, SECOND).status == 204


@pytest.mark.parametrize(
    "written",
    [f"{ORIGIN}/", f"{ORIGIN}/path", "app.example.org", "ftp://app.example.org", "https://"],
)
def test_what_is_no_origin_is_no_configuration(house, written):
    gateway = house.gateway(start=False, env={"SIGPOST_SERVER_CORS_ORIGINS": written}).launch()
    assert gateway.process.wait(10) == 2
    said = gateway.log().strip()
    assert len(said.splitlines()) == 1, said
    assert "server.cors_origins" in said or "SIGPOST_SERVER_CORS_ORIGINS" in said
    assert "https://app.example.org" in said
