"""Bodies in every type and encoding that a client may choose: what arrives at the Collector is what
was meant, a bomb costs no memory, and what is broken is told by its name."""

import gzip
import json
import random
import zlib
from pathlib import Path

import pytest
import zstandard

from harness import exposition, payload, wire
from harness.process import SANITIZED
from harness.signing import signed

MiB = 1024 * 1024
MAX_BODY = 4 * MiB  # server.max_body as it is by default
GiB = 1024 * MiB

# google.rpc.Code
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAUTHENTICATED = 3, 8, 16

MAKE = {"metrics": payload.metrics, "traces": payload.traces, "logs": payload.logs}


def raw_deflate(data):
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


def zstd(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_of_unknown_size(data):
    squeeze = zstandard.ZstdCompressor().compressobj()
    return squeeze.compress(data) + squeeze.flush()


# name: (Content-Encoding or None, how to make it, the encoding's label)
ENCODINGS = {
    "none": (None, bytes, "identity"),
    "identity": ("identity", bytes, "identity"),
    "gzip": ("gzip", gzip.compress, "gzip"),
    "gzip in capitals": ("GZip", gzip.compress, "gzip"),
    "gzip of two members": (
        "gzip",
        lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
        "gzip",
    ),
    "x-gzip": ("x-gzip", gzip.compress, "gzip"),
    "deflate": ("deflate", zlib.compress, "deflate"),
    "raw deflate": ("deflate", raw_deflate, "deflate"),
    "zstd": ("zstd", zstd, "zstd"),
    "zstd of unknown size": ("zstd", zstd_of_unknown_size, "zstd"),
}
COMPRESSED = [name for name, (_, _, label) in ENCODINGS.items() if label != "identity"]


def encoded(name, data):
    """(body, headers)"""
    token, make, _ = ENCODINGS[name]
    return make(data), [] if token is None else [("Content-Encoding", token)]


@pytest.fixture(scope="module")
def collector(module_house):
    return module_house.collector()


@pytest.fixture(scope="module")
def gateway(module_house, collector):
    return module_house.gateway_to(collector)


def arrived(collector, name):
    """The items of that name; a Collector that is shared has those of other tests too."""
    wanted = lambda items: [item for item in items if item["name"] == name]  # noqa: E731
    return wanted(collector.wait_items(wanted, what=f"{name} at the Collector"))


def code_and_message(answer):
    """Of a Status in the type of the request."""
    if answer.header("Content-Type") == "application/json":
        told = answer.json()
        assert set(told) == {"code", "message"}
        return told["code"], told["message"]
    told = answer.rpc_status()
    return told.code, told.message


def refused(gateway, status, word, code, body, extra=(), content_type=wire.PROTOBUF):
    """Sends it signed, checks the refusal, returns its message."""
    before, stored = gateway.verdicts(word), gateway.stored()
    answer = gateway.send("metrics", body, extra=extra, content_type=content_type)
    assert answer.status == status, answer
    told, message = code_and_message(answer)
    assert told == code
    assert message.startswith(f"{word}: "), message
    assert gateway.verdicts(word) == before + 1
    assert gateway.stored() == stored
    return message


# --- what passes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/x-protobuf", "application/json"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_both_types_arrives(gateway, collector, encoding, content_type):
    name = f"{encoding} {content_type}"
    meant = payload.metrics(name=name, value=41, attributes={"s": "ünïcödé", "n": 7})
    data = payload.as_json("metrics", meant) if "json" in content_type else meant
    body, extra = encoded(encoding, data)
    labels = {"signal": "metrics", "encoding": ENCODINGS[encoding][2]}
    count = lambda: exposition.total(  # noqa: E731
        gateway.metrics(), "sigpost_ingest_requests_total", **labels
    )
    before = count()
    answer = gateway.send(
        "metrics", body, extra=extra, content_type=("Content-Type", content_type)
    )
    assert (answer.status, answer.header("Content-Type")) == (200, content_type)
    assert answer.body == (b"{}" if "json" in content_type else b"")
    assert count() == before + 1
    sent = payload.items_of_request("metrics", meant)
    assert arrived(collector, name) == payload.stamped(sent)


@pytest.mark.parametrize(
    "written",
    [
        "Application/X-Protobuf; charset=x",
        "application/x-protobuf;charset=utf-8",
        "APPLICATION/X-PROTOBUF ; a=b; c=d",
        "Application/JSON; charset=utf-8",
        "application/json;charset=UTF-8",
    ],
)
def test_media_types_with_parameters_and_case(gateway, collector, written):
    meant = payload.metrics(name=written)
    is_json = "json" in written.lower()
    data = payload.as_json("metrics", meant) if is_json else meant
    answer = gateway.send("metrics", data, content_type=("Content-Type", written))
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == (
        "application/json" if is_json else "application/x-protobuf"
    )
    assert len(arrived(collector, written)) == 1


@pytest.mark.parametrize("signal", ["traces", "logs"])
@pytest.mark.parametrize("encoding", ["none", "gzip", "zstd"])
def test_json_of_the_other_signals(gateway, collector, signal, encoding):
    name = f"json {signal} {encoding}"
    meant = MAKE[signal](name, platform="Unix")
    body, extra = encoded(encoding, payload.as_json(signal, meant))
    answer = gateway.send(signal, body, extra=extra, content_type=wire.JSON)
    assert (answer.status, answer.body) == (200, b"{}")
    sent = payload.items_of_request(signal, meant)
    assert arrived(collector, name) == payload.stamped(sent)


def test_json_at_root(gateway, collector):
    meant = payload.traces("json at root")
    body = payload.as_json("traces", meant)
    assert gateway.send("traces", body, path="/", content_type=wire.JSON).status == 200
    sent = payload.items_of_request("traces", meant)
    assert arrived(collector, "json at root") == payload.stamped(sent)


@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("manner", ["expect", "chunked"])
def test_compressed_by_other_ways_over_the_wire(gateway, collector, content_type, manner):
    """Expect: 100-continue, which builds for .NET Framework send, and chunked bodies."""
    name = f"{manner} {content_type[1]}"
    meant = payload.metrics(name=name)
    body = gzip.compress(payload.as_json("metrics", meant) if content_type == wire.JSON else meant)
    sent = [content_type, ("Content-Encoding", "gzip"), *signed("/v1/metrics")]
    with wire.connect(gateway.port) as sock:
        if manner == "expect":
            sent.append(("Expect", "100-continue"))
            sock.sendall(wire.head("POST", "/v1/metrics", sent, len(body)))
            assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(body)
        else:
            sent.append(("Transfer-Encoding", "chunked"))
            sock.sendall(wire.head("POST", "/v1/metrics", sent))
            for part in (body[:1], body[1:100], body[100:], b""):
                sock.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        assert wire.read_answer(sock).status == 200
    assert len(arrived(collector, name)) == 1


# --- OTLP/JSON ------------------------------------------------------------------------------------


def json_metric(name, **point):
    """One gauge with one point, its fields as given."""
    metric = {"name": name, "gauge": {"dataPoints": [point]}}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def send_json(gateway, signal, document):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return gateway.send(signal, text, content_type=wire.JSON)


@pytest.mark.parametrize("form", [str, int], ids=["strings", "numbers"])
def test_64_bit_integers_keep_every_digit(gateway, collector, form):
    """As strings, and as numbers past what a double holds."""
    name = f"64 bits as {form.__name__}"
    extremes = {"least": -(2**63), "most": 2**63 - 1, "odd": 2**53 + 1}
    attributes = [{"key": k, "value": {"intValue": form(v)}} for k, v in extremes.items()]
    document = json_metric(
        name, timeUnixNano=form(1795230000123456789), asInt=form(7), attributes=attributes
    )
    answer = send_json(gateway, "metrics", document)
    assert (answer.status, answer.body) == (200, b"{}")
    (item,) = arrived(collector, name)
    assert item["attributes"] == extremes
    assert item["time"] == 1795230000123456789
    assert item["value"] == 7


@pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower", "upper"])
def test_ids_in_hex_arrive_as_the_same_bytes(gateway, collector, case):
    name = f"ids in {case.__name__}"
    trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
    times = {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    spans = [{"name": name, "traceId": case(trace), "spanId": case(span), "kind": 2, **times}]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    answer = send_json(gateway, "traces", document)
    assert (answer.status, answer.body) == (200, b"{}")
    (item,) = arrived(collector, name)
    assert (item["trace"], item["span"]) == (trace, span)


def test_unknown_names_are_ignored(gateway, collector):
    document = json_metric("unknown names", asDouble=1.5, timeUnixNano="5", futureField=[{"a": 1}])
    document["resource_metrics"] = "not lowerCamelCase, so unknown"
    assert send_json(gateway, "metrics", document).status == 200
    (item,) = arrived(collector, "unknown names")
    assert (item["value"], item["time"]) == (1.5, 5)


WRONG_JSON = {
    "cut short": (b'{"resourceMetrics":[{', "resourceMetrics[0]"),
    "not JSON": (b"resource=1", "byte "),
    "empty": (b"", "byte "),
    "a list": (b"[]", "byte "),
    "a number for a list": (b'{"resourceMetrics":7}', "resourceMetrics"),
    "deep": (
        json_metric("m", asInt="12x"),
        "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].asInt",
    ),
    "too large": (
        json_metric("m", asInt=str(2**63)),
        "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].asInt",
    ),
    "an enum by its name": (
        {
            "resourceMetrics": [
                {"scopeMetrics": [{"metrics": [{"sum": {"aggregationTemporality": "DELTA"}}]}]}
            ]
        },
        "resourceMetrics[0].scopeMetrics[0].metrics[0].sum.aggregationTemporality",
    ),
    "twice": (b'{"resourceMetrics":[],"resourceMetrics":[]}', "resourceMetrics"),
    "more behind it": (b"{} {}", "byte "),
    "protobuf": (payload.metrics(), "byte "),
}


@pytest.mark.parametrize("wrong", WRONG_JSON)
def test_malformed_json_says_where(gateway, wrong):
    document, where = WRONG_JSON[wrong]
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    message = refused(
        gateway, 400, "malformed_payload", INVALID_ARGUMENT, text, content_type=wire.JSON
    )
    assert where in message, message


@pytest.mark.parametrize("trace", ["5b8e", "5b8efff798038103d269b633813fc60g", "W47/95gDgQPSabYzgT/GDA=="])
def test_ids_that_are_not_hex_are_refused(gateway, trace):
    spans = [{"name": "s", "traceId": trace, "spanId": "eee19b7ec3c1b174"}]
    answer = send_json(gateway, "traces", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    assert answer.status == 400
    code, message = code_and_message(answer)
    assert code == INVALID_ARGUMENT
    assert "resourceSpans[0].scopeSpans[0].spans[0].traceId" in message


def test_json_read_as_protobuf_is_refused(gateway):
    text = payload.as_json("metrics", payload.metrics())
    refused(gateway, 400, "malformed_payload", INVALID_ARGUMENT, text)


def test_nesting_without_end_is_refused(gateway):
    """Neither as text nor, once converted, does it reach anybody's stack."""
    value = '{"arrayValue":{"values":[' * 100_000
    text = b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"k","value":' + value.encode()
    refused(gateway, 400, "malformed_payload", INVALID_ARGUMENT, text, content_type=wire.JSON)


# --- what is broken -------------------------------------------------------------------------------


def broken(data):
    yield "cut by one byte", data[:-1]
    yield "cut in half", data[: len(data) // 2]
    yield "a byte behind the end", data + b"x"
    yield "something else", payload.metrics()


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_broken_bodies_are_told_by_the_encodings_name(gateway, encoding):
    token, make, label = ENCODINGS[encoding]
    for what, body in broken(make(payload.metrics())):
        message = refused(
            gateway,
            400,
            "malformed_payload",
            INVALID_ARGUMENT,
            body,
            extra=[("Content-Encoding", token)],
        )
        assert f"{label}: " in message, (what, message)


@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("token", ["gzip", "deflate", "zstd"])
def test_nothing_is_not_something_compressed(gateway, token, content_type):
    extra = [("Content-Encoding", token)]
    message = refused(
        gateway, 400, "malformed_payload", INVALID_ARGUMENT, b"", extra, content_type
    )
    assert "empty" in message and "Content-Encoding" in message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_checksum_that_does_not_match(gateway, encoding):
    token, make, label = ENCODINGS[encoding]
    body = bytearray(make(payload.metrics()))
    body[-8 if encoding == "gzip" else -1] ^= 1
    message = refused(
        gateway,
        400,
        "malformed_payload",
        INVALID_ARGUMENT,
        bytes(body),
        extra=[("Content-Encoding", token)],
    )
    assert f"{label}: " in message, message


@pytest.mark.parametrize(
    "values",
    [["gzip, gzip"], ["gzip,zstd"], ["gzip", "gzip"], ["br"], ["compress"], ["gzip;q=1"], ["*"]],
    ids=repr,
)
@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
def test_one_known_encoding_once(gateway, values, content_type):
    body = gzip.compress(gzip.compress(payload.metrics()))
    extra = [("Content-Encoding", value) for value in values]
    message = refused(
        gateway, 415, "unsupported_media_type", INVALID_ARGUMENT, body, extra, content_type
    )
    assert "gzip" in message and "zstd" in message  # what would be right


def test_one_type_once(gateway):
    sent = [wire.PROTOBUF, wire.PROTOBUF, *signed("/v1/metrics")]
    answer = wire.exchange(gateway.port, "POST", "/v1/metrics", sent, payload.metrics())
    assert answer.status == 415, answer
    assert code_and_message(answer)[1].startswith("unsupported_media_type: ")


# --- bounds ---------------------------------------------------------------------------------------


def deflated_zeros(size):
    """A raw deflate stream of that many zeros, in no time: one flushed block again and again."""
    squeeze = zlib.compressobj(wbits=-15)
    block = squeeze.compress(bytes(MiB)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return block * (size // MiB) + squeeze.flush()


def zeros_checksum(function, size, value):
    block = bytes(MiB)
    for _ in range(size // MiB):
        value = function(block, value)
    return value


def zstd_zeros(size, told):
    squeeze = zstandard.ZstdCompressor().compressobj(size=size if told else -1)
    block = bytes(MiB)
    return b"".join(squeeze.compress(block) for _ in range(size // MiB)) + squeeze.flush()


def gzip_zeros(size):
    checksum = zeros_checksum(zlib.crc32, size, 0).to_bytes(4, "little")
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return head + deflated_zeros(size) + checksum + (size % 2**32).to_bytes(4, "little")


def zlib_zeros(size):
    checksum = zeros_checksum(zlib.adler32, size, 1).to_bytes(4, "big")
    return b"\x78\x9c" + deflated_zeros(size) + checksum


BOMBS = {
    "gzip": ("gzip", gzip_zeros),
    "gzip of many members": ("gzip", lambda size: gzip.compress(bytes(MiB)) * (size // MiB)),
    "deflate": ("deflate", zlib_zeros),
    "raw deflate": ("deflate", deflated_zeros),
    "zstd": ("zstd", lambda size: zstd_zeros(size, True)),
    "zstd of unknown size": ("zstd", lambda size: zstd_zeros(size, False)),
}


def test_the_bombs_are_what_they_say():
    size = 8 * MiB
    for token, make in BOMBS.values():
        if token == "gzip":
            got = gzip.decompress(make(size))
        elif token == "zstd":
            got = zstandard.ZstdDecompressor().decompress(make(size), max_output_size=size)
        else:
            got = zlib.decompress(make(size), wbits=-15 if make is deflated_zeros else 15)
        assert got == bytes(size)


def peak_memory(gateway):
    for line in Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@pytest.fixture(scope="module")
def exposed(module_house):
    """A gateway of its own, so that the peak of its memory is that of the bombs alone."""
    return module_house.gateway()


@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_gibibyte_of_zeros(exposed, bomb, content_type):
    token, make = BOMBS[bomb]
    body = make(GiB)
    assert len(body) < MAX_BODY
    message = refused(
        exposed,
        413,
        "body_too_large",
        RESOURCE_EXHAUSTED,
        body,
        extra=[("Content-Encoding", token)],
        content_type=content_type,
    )
    assert str(MAX_BODY) in message
    if not SANITIZED:
        assert peak_memory(exposed) < 64 * MiB


def cpu_seconds(gateway):
    fields = Path(f"/proc/{gateway.process.pid}/schedstat").read_text().split()
    total = int(fields[0])
    for task in Path(f"/proc/{gateway.process.pid}/task").iterdir():
        if task.name != str(gateway.process.pid):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def test_nothing_is_inflated_before_the_signature(exposed):
    """An unsigned bomb hears 401, and costs a small part of what a signed one does."""
    body = gzip_zeros(2 * MAX_BODY)
    encoding = ("Content-Encoding", "gzip")

    def cost_of(headers, status):
        begin = cpu_seconds(exposed)
        head = wire.head("POST", "/v1/metrics", [wire.PROTOBUF, encoding, *headers], len(body))
        with wire.connect(exposed.port) as sock:
            for _ in range(30):
                sock.sendall(head + body)
                assert wire.read_answer(sock).status == status
        return cpu_seconds(exposed) - begin

    signed_cost = cost_of(signed("/v1/metrics"), 413)
    assert cost_of([], 401) < signed_cost / 4
    assert cost_of(signed("/v1/metrics", secret="w" * 40), 403) < signed_cost / 4


@pytest.fixture(scope="module")
def small(module_house):
    return module_house.gateway({"server": {"max_body": 64 * 1024}})


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_the_bound_is_exact(small, encoding):
    def of_size(size):
        rest = len(payload.metrics(attributes={"filler": "x" * (size - 300)})) - (size - 300)
        body = payload.metrics(attributes={"filler": "x" * (size - rest)})
        assert len(body) == size
        return body

    bound = 64 * 1024
    body, extra = encoded(encoding, of_size(bound))
    assert small.send("metrics", body, extra=extra).status == 200
    body, extra = encoded(encoding, of_size(bound + 1))
    refused(small, 413, "body_too_large", RESOURCE_EXHAUSTED, body, extra)


def test_many_resources_may_not_swell_by_what_is_stamped(small):
    """A resource takes two bytes on the wire, and each is given all that was proved."""
    refused(small, 413, "body_too_large", RESOURCE_EXHAUSTED, b"\x0a\x00" * 20_000)


def test_random_bytes_in_every_encoding(small):
    """Whatever comes, an answer of the table, and the gateway lives."""
    rng = random.Random(20261121)
    with wire.connect(small.port) as sock:
        for _ in range(1500):
            encoding = rng.choice(COMPRESSED)
            token, make, _ = ENCODINGS[encoding]
            content_type = rng.choice([wire.PROTOBUF, wire.JSON])
            meant = payload.metrics()
            data = payload.as_json("metrics", meant) if content_type == wire.JSON else meant
            body = bytearray(make(data))
            for _ in range(rng.randrange(1, 4)):
                body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
            headers = [content_type, ("Content-Encoding", token), *signed("/v1/metrics")]
            sock.sendall(wire.head("POST", "/v1/metrics", headers, len(body)) + body)
            answer = wire.read_answer(sock)
            assert answer.status in (200, 400, 413), answer
            if answer.status != 200:
                code_and_message(answer)
    assert small.is_live()
