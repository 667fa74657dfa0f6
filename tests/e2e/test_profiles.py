"""Profiles are in development in OTLP: they are carried as they are, each in a request of its own."""

import pytest

from harness import wire
from harness.process import wait_until
from harness.signing import signed
from harness.sink import Sink

PATH = "/v1development/profiles"
# Sound protobuf whose insides are nobody's business: field 1 holds what is no message.
BODIES = [b"\x0a\x02\xff\xff\x10\x01", b"\x0a\x03abc", b"\x12\x84\x80\x00\x01\x02\x03\x04"]


@pytest.fixture(scope="module")
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def gateway(module_house, sink):
    return module_house.gateway(env={"SIGPOST_EXPORT_DESTINATIONS": f"otlp={sink.url}"})


def post(gateway, body, content_type=wire.PROTOBUF, path=PATH):
    return wire.post(gateway.port, path, signed(PATH), body, content_type)


def test_profiles_are_stored_and_carried_unchanged_one_by_one(gateway, sink):
    before = gateway.stored()
    for body in BODIES:
        assert post(gateway, body).status == 200
    assert gateway.stored() == before + len(BODIES)
    wait_until(lambda: len(sink.taken) == len(BODIES))
    expected = [(PATH, "application/x-protobuf", body) for body in BODIES]
    assert sorted(sink.taken) == sorted(expected)


def test_an_export_of_nothing_is_not_stored(gateway):
    before = gateway.stored()
    assert post(gateway, b"").status == 200
    assert gateway.stored() == before


def test_what_is_no_protobuf_is_refused(gateway):
    answer = post(gateway, b"\x0a\x05ab")
    assert answer.status == 400
    assert answer.told()[1].startswith("malformed_payload: ")


def test_json_is_refused_because_there_is_no_schema_to_read_it_by(gateway):
    answer = post(gateway, b"{}", wire.JSON)
    assert answer.status == 415
    assert answer.told()[1].startswith("unsupported_media_type: ")


def test_a_signature_over_profiles_opens_no_root(gateway):
    assert post(gateway, BODIES[0], path="/").status == 403
