"""/auth by hand: what a proxy may ask, and what strangers would like it to believe."""

import pytest

from harness import exposition, payload, wire
from harness.gateway import write_ring
from harness.process import wait_until
from harness.signing import SECRET, signed

GRPC = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
PATHS = [f"/v1/{signal}" for signal in GRPC] + list(GRPC.values())
NOBODY = "192.0.2.0/24"  # a range that loopback is not in


@pytest.fixture(scope="module")
def gateway(module_house):
    return module_house.gateway({"server": {"trusted_proxies": ["127.0.0.1"]}})


def forwarded(uri="/v1/metrics", method="POST"):
    return [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri)]


def ask(gateway, headers, method="GET", body=None, path="/auth"):
    return wire.exchange(gateway.port, method, path, headers, body)


def passes(gateway, headers, **how):
    before = gateway.verdicts("ok")
    answer = ask(gateway, headers, **how)
    assert answer.status == 200, answer
    assert answer.header("X-Auth-Status") == "valid"
    assert answer.header("X-Auth-Session") == "e2e-session"
    assert answer.header("X-Auth-Key-Id") == "env"
    assert answer.header("X-Auth-Environment") is None
    assert gateway.verdicts("ok") == before + 1
    return answer


def refused(gateway, headers, status, word, **how):
    """Refused in full: status, Status body, metric, log; and nothing that says `valid`."""
    before = gateway.verdicts(word)
    answer = ask(gateway, headers, **how)
    assert answer.status == status, answer
    assert not any(name.lower().startswith("x-auth-") for name, _ in answer.headers)
    if how.get("method") != "HEAD":
        assert answer.told()[1].startswith(f"{word}: ")
    assert gateway.verdicts(word) == before + 1
    assert f"[AUTH_FAILED] reason={word}" in gateway.log()
    return answer


# --- what passes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_signature_over_the_forwarded_path(gateway, path):
    passes(gateway, [*forwarded(path), *signed(path)])


@pytest.mark.parametrize("signal", GRPC)
def test_grpc_signed_as_the_signals_own_path(gateway, signal):
    passes(gateway, [*forwarded(GRPC[signal]), *signed(f"/v1/{signal}")])
    for other in GRPC:
        if other != signal:
            headers = [*forwarded(GRPC[signal]), *signed(f"/v1/{other}")]
            refused(gateway, headers, 403, "invalid_signature")
            headers = [*forwarded(GRPC[signal]), *signed(GRPC[other])]
            refused(gateway, headers, 403, "invalid_signature")


def test_http_is_not_signed_as_grpc(gateway):
    refused(
        gateway, [*forwarded("/v1/metrics"), *signed(GRPC["metrics"])], 403, "invalid_signature"
    )


@pytest.mark.parametrize("signal", GRPC)
def test_the_published_clients_post_to_the_root(gateway, signal):
    passes(gateway, [*forwarded("/"), *signed(f"/v1/{signal}")])


def test_the_root_itself_is_never_signed(gateway):
    refused(gateway, [*forwarded("/"), *signed("/")], 403, "invalid_signature")


def test_the_root_can_be_switched_off(house):
    gateway = house.gateway({"auth": {"root_path": False}})
    refused(gateway, [*forwarded("/"), *signed("/v1/metrics")], 403, "invalid_forwarded")
    passes(gateway, [*forwarded(), *signed("/v1/metrics")])


def test_a_path_of_somebody_elses(gateway):
    """Behind the proxy may be what it likes: the path as sent is what was signed."""
    passes(gateway, [*forwarded("/otel/v1/metrics?a=b"), *signed("/otel/v1/metrics")])
    refused(
        gateway, [*forwarded("/otel/v1/metrics"), *signed("/v1/metrics")], 403, "invalid_signature"
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
@pytest.mark.parametrize("body", [None, b"", b"x" * 10000], ids=["none", "empty", "some"])
def test_any_method_with_any_body(gateway, method, body):
    passes(gateway, [*forwarded(), *signed("/v1/metrics")], method=method, body=body)
    refused(gateway, forwarded(), 401, "missing_headers", method=method, body=body)


def test_a_head_has_the_headers_and_no_body(gateway):
    answer = passes(gateway, [*forwarded(), *signed("/v1/metrics")], method="HEAD")
    assert answer.body == b""
    assert ask(gateway, forwarded(), method="HEAD").status == 401


def test_a_chunked_body_and_the_next_request(gateway):
    """The body of the first is no part of the second."""
    headers = [*forwarded(), *signed("/v1/metrics")]
    with wire.connect(gateway.port) as sock:
        sock.sendall(wire.head("POST", "/auth", [*headers, ("Transfer-Encoding", "chunked")]))
        sock.sendall(b"5\r\nGET /\r\n0\r\n\r\n")
        assert wire.read_answer(sock).status == 200
        sock.sendall(wire.head("GET", "/auth", forwarded()))
        assert wire.read_answer(sock).status == 401


def test_a_client_that_waits_for_100_continue(gateway):
    """Its Expect comes with the proxy's question, which has no body."""
    passes(gateway, [*forwarded(), *signed("/v1/metrics"), ("Expect", "100-continue")])


def test_the_query_counts_for_nothing(gateway):
    passes(
        gateway,
        [*forwarded("/v1/metrics?path=/v1/traces"), *signed("/v1/metrics")],
        path="/auth?X-Forwarded-Uri=/v1/traces",
    )


def test_what_was_proved_is_told(house):
    gateway = house.gateway(secret=None, start=False)
    write_ring(
        gateway,
        {"id": "main", "secret": SECRET, "state": "active", "label": "production"},
        {"id": "odd", "secret": "o" * 40, "state": "active", "label": "prödüction"},
    )
    gateway.start()
    answer = ask(gateway, [*forwarded(), *signed("/v1/metrics", session="run:1")])
    assert answer.header("X-Auth-Session") == "run:1"
    assert answer.header("X-Auth-Key-Id") == "main"
    assert answer.header("X-Auth-Environment") == "production"
    assert answer.json() == {"status": "valid"}
    # What cannot stand in a header is left out, and so is a session that was not named.
    answer = ask(gateway, [*forwarded(), *signed("/v1/metrics", secret="o" * 40, session=None)])
    assert answer.status == 200
    assert answer.header("X-Auth-Key-Id") == "odd"
    assert answer.header("X-Auth-Environment") is None
    assert answer.header("X-Auth-Session") is None


def test_sessions_are_touched_and_lines_logged(house):
    gateway = house.gateway()
    for session in ("one", "two", "one"):
        headers = signed("/v1/metrics", session=session, version="2.0.0.0")
        assert ask(gateway, [*forwarded(), *headers]).status == 200
    assert exposition.total(gateway.metrics(), "sigpost_sessions_active") == 2
    assert "[AUTH_SUCCESS] version=2.0.0.0 session=two ip=127.0.0.1 key=env" in gateway.log()
    assert gateway.stored() == 0


def test_a_lease_holds_here_too(house):
    gateway = house.gateway({"auth": {"session_lease": "1h", "window": "2s"}})
    headers = [*forwarded(), *signed("/v1/metrics")]
    assert ask(gateway, headers).status == 200
    wait_until(
        lambda: ask(gateway, headers).status == 200 and gateway.verdicts("leased") > 0,
        10,
        "a leased verdict",
        every=0.5,
    )


def test_without_a_needed_signature(house):
    gateway = house.gateway({"auth": {"required": False}})
    answer = ask(gateway, forwarded())
    assert (answer.status, answer.header("X-Auth-Status")) == (200, "unsigned")
    assert answer.header("X-Auth-Key-Id") is None
    # What does not even say what was asked for is nothing to let in.
    refused(gateway, [], 403, "invalid_forwarded")


# --- what does not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bend, status, word",
    [
        (dict(secret="w" * 40), 403, "invalid_signature"),
        (dict(timestamp=1), 401, "timestamp_drift"),
        (dict(timestamp=9999999999), 401, "timestamp_drift"),
        (dict(timestamp="1e9"), 401, "invalid_timestamp"),
        (dict(session="a|b"), 401, "invalid_session"),
    ],
)
def test_verdicts_are_those_of_ingest(gateway, bend, status, word):
    refused(gateway, [*forwarded(), *signed("/v1/metrics", **bend)], status, word)


def test_a_signing_header_twice(gateway):
    headers = [*forwarded(), *signed("/v1/metrics"), ("X-KMS-Timestamp", "1")]
    refused(gateway, headers, 401, "repeated_header")


SPOOFS = {
    "nothing forwarded": [],
    "no method": [("X-Forwarded-Uri", "/v1/metrics")],
    "no uri": [("X-Forwarded-Method", "POST")],
    "empty method": forwarded(method=""),
    "empty uri": forwarded(""),
    "two methods": [*forwarded(), ("X-Forwarded-Method", "POST")],
    "two uris": [*forwarded(), ("X-Forwarded-Uri", "/v1/metrics")],
    "two uris, one of them good": [("X-Forwarded-Uri", "/admin"), *forwarded()],
    "a second in other letters": [*forwarded(), ("x-fOrWaRdEd-uRi", "/admin")],
    "a list of methods": forwarded(method="POST, GET"),
    "a list of uris": forwarded("/v1/metrics, /admin"),
    "another method": forwarded(method="GET"),
    "lower case": forwarded(method="post"),
    "a method override": [*forwarded(method="GET"), ("X-HTTP-Method-Override", "POST")],
    "underscores": [("X_Forwarded_Method", "POST"), ("X_Forwarded_Uri", "/v1/metrics")],
    "dots": [("X.Forwarded.Method", "POST"), ("X.Forwarded.Uri", "/v1/metrics")],
    "mixed": [("X-Forwarded_Method", "POST"), ("X_Forwarded-Uri", "/v1/metrics")],
    "Forwarded": [("Forwarded", 'for=127.0.0.1;proto=https;method=POST;path="/v1/metrics"')],
    "other names": [("X-Original-Method", "POST"), ("X-Original-URI", "/v1/metrics")],
    "a prefix": [*forwarded("/metrics"), ("X-Forwarded-Prefix", "/v1")],
    "dot segment": forwarded("/v1/./metrics"),
    "dot segments": forwarded("/v1/x/../metrics"),
    "dot segment at the end": forwarded("/v1/metrics/."),
    "encoded dot segment": forwarded("/v1/x/%2e%2e/metrics"),
    "encoded slash": forwarded("/v1%2fmetrics"),
    "encoded backslash": forwarded("/v1%5Cmetrics"),
    "encoded letter": forwarded("/v1/%6detrics"),
    "doubly encoded": forwarded("/v1%252fmetrics"),
    "encoded NUL": forwarded("/v1/metrics%00"),
    "empty segment": forwarded("/v1//metrics"),
    "another authority": forwarded("//evil.example/v1/metrics"),
    "absolute form": forwarded("http://127.0.0.1/v1/metrics"),
    "absolute form, https": forwarded("https://127.0.0.1/v1/metrics"),
    "asterisk form": forwarded("*"),
    "relative": forwarded("v1/metrics"),
    "backslash": forwarded("/v1\\metrics"),
    "matrix parameter": forwarded("/v1/metrics;x=1"),
    "fragment": forwarded("/v1/metrics#x"),
    "separator of the message": forwarded("/v1/metrics|1|"),
    "blank": forwarded("/v1/metrics x"),
    "tab": forwarded("/v1/metrics\tx"),
    "not ASCII": forwarded("/v1/metr\xedcs"),
}
# Of these a path is left to be judged, but it is not the one that was signed.
OF_ANOTHER_PATH = {"a prefix"}


@pytest.mark.parametrize("name", SPOOFS)
def test_spoofed(gateway, name):
    """Each with a good signature over /v1/metrics: only what was forwarded is wrong."""
    headers = [*SPOOFS[name], *signed("/v1/metrics")]
    if name in OF_ANOTHER_PATH:
        refused(gateway, headers, 403, "invalid_signature")
    else:
        refused(gateway, headers, 403, "invalid_forwarded")


@pytest.mark.parametrize(
    "extra",
    [
        ("Forwarded", "for=198.51.100.9;host=evil.example;proto=http"),
        ("X-Forwarded-Prefix", "/admin"),
        ("X_Forwarded_Uri", "/admin"),
        ("X.Forwarded.Uri", "/admin"),
        ("X_Forwarded_Method", "DELETE"),
        ("X-Original-URI", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X_Forwarded_For", "198.51.100.9"),
        ("X-Auth-Session", "somebody"),
    ],
)
def test_what_is_no_alias_changes_nothing(gateway, extra):
    passes(gateway, [*forwarded(), *signed("/v1/metrics"), extra])
    assert "198.51.100.9" not in gateway.log()


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-Uri: /v1/metrics\0/admin",
        b"X-Forwarded-Uri: /v1/metrics\x7f",
        b"X-Forwarded-Uri: /v1/metrics\r\n /admin",
        b"X-Forwarded-Uri: \r\n /v1/metrics",
        b"X-Forwarded-Uri : /v1/metrics",
        b"X-Forwarded-Uri\0: /v1/metrics",
    ],
    ids=["NUL", "DEL", "folded", "folded at once", "blank before the colon", "NUL in the name"],
)
def test_what_is_not_even_http(gateway, line):
    head = wire.head("GET", "/auth", [("X-Forwarded-Method", "POST"), *signed("/v1/metrics")])
    with wire.connect(gateway.port) as sock:
        sock.sendall(head[:-2] + line + b"\r\n\r\n")
        said = sock.recv(4096)
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ")), said
    assert b"X-Auth-Status" not in said


def test_answers_never_hold_what_was_asked(gateway):
    marker = "e2e-marker"
    for headers in (
        [*forwarded(f"/{marker}"), *signed("/v1/metrics", session=marker)],
        [*forwarded(f"//{marker}"), *signed("/v1/metrics", version=marker, key_id=marker)],
        [*forwarded(method=marker), *signed("/v1/metrics", session=f"{marker}|")],
    ):
        answer = ask(gateway, headers)
        assert answer.status in (401, 403)
        assert marker.encode() not in answer.body
        assert marker not in str(answer.headers)


# --- who may ask ------------------------------------------------------------------------------------


def test_strangers_are_not_answered(house):
    gateway = house.gateway({"server": {"trusted_proxies": [NOBODY]}})
    good = [*forwarded(), *signed("/v1/metrics")]
    answer = refused(gateway, good, 403, "untrusted_proxy")
    assert "server.trusted_proxies" in answer.told()[1]
    # Nor does saying so make a proxy of anybody: the socket's address is what counts.
    for claim in ("192.0.2.1", "127.0.0.1", "192.0.2.1, 192.0.2.2"):
        refused(gateway, [*good, ("X-Forwarded-For", claim)], 403, "untrusted_proxy")
        refused(gateway, [*good, ("X-Real-Ip", claim)], 403, "untrusted_proxy")
    assert "ip=192.0.2" not in gateway.log()


def test_ingest_takes_no_forwarded_path(gateway):
    """X-Forwarded-Uri and -Method count on /auth only."""
    body = payload.metrics()
    headers = [*forwarded("/v1/traces"), *signed("/v1/traces")]
    assert wire.post(gateway.port, "/v1/metrics", headers, body).status == 403
    headers = [*forwarded("/admin", "GET"), *signed("/v1/metrics")]
    assert wire.post(gateway.port, "/v1/metrics", headers, body).status == 200


@pytest.mark.parametrize("path", ["/auth/", "/AUTH", "/./auth", "//auth", "/%61uth", "/authx"])
def test_auth_is_one_path(gateway, path):
    assert ask(gateway, [*forwarded(), *signed("/v1/metrics")], path=path).status == 404


# --- rates ------------------------------------------------------------------------------------------


def limited(house, **rate):
    config = {"server": {"trusted_proxies": ["127.0.0.1"]}, "rate": rate}
    return house.gateway(config, env={"SIGPOST_RATE_PER_ADDRESS": str(rate["per_address"])})


def test_the_forwarded_address_is_limited(house):
    gateway = limited(house, per_address=1, burst=3)
    headers = [*forwarded(), *signed("/v1/metrics")]

    def from_address(text):
        return ask(gateway, [*headers, ("X-Forwarded-For", text)])

    assert [from_address("203.0.113.1").status for _ in range(3)] == [200] * 3
    answer = from_address("203.0.113.1")
    assert answer.status == 429 and answer.header("Retry-After") == "1"
    assert answer.told()[1].startswith("rate_limited: too many requests: from this address")
    assert "reason=rate_limited ip=203.0.113.1" in gateway.log()
    # What the client itself said stands left of it, and buys nothing.
    assert from_address("198.51.100.1, 203.0.113.1").status == 429
    assert from_address("203.0.113.2").status == 200
    # IPv6 counts by /64.
    assert [from_address(f"2001:db8::{n}").status for n in range(1, 5)] == [200] * 3 + [429]
    assert from_address("2001:db8:0:1::1").status == 200


def test_a_session_is_limited(house):
    gateway = limited(house, per_address=0, burst=2, per_session=1)
    body = payload.metrics()
    assert [gateway.send("metrics", body, session="a").status for _ in range(3)] == [200, 200, 429]
    answer = gateway.send("metrics", body, session="a")
    assert answer.header("Retry-After") == "1"
    assert answer.told()[1].startswith("rate_limited: too many requests: of this session")
    assert "reason=rate_limited session=a ip=127.0.0.1" in gateway.log()
    # One session has one bucket, whichever way it comes; another has its own, and none has none.
    assert ask(gateway, [*forwarded(), *signed("/v1/metrics", session="a")]).status == 429
    assert gateway.send("metrics", body, session="b").status == 200
    assert {gateway.send("metrics", body, session=None).status for _ in range(5)} == {200}
    # Who has not proved to be the session takes none of its tokens.
    for _ in range(5):
        assert gateway.send("metrics", body, session="c", secret="w" * 40).status == 403
    assert gateway.send("metrics", body, session="c").status == 200
    gateway.configure({"rate": {"per_session": 0}})
    gateway.reload()
    wait_until(
        lambda: {gateway.send("metrics", body, session="a").status for _ in range(5)} == {200},
        5,
        "the new limit",
    )


def test_probes_are_not_limited(house):
    gateway = limited(house, per_address=1, burst=1)
    for _ in range(20):
        for path in ("/health", "/health/live", "/health/ready", "/metrics", "/metrics/clients"):
            assert gateway.get(path).status == 200
