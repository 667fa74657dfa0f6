"""Bodies in every type and encoding that a client may choose: what arrives at the Collector is what
was meant, and what is broken is told by its name."""

import gzip

import pytest

from harness import exposition, payload, wire
from harness.encodings import COMPRESSED, ENCODINGS, encoded
from harness.signing import signed

INVALID_ARGUMENT = 3  # google.rpc.Code


@pytest.fixture(scope="module")
def collector(module_house):
    return module_house.collector()


@pytest.fixture(scope="module")
def gateway(module_house, collector):
    return module_house.gateway_to(collector)


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
    answer = gateway.send("metrics", body, extra=extra, content_type=("Content-Type", content_type))
    assert (answer.status, answer.header("Content-Type")) == (200, content_type)
    assert answer.body == (b"{}" if "json" in content_type else b"")
    assert count() == before + 1
    sent = payload.items_of_request("metrics", meant)
    assert collector.named(name) == payload.stamped(sent)


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
    assert len(collector.named(written)) == 1


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
    assert len(collector.named(name)) == 1


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
        message = gateway.refuses(
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
    message = gateway.refuses(400, "malformed_payload", INVALID_ARGUMENT, b"", extra, content_type)
    assert "empty" in message and "Content-Encoding" in message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_checksum_that_does_not_match(gateway, encoding):
    token, make, label = ENCODINGS[encoding]
    body = bytearray(make(payload.metrics()))
    body[-8 if encoding == "gzip" else -1] ^= 1
    message = gateway.refuses(
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
    message = gateway.refuses(
        415, "unsupported_media_type", INVALID_ARGUMENT, body, extra, content_type
    )
    assert "gzip" in message and "zstd" in message  # what would be right


def test_one_type_once(gateway):
    sent = [wire.PROTOBUF, wire.PROTOBUF, *signed("/v1/metrics")]
    answer = wire.exchange(gateway.port, "POST", "/v1/metrics", sent, payload.metrics())
    assert answer.status == 415, answer
    assert answer.told()[1].startswith("unsupported_media_type: ")
