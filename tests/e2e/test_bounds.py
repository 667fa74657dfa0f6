"""What a body may cost: a bomb takes no memory, an unsigned one not even time, and the bound is exact."""

import gzip
import random
import zlib
from pathlib import Path

import pytest
import zstandard

from harness import payload, wire
from harness.encodings import (
    BOMBS,
    COMPRESSED,
    ENCODINGS,
    deflated_zeros,
    encoded,
    gzip_zeros,
)
from harness.process import SANITIZED
from harness.signing import signed

MiB = 1024 * 1024
GiB = 1024 * MiB
MAX_BODY = 4 * MiB  # server.max_body as it is by default

RESOURCE_EXHAUSTED = 8  # google.rpc.Code


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
    message = exposed.refuses(
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
    small.refuses(413, "body_too_large", RESOURCE_EXHAUSTED, body, extra)


def test_many_resources_may_not_swell_by_what_is_stamped(small):
    """A resource takes two bytes on the wire, and each is given all that was proved."""
    small.refuses(413, "body_too_large", RESOURCE_EXHAUSTED, b"\x0a\x00" * 20_000)


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
                answer.told()
    assert small.is_live()
