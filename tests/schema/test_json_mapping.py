"""Does otlp/json read OTLP/JSON as Google's own proto3 JSON mapping does?

Random requests of the published schema are written by google.protobuf.json_format, their ids turned
from base64 to hex as OTLP wants it, and converted by our code, whose archives are linked to a shared
library for this. What comes out must be the same message. Then single values: whatever we take, json_format
takes too, and with the same meaning (it takes more: "007", "1_0", true as a double, enum names).
Runs as test_schema.py does, on the release build; needs cc besides.
"""

import base64
import ctypes
import json
import math
import pathlib
import random
import struct
import subprocess

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
METRICS, TRACES, LOGS = range(3)
REQUESTS = [
    metrics_service_pb2.ExportMetricsServiceRequest,
    trace_service_pb2.ExportTraceServiceRequest,
    logs_service_pb2.ExportLogsServiceRequest,
]
ID_SIZES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
ID_NAMES = {"traceId", "spanId", "parentSpanId"}


class Slice(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Buf(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("len", ctypes.c_size_t),
        ("cap", ctypes.c_size_t),
        ("failed", ctypes.c_bool),
    ]


@pytest.fixture(scope="session")
def convert(tmp_path_factory):
    """text -> (True, wire bytes) or (False, the fault)."""
    library = tmp_path_factory.mktemp("json") / "libjson.so"
    archives = [BUILD / "otlp" / f"libsigpost_{name}.a" for name in ("otlp", "proto")]
    archives.append(BUILD / "base" / "libsigpost_base.a")
    whole = ["-Wl,--whole-archive", *map(str, archives), "-Wl,--no-whole-archive"]
    needed = ["-lprotobuf-c", "-lconfig", "-lz", "-lzstd", "-lm"]
    subprocess.run(["cc", "-shared", "-o", library, *whole, *needed], check=True)
    code = ctypes.CDLL(str(library))
    code.json_to_request.restype = ctypes.c_bool
    code.json_to_request.argtypes = [ctypes.c_int, Slice, ctypes.POINTER(Buf), ctypes.c_char_p]

    def run(signal, text):
        buf = Buf()
        fault = ctypes.create_string_buffer(256)
        done = code.json_to_request(signal, Slice(text, len(text)), ctypes.byref(buf), fault)
        wire = ctypes.string_at(buf.data, buf.len) if buf.len else b""
        code.buf_free(ctypes.byref(buf))
        return done, wire if done else fault.value.decode("ascii")

    return run


def integer_range(field):
    bits = 64 if "64" in field_type(field) else 32
    if field_type(field) in ("UINT32", "FIXED32", "UINT64", "FIXED64"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def field_type(field):
    names = ["DOUBLE", "INT32", "INT64", "UINT32", "UINT64", "SINT32", "SINT64", "FIXED32"]
    names += ["FIXED64", "SFIXED32", "SFIXED64", "BOOL", "STRING", "BYTES", "ENUM"]
    return next(name for name in names if getattr(field, f"TYPE_{name}") == field.type)


def random_value(rng, field):
    kind = field_type(field)
    if kind == "BYTES":
        size = ID_SIZES.get(field.name, rng.randrange(12))
        return rng.choice([b"", rng.randbytes(size), rng.randbytes(size)])
    if kind == "STRING":
        points = [0, 9, 10, 34, 92, 47, 65, 127, 0xE9, 0x20AC, 0x2028, 0x1F4EE]
        return "".join(chr(rng.choice(points)) for _ in range(rng.randrange(12)))
    if kind == "BOOL":
        return rng.choice([True, False])
    if kind == "ENUM":
        return rng.choice([0, 1, 2, -1, 77])
    if kind == "DOUBLE":
        wild = struct.unpack("<d", rng.randbytes(8))[0]
        wild = 1.0 if math.isnan(wild) else wild
        return rng.choice([0.0, -0.0, 1e23, math.inf, -math.inf, wild, rng.random()])
    low, high = integer_range(field)
    return rng.choice([low, high, 0, 1, rng.randint(low, high)])


def fill(rng, message, depth):
    for field in message.DESCRIPTOR.fields:
        likely = 0.9 if depth < 5 and field.message_type else 0.5 if depth < 9 else 0.1
        oneof = field.containing_oneof
        if rng.random() > likely or (oneof and message.WhichOneof(oneof.name)):
            continue
        if hasattr(getattr(message, field.name), "append"):
            for _ in range(rng.randrange(3)):
                if field.message_type:
                    fill(rng, getattr(message, field.name).add(), depth + 1)
                else:
                    getattr(message, field.name).append(random_value(rng, field))
        elif field.message_type:
            getattr(message, field.name).SetInParent()
            fill(rng, getattr(message, field.name), depth + 1)
        else:
            setattr(message, field.name, random_value(rng, field))


def ids_in_hex(value):
    if isinstance(value, list):
        return [ids_in_hex(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64decode(inner).hex() if name in ID_NAMES else ids_in_hex(inner)
        for name, inner in value.items()
    }


def same(ours, theirs):
    return ours.SerializeToString(deterministic=True) == theirs.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize("signal", [METRICS, TRACES, LOGS])
def test_what_json_format_writes_comes_back(convert, signal):
    rng = random.Random(signal)
    for _ in range(1000):
        message = REQUESTS[signal]()
        fill(rng, message, 0)
        mapped = json_format.MessageToDict(message, use_integers_for_enums=True)
        text = json.dumps(
            ids_in_hex(mapped), ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])
        )
        done, wire = convert(signal, text.encode())
        assert done, (wire, text)
        assert same(REQUESTS[signal].FromString(wire), message), text


RECORD = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"%s":%s}]}]}]}'
BODY = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"%s":%s}}]}]}]}'
POINT = (
    '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"exponentialHistogram":'
    '{"dataPoints":[{"%s":%s}]}}]}]}]}'
)
VALUES = """0 1.0 1e3 1E-1 0.5 -0.0 "1" "1.0" "1e3" "" "+1" "007" 007 true null [] {} "true"
    4294967295 4294967296 -2147483648 -2147483649 9223372036854775807 9223372036854775808
    18446744073709551615 18446744073709551616 1e400 "1e400" "NaN" "nan" "Infinity" "-Infinity"
    NaN "AA==" "AA" "A" "-_8" "+/8=" "\\ud800" "\\u0000" "\\ud83d\\udcee" 1.7976931348623157e308
    1.7976931348623159e308 5e-324 "0x1" 123456789012345678901e-20 9007199254740993""".split()


@pytest.mark.parametrize(
    ("signal", "text", "name"),
    [(LOGS, RECORD, name) for name in ("timeUnixNano", "severityNumber", "severityText", "flags")]
    + [(LOGS, BODY, kind + "Value") for kind in ("string", "bool", "int", "double", "bytes")]
    + [(METRICS, POINT, name) for name in ("scale", "count", "sum", "flags", "attributes")],
)
def test_what_we_take_json_format_takes(convert, signal, text, name):
    taken = 0
    for value in VALUES:
        whole = (text % (name, value)).encode()
        done, wire = convert(signal, whole)
        if done:
            taken += 1
            theirs = json_format.Parse(whole, REQUESTS[signal]())
            assert same(REQUESTS[signal].FromString(wire), theirs), value
    assert taken >= 2
