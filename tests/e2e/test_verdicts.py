"""Every row of the table of verdicts, over a real socket: the status, the google.rpc.Status that a
developer reads, and the metric that an operator sees. The gateway's clock stands still, so that the
edges of the window are exact."""

import pytest

from harness import exposition, payload, wire
from harness.gateway import frozen_clock, write_ring
from harness.process import wait_until
from harness.signing import SECRET, sign, signed

NOW = 1795230000
RETIRED = "retired-secret-0123456789abcdef0123456789"
REVOKED = "revoked-secret-0123456789abcdef0123456789"
PENDING = "pending-secret-0123456789abcdef0123456789"
MAX_BODY = 64 * 1024

# google.rpc.Code
INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 7, 8
UNAVAILABLE, UNAUTHENTICATED = 14, 16


@pytest.fixture(scope="module")
def gateway(module_house):
    gateway = module_house.gateway(
        {"server": {"max_body": MAX_BODY}}, start=False, env=frozen_clock(NOW)
    )
    write_ring(
        gateway,
        {"id": "now", "secret": SECRET, "state": "active", "label": "production"},
        {"id": "old", "secret": RETIRED, "state": "retiring", "not_after": "2026-01-01T00:00:00Z"},
        {"id": "gone", "secret": REVOKED, "state": "revoked"},
        {"id": "next", "secret": PENDING, "state": "pending", "not_before": "2030-01-01T00:00:00Z"},
    )
    return gateway.start()


def headers(path="/v1/metrics", **who):
    return signed(path, timestamp=who.pop("timestamp", NOW), **who)


def replace(pairs, name, value):
    return [(k, value if k == name else v) for k, v in pairs]


def without(pairs, name):
    return [(k, v) for k, v in pairs if k != name]


BODY = payload.metrics()


def refused(gateway, sent, status, word, code, body=BODY, path="/v1/metrics", metric=None, **kw):
    """Sends, checks the refusal in full, returns (answer, message)."""
    before = gateway.verdicts(metric or word)
    answer = wire.post(gateway.port, path, sent, body, **kw)
    assert answer.status == status, answer
    told = answer.rpc_status()
    assert told.code == code
    assert told.message.startswith(f"{word}: "), told.message
    assert gateway.verdicts(metric or word) == before + 1
    return answer, told.message


def accepted(gateway, sent, body=BODY, path="/v1/metrics"):
    before = gateway.verdicts("ok")
    answer = wire.post(gateway.port, path, sent, body)
    assert answer.status == 200, answer
    assert answer.body == b""
    assert answer.header("Content-Type") == "application/x-protobuf"
    assert gateway.verdicts("ok") == before + 1


# --- what passes ----------------------------------------------------------------------------------


def test_a_good_request_on_every_path(gateway):
    accepted(gateway, headers())
    accepted(gateway, headers("/v1/traces"), payload.traces(), "/v1/traces")
    accepted(gateway, headers("/v1/logs"), payload.logs(), "/v1/logs")


def test_root_takes_the_signal_that_was_signed(gateway):
    accepted(gateway, headers("/v1/metrics"), payload.metrics(), "/")
    accepted(gateway, headers("/v1/traces"), payload.traces(), "/")
    accepted(gateway, headers("/v1/logs"), payload.logs(), "/")


def test_query_is_not_signed(gateway):
    accepted(gateway, headers(), path="/v1/metrics?tenant=a|b&x=%2F")


@pytest.mark.parametrize("older", [False, True])
def test_both_spellings_of_the_headers(gateway, older):
    sent = headers(version="1.0")
    if older:
        names = {"X-KMS-Session-ID": "X-KMS-Session", "X-KMS-Client-Version": "X-KMS-Version"}
        sent = [(names.get(k, k), v) for k, v in sent]
    accepted(gateway, sent)


def test_both_spellings_at_once_with_one_value(gateway):
    accepted(gateway, headers() + [("X-KMS-Session", "e2e-session")])


def test_header_names_and_hex_in_any_case(gateway):
    sent = [(k.swapcase(), v) for k, v in headers()]
    accepted(gateway, sent)
    accepted(gateway, replace(headers(), "X-KMS-Signature", headers()[0][1].upper()))


def test_without_a_session(gateway):
    accepted(gateway, headers(session=None))
    accepted(gateway, headers(session=""))


def test_a_session_of_128(gateway):
    accepted(gateway, headers(session="s" * 128))


def test_key_id(gateway):
    accepted(gateway, headers(key_id="now"))


def test_an_empty_export_succeeds(gateway):
    accepted(gateway, headers(), b"")


def test_the_same_signature_again_with_another_body(gateway):
    sent = headers(session="repeats")
    stored = gateway.stored()
    for value in (1, 2, 3):
        accepted(gateway, sent, payload.metrics(value=value))
    assert gateway.stored() == stored + 3


def test_expect_100_continue(gateway):
    """Builds for .NET Framework send it with every POST."""
    sent = [wire.PROTOBUF, *headers(), ("Expect", "100-continue")]
    with wire.connect(gateway.port) as sock:
        sock.sendall(wire.head("POST", "/v1/metrics", sent, len(BODY)))
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        sock.sendall(BODY)
        assert wire.read_answer(sock).status == 200


def test_chunked_body(gateway):
    sent = [wire.PROTOBUF, *headers(), ("Transfer-Encoding", "chunked")]
    with wire.connect(gateway.port) as sock:
        sock.sendall(wire.head("POST", "/v1/metrics", sent))
        half = len(BODY) // 2
        for part in (BODY[:half], BODY[half:], b""):
            sock.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        assert wire.read_answer(sock).status == 200


def test_a_connection_takes_many_requests(gateway):
    with wire.connect(gateway.port) as sock:
        for _ in range(20):
            sock.sendall(
                wire.head("POST", "/v1/metrics", [wire.PROTOBUF, *headers()], len(BODY)) + BODY
            )
            assert wire.read_answer(sock).status == 200


# --- 401 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["X-KMS-Signature", "X-KMS-Timestamp"])
def test_missing_headers(gateway, missing):
    refused(gateway, without(headers(), missing), 401, "missing_headers", UNAUTHENTICATED)


def test_no_headers_at_all(gateway):
    refused(gateway, [], 401, "missing_headers", UNAUTHENTICATED)
    refused(gateway, [], 401, "missing_headers", UNAUTHENTICATED, path="/")


@pytest.mark.parametrize(
    "extra",
    [
        ("X-KMS-Signature", "0" * 64),
        ("X-KMS-Timestamp", str(NOW)),
        ("X-KMS-Session-ID", "e2e-session"),
        ("X-KMS-Session", "another"),
    ],
    ids=lambda pair: "=".join(pair)[:30],
)
def test_repeated_header(gateway, extra):
    refused(gateway, headers() + [extra], 401, "repeated_header", UNAUTHENTICATED)


@pytest.mark.parametrize("text", ["", "1e9", "-5", "+5", "0x10", "1234567890123", "12 34", "١٢"])
def test_invalid_timestamp(gateway, text):
    text = text.encode().decode("latin-1")
    sent = replace(headers(), "X-KMS-Timestamp", text)
    word = "invalid_timestamp" if text else None
    if word:
        refused(gateway, sent, 401, word, UNAUTHENTICATED)
    else:
        answer = wire.post(gateway.port, "/v1/metrics", sent, BODY)
        assert answer.status == 401
        assert answer.rpc_status().message.split(":")[0] in ("missing_headers", "invalid_timestamp")


@pytest.mark.parametrize("skew", [300, -300])
def test_the_edge_of_the_window_passes(gateway, skew):
    accepted(gateway, headers(timestamp=NOW - skew))


@pytest.mark.parametrize("skew, side", [(301, "behind"), (-301, "ahead of")])
def test_timestamp_drift(gateway, skew, side):
    _, message = refused(
        gateway, headers(timestamp=NOW - skew), 401, "timestamp_drift", UNAUTHENTICATED
    )
    assert f"301 s {side}" in message and str(NOW) in message


@pytest.mark.parametrize("session", ["a|b", "s" * 129, "a b", "a/b", "ä"])
def test_invalid_session(gateway, session):
    """Refused although the signature is right."""
    sent = signed("/v1/metrics", timestamp=NOW, session=session)
    sent = replace(sent, "X-KMS-Session-ID", session.encode().decode("latin-1"))
    refused(gateway, sent, 401, "invalid_session", UNAUTHENTICATED)


# --- 403 and 503 of keys --------------------------------------------------------------------------


def wrong_signatures():
    good = headers()[0][1]
    yield "last digit", good[:-1] + ("0" if good[-1] != "0" else "1")
    yield "short", good[:-1]
    yield "long", good + "0"
    yield "not hex", "g" * 64
    yield "another path", sign(SECRET, "/v1/traces", NOW, "e2e-session")
    yield "another secret", sign(SECRET + "x", "/v1/metrics", NOW, "e2e-session")
    yield "another session", sign(SECRET, "/v1/metrics", NOW, "someone")
    yield "reversed", good[::-1]


@pytest.mark.parametrize("signature", [pytest.param(s, id=n) for n, s in wrong_signatures()])
def test_invalid_signature(gateway, signature):
    sent = replace(headers(), "X-KMS-Signature", signature)
    _, message = refused(gateway, sent, 403, "invalid_signature", PERMISSION_DENIED)
    assert headers()[0][1] not in message


def test_a_body_may_not_choose_its_signal_at_root(gateway):
    sent = headers("/")
    refused(gateway, sent, 403, "invalid_signature", PERMISSION_DENIED, path="/")


def test_unknown_key_id_does_not_stop_the_right_key(gateway):
    """An id that no key has picks nothing: the ring is searched."""
    accepted(gateway, headers(key_id="nobody"))


@pytest.mark.parametrize("key_id, secret", [("old", RETIRED), ("gone", REVOKED)])
@pytest.mark.parametrize("named", [True, False])
def test_retired_key_is_told_as_invalid_signature(gateway, key_id, secret, named):
    sent = headers(secret=secret, key_id=key_id if named else None, session="left-behind")
    refused(
        gateway, sent, 403, "invalid_signature", PERMISSION_DENIED, metric="retired_key"
    )


def test_the_log_names_the_retired_key(house):
    gateway = house.gateway(start=False)
    write_ring(
        gateway,
        {"id": "now", "secret": SECRET, "state": "active"},
        {"id": "gone", "secret": REVOKED, "state": "revoked"},
    )
    gateway.start()
    answer = gateway.send("metrics", BODY, secret=REVOKED, session="left-behind", version="1.9")
    assert answer.status == 403
    gateway.wait_log("reason=retired_key version=1.9 session=left-behind ip=127.0.0.1 key=gone")


def test_key_not_ready(gateway):
    sent = headers(secret=PENDING, key_id="next")
    answer, _ = refused(gateway, sent, 503, "key_not_ready", UNAVAILABLE)
    assert int(answer.header("Retry-After")) >= 1


# --- the payload ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["text/plain", "application/grpc", "", None])
def test_unsupported_media_type(gateway, content_type):
    before = gateway.verdicts("unsupported_media_type")
    extra = [] if content_type is None else [("Content-Type", content_type)]
    answer = wire.exchange(gateway.port, "POST", "/v1/metrics", extra + headers(), BODY)
    assert answer.status == 415, answer
    assert answer.rpc_status().message.startswith("unsupported_media_type: ")
    assert gateway.verdicts("unsupported_media_type") == before + 1


def test_unsupported_encoding(gateway):
    """What would be right is said; what is right is in test_encodings.py."""
    _, message = refused(
        gateway,
        headers() + [("Content-Encoding", "br")],
        415,
        "unsupported_media_type",
        INVALID_ARGUMENT,
    )
    for word in ("application/x-protobuf", "application/json", "gzip", "deflate", "zstd"):
        assert word in message


def test_json_is_answered_in_json(gateway):
    """A Status comes in the type of the request."""
    answer = wire.post(
        gateway.port, "/v1/metrics", [], b"{}", content_type=("Content-Type", "application/json")
    )
    assert answer.status == 401
    assert answer.header("Content-Type") == "application/json"
    told = answer.json()
    assert told["code"] == UNAUTHENTICATED and told["message"].startswith("missing_headers: ")


def test_body_too_large(gateway):
    """libh2o answers and closes at once; the answer may be lost to a reset."""
    before = gateway.verdicts("body_too_large")
    large = payload.metrics(attributes={"filler": "x" * MAX_BODY})
    try:
        answer = wire.post(gateway.port, "/v1/metrics", headers(), large)
    except ConnectionError:
        answer = None
    if answer is not None:
        assert answer.status == 413
        told = answer.rpc_status()
        assert told.code == RESOURCE_EXHAUSTED and told.message.startswith("body_too_large: ")
    wait_until(lambda: gateway.verdicts("body_too_large") == before + 1, 5, "the verdict")
    assert gateway.is_live()


def refused_as_http(gateway, line, *lines):
    """Status and message of a request that gets no further than its head."""
    with wire.connect(gateway.port) as sock:
        sock.sendall("\r\n".join([line, "Host: a", *lines, "", ""]).encode())
        answer = wire.read_answer(sock)
    return answer.status, answer.told()[1]


TOO_LARGE = f"Content-Length: {MAX_BODY + 1}"
FOLDED = "X-Folded: a\r\n b"


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1/metrics HTTP/1.1",
        "POST /v1development/profiles HTTP/1.1",
        "POST /v1/traces?a=/health HTTP/1.1",
        "POST / HTTP/1.1",
        "GET /auth HTTP/1.1",
        "POST /auth HTTP/1.1",
    ],
)
def test_what_http_refuses_is_a_verdict_where_clients_sign(gateway, line):
    large, malformed = gateway.verdicts("body_too_large"), gateway.verdicts("malformed_payload")
    status, message = refused_as_http(gateway, line, TOO_LARGE)
    assert status == 413 and message.startswith("body_too_large: ")
    status, message = refused_as_http(gateway, line, "Content-Length: 0", FOLDED)
    assert status == 400 and message.startswith("malformed_payload: ")
    assert gateway.verdicts("body_too_large") == large + 1
    assert gateway.verdicts("malformed_payload") == malformed + 1


def test_what_http_refuses_elsewhere_is_none(house):
    """Strangers who ask for pages must not thin out the share of refusals among what is signed."""
    gateway = house.gateway({"server": {"max_body": MAX_BODY}})
    for line in (
        "GET /health HTTP/1.1",
        "POST /health HTTP/1.1",
        "POST /new HTTP/1.1",
        "GET / HTTP/1.1",
        "GET /v1/metrics HTTP/1.1",
        "POST /nowhere HTTP/1.1",
        "POST /health?/v1/metrics HTTP/1.1",
        "POST /auth/session HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
    ):
        status, message = refused_as_http(gateway, line, TOO_LARGE)
        assert status == 413 and message.startswith("body_too_large: "), line
        status, message = refused_as_http(gateway, line, "Content-Length: 0", FOLDED)
        assert status == 400 and message.startswith("malformed_payload: "), line
    assert exposition.total(gateway.metrics(), "sigpost_auth_requests_total") == 0
    gateway.terminate()
    assert "[AUTH_FAILED]" not in gateway.log()


def test_the_longest_body_passes(gateway):
    rest = len(payload.metrics(attributes={"filler": "x" * (MAX_BODY - 300)})) - (MAX_BODY - 300)
    body = payload.metrics(attributes={"filler": "x" * (MAX_BODY - rest)})
    assert len(body) == MAX_BODY
    accepted(gateway, headers(), body)


def test_malformed_payload_says_where(gateway):
    _, message = refused(
        gateway, headers(), 400, "malformed_payload", INVALID_ARGUMENT, body=BODY[:-3]
    )
    assert "resource_metrics" in message


def test_malformed_deep_inside(gateway):
    body = payload.metrics(name="name-to-break")
    broken = body.replace(b"name-to-break", b"name-to-\xff\xfe\xff\xfe\xff")
    _, message = refused(
        gateway, headers(), 400, "malformed_payload", INVALID_ARGUMENT, body=broken
    )
    assert "resource_metrics[0].scope_metrics[0].metrics[0].name" in message


def test_nothing_malformed_is_looked_at_before_the_signature(gateway):
    refused(gateway, headers(secret="w" * 40), 403, "invalid_signature", PERMISSION_DENIED, b"\xff")


# --- rate and method ------------------------------------------------------------------------------


def test_rate_limited(house):
    gateway = house.gateway(env={"SIGPOST_RATE_PER_ADDRESS": "1", "SIGPOST_RATE_BURST": "3"})
    for _ in range(3):
        assert gateway.send("metrics", BODY).status == 200
    answer = gateway.send("metrics", BODY)
    assert answer.status == 429
    told = answer.rpc_status()
    assert told.code == RESOURCE_EXHAUSTED and told.message.startswith("rate_limited: ")
    assert 1 <= int(answer.header("Retry-After")) <= 2
    assert gateway.verdicts("rate_limited") == 1
    wait_until(lambda: gateway.send("metrics", BODY).status == 200, 5, "a new token", every=0.3)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_wrong_method_on_a_signal(gateway, method):
    answer = wire.exchange(gateway.port, method, "/v1/metrics")
    assert answer.status == 405
    assert answer.header("Allow") == "POST"
    if method != "HEAD":
        assert answer.rpc_status().message


@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics", "/capacity", "/waiting"])
def test_wrong_method_on_a_page(gateway, path):
    answer = wire.exchange(gateway.port, "POST", path, body=b"")
    assert answer.status == 405
    assert answer.header("Allow") == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/v1/metrics/", "/v1//metrics", "/v1/./metrics", "/v1/%6detrics", "/v1/nothing", "/x"]
)
def test_unknown_path(gateway, path):
    """The path must be the very one that is signed: no slash more, nothing decoded."""
    answer = wire.post(gateway.port, path, headers(path), BODY)
    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["/", "/health", "/health/live", "/health/ready", "/metrics", "/capacity", "/waiting"]
)
def test_head_wherever_get(gateway, path):
    got = wire.get(gateway.port, path)
    head = wire.exchange(gateway.port, "HEAD", path)
    assert (got.status, head.status) == (200, 200)
    assert head.body == b""
    assert head.header("Content-Type") == got.header("Content-Type")


def test_no_answer_names_its_server(gateway):
    """Ours, libh2o's own, and one that ends by the connection's end."""
    unsigned = wire.post(gateway.port, "/v1/metrics", [], BODY)
    broken = wire.exchange(gateway.port, "GET", "/x y")
    for answer in (wire.get(gateway.port, "/health"), unsigned, broken):
        assert answer.header("Server") is None and b"h2o" not in answer.body


# --- starting without a key -----------------------------------------------------------------------


def test_no_secret_no_start(house):
    gateway = house.gateway(start=False, secret=None).launch()
    assert gateway.process.wait(10) == 2
    said = gateway.log().strip()
    assert len(said.splitlines()) == 1, said
    assert "key" in said or "secret" in said


def test_not_required_is_said_aloud(house):
    gateway = house.gateway(secret=None, env={"REQUIRE_AUTH": "false"})
    assert "auth.required" in gateway.log() and "warn" in gateway.log()
    ready = gateway.ready()
    assert ready.status == 200 and "auth.required" in ready.json()["warning"]
    assert wire.post(gateway.port, "/v1/metrics", [], BODY).status == 200
    assert wire.post(gateway.port, "/", [], BODY).status == 401
