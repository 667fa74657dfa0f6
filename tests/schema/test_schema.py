"""Is our schema (otlp/proto) the published one?

Ours is compiled by protoc and compared with the descriptors in the PyPI packages that
requirements.txt pins: every message, field (name, number, type, label, oneof) and enum value, both
ways. protoc-c takes no proto3 `optional`; ours has a oneof of one member there, optional_NAME.

    python3 -m venv .venv && .venv/bin/pip install -r tests/schema/requirements.txt
    .venv/bin/python3 -m pytest tests/schema
"""

import importlib
import pathlib
import subprocess

import pytest
from google.protobuf import descriptor_pb2
from google.rpc import status_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = ROOT / "otlp" / "proto"

# Our file -> the module of the published one.
PUBLISHED = {
    "common": "opentelemetry.proto.common.v1.common_pb2",
    "resource": "opentelemetry.proto.resource.v1.resource_pb2",
    "metrics": "opentelemetry.proto.metrics.v1.metrics_pb2",
    "trace": "opentelemetry.proto.trace.v1.trace_pb2",
    "logs": "opentelemetry.proto.logs.v1.logs_pb2",
    "metrics_service": "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    "trace_service": "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    "logs_service": "opentelemetry.proto.collector.logs.v1.logs_service_pb2",
}

FIELD = descriptor_pb2.FieldDescriptorProto


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    """Our files by stem, as FileDescriptorProto."""
    out = tmp_path_factory.mktemp("schema") / "ours.bin"
    sources = sorted(str(path) for path in PROTO.glob("*.proto"))
    command = ["protoc", f"--proto_path={ROOT}", f"--descriptor_set_out={out}", *sources]
    subprocess.run(command, check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {pathlib.Path(file.name).stem: file for file in files.file}


def published(module):
    file = descriptor_pb2.FileDescriptorProto()
    importlib.import_module(module).DESCRIPTOR.CopyToProto(file)
    return file


def oneof_of(message, field):
    """The field's real oneof, or "optional" for proto3 optional in either spelling, or None."""
    if field.proto3_optional:
        return "optional"
    if not field.HasField("oneof_index"):
        return None
    name = message.oneof_decl[field.oneof_index].name
    members = [f for f in message.field if f.HasField("oneof_index")
               and f.oneof_index == field.oneof_index]
    if len(members) == 1 and name == f"optional_{field.name}":
        return "optional"
    return name


def fields_of(message):
    return {
        field.number: {
            "name": field.name,
            "type": FIELD.Type.Name(field.type),
            "type_name": field.type_name,
            "label": FIELD.Label.Name(field.label),
            "oneof": oneof_of(message, field),
            "packed": field.options.packed if field.options.HasField("packed") else None,
        }
        for field in message.field
    }


def flatten(file):
    """Messages and enums of a file by full name, the nested ones included."""
    messages, enums = {}, {}

    def walk(prefix, holder_messages, holder_enums):
        for enum in holder_enums:
            enums[f"{prefix}.{enum.name}"] = {v.name: v.number for v in enum.value}
        for message in holder_messages:
            name = f"{prefix}.{message.name}"
            messages[name] = fields_of(message)
            walk(name, message.nested_type, message.enum_type)

    walk(file.package, file.message_type, file.enum_type)
    return messages, enums


def test_every_file_of_ours_is_compared(ours):
    assert set(ours) == set(PUBLISHED) | {"status"}


@pytest.mark.parametrize("stem", PUBLISHED)
def test_same_package_and_syntax(ours, stem):
    theirs = published(PUBLISHED[stem])
    assert ours[stem].package == theirs.package
    assert ours[stem].syntax == theirs.syntax == "proto3"


@pytest.mark.parametrize("stem", PUBLISHED)
def test_same_messages(ours, stem):
    mine, _ = flatten(ours[stem])
    theirs, _ = flatten(published(PUBLISHED[stem]))
    assert mine.keys() == theirs.keys()
    for name, fields in theirs.items():
        assert mine[name] == fields, name


@pytest.mark.parametrize("stem", PUBLISHED)
def test_same_enums(ours, stem):
    _, mine = flatten(ours[stem])
    _, theirs = flatten(published(PUBLISHED[stem]))
    assert mine == theirs


def test_status_is_google_rpc_status(ours):
    theirs = descriptor_pb2.FileDescriptorProto()
    status_pb2.DESCRIPTOR.CopyToProto(theirs)
    mine, _ = flatten(ours["status"])
    published_fields = flatten(theirs)[0]["google.rpc.Status"]
    assert mine == {"google.rpc.Status": {n: published_fields[n] for n in (1, 2)}}
    assert published_fields[3]["name"] == "details"  # the one we leave out
