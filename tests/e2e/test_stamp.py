"""What the gateway proved stands in every resource at the Collector, and what a client claimed under
the same names does not."""

import pytest

from harness import payload, wire
from harness.gateway import write_ring
from harness.process import wait_until
from harness.signing import SECRET, signed

LABELLED = {"id": "prod-7", "secret": SECRET, "state": "active", "label": "production"}
DEVELOPMENT = "development-secret-0123456789abcdef0123"
PLAIN = "plain-secret-0123456789abcdef0123456789"
RING = (
    LABELLED,
    {"id": "dev", "secret": DEVELOPMENT, "state": "active", "label": 'dévelopment "2"'},
    {"id": "plain", "secret": PLAIN, "state": "active"},
)
LIES = {
    "sigpost.session.id": "somebody-else",
    "sigpost.key.id": "root",
    "deployment.environment": "nowhere",
    "service.namespace": "theirs",
}
MAKE = {"metrics": payload.metrics, "traces": payload.traces, "logs": payload.logs}


@pytest.fixture(scope="module")
def collector(module_house):
    return module_house.collector()


@pytest.fixture(scope="module")
def gateway(module_house, collector):
    """With a namespace of its operator's."""
    gateway = module_house.gateway_to(
        collector, start=False, secret=None, env={"SIGPOST_STAMP_SERVICE_NAMESPACE": "kotormodsync"}
    )
    write_ring(gateway, *RING)
    return gateway.start()


@pytest.fixture(scope="module")
def open_gateway(module_house, collector):
    """Takes unsigned requests, and has no namespace."""
    gateway = module_house.gateway_to(
        collector, start=False, secret=None, env={"REQUIRE_AUTH": "false"}
    )
    write_ring(gateway, *RING)
    return gateway.start()


def resource(collector, name):
    (item,) = collector.named(name)
    return item["resource"]


@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("signal", MAKE)
def test_lies_are_taken_out_and_what_was_proved_put_in(gateway, collector, signal, content_type):
    name = f"lies {signal} {content_type[1]}"
    meant = MAKE[signal](name, platform="Unix", **LIES)
    body = payload.as_json(signal, meant) if content_type == wire.JSON else meant
    answer = gateway.send(signal, body, content_type=content_type, session="run-1")
    assert answer.status == 200, answer
    items = collector.named(name)
    assert items[0]["resource"] == {
        "service.name": "e2e",
        "platform": "Unix",
        "sigpost.session.id": "run-1",
        "sigpost.key.id": "prod-7",
        "deployment.environment": "production",
        "service.namespace": "kotormodsync",
    }
    proved = {"environment": "production", "namespace": "kotormodsync"}
    sent = payload.items_of_request(signal, meant)
    assert items == payload.stamped(sent, session="run-1", key="prod-7", **proved)


def test_each_name_is_there_once(gateway, collector):
    """Attributes as the Collector wrote them, before a test's dictionary hides a second one."""
    body = payload.metrics(name="names once", **LIES)
    assert gateway.send("metrics", body).status == 200
    collector.named("names once")
    (line,) = (text for text in collector.file.read_text().splitlines() if "names once" in text)
    for name, lie in LIES.items():
        assert line.count(f'"{name}"') == line.count('"names once"') == 1
        assert lie not in line


@pytest.mark.parametrize("path", ["/", "/v1/traces"])
def test_by_either_path(gateway, collector, path):
    name = f"path {path}"
    assert gateway.send("traces", payload.traces(name, **LIES), path=path).status == 200
    assert resource(collector, name)["sigpost.key.id"] == "prod-7"


@pytest.mark.parametrize("named", [True, False])
def test_the_key_that_verified_gives_its_label(gateway, collector, named):
    name = f"development {named}"
    answer = gateway.send(
        "metrics",
        payload.metrics(name=name),
        secret=DEVELOPMENT,
        session=f"dev-{named}",
        key_id="dev" if named else None,
    )
    assert answer.status == 200
    shown = resource(collector, name)
    assert shown["sigpost.key.id"] == "dev"
    assert shown["deployment.environment"] == 'dévelopment "2"'


def test_a_key_id_that_another_key_verified_is_not_believed(gateway, collector):
    body = payload.metrics(name="another key's id")
    assert gateway.send("metrics", body, key_id="nobody").status == 200
    assert resource(collector, "another key's id")["sigpost.key.id"] == "prod-7"


def test_a_key_without_label_gives_no_environment(gateway, collector):
    body = payload.metrics(name="no label", **LIES)
    assert gateway.send("metrics", body, secret=PLAIN, session="plain").status == 200
    assert resource(collector, "no label") == {
        "service.name": "e2e",
        "sigpost.session.id": "plain",
        "sigpost.key.id": "plain",
        "service.namespace": "kotormodsync",
    }


@pytest.mark.parametrize("session", [None, ""], ids=["absent", "empty"])
def test_without_a_session_there_is_none(gateway, collector, session):
    name = f"no session {session}"
    body = payload.metrics(name=name, **LIES)
    assert gateway.send("metrics", body, session=session).status == 200
    shown = resource(collector, name)
    assert "sigpost.session.id" not in shown
    assert shown["sigpost.key.id"] == "prod-7"


def test_without_a_namespace_there_is_none(open_gateway, collector):
    body = payload.metrics(name="no namespace", **LIES)
    assert open_gateway.send("metrics", body, session="run-2").status == 200
    assert resource(collector, "no namespace") == {
        "service.name": "e2e",
        "sigpost.session.id": "run-2",
        "sigpost.key.id": "prod-7",
        "deployment.environment": "production",
    }


@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-KMS-Session-ID", "claimed"), ("X-KMS-Key-ID", "prod-7")],
        [
            ("X-KMS-Signature", "0" * 64),
            ("X-KMS-Timestamp", "1"),
            ("X-KMS-Session-ID", "claimed"),
            ("X-KMS-Key-ID", "prod-7"),
        ],
        signed("/v1/metrics", session="claimed", timestamp=1, key_id="prod-7", version="1"),
    ],
    ids=["no headers", "a session and no signature", "a wrong signature", "a stale one"],
)
def test_nothing_is_proved_of_unsigned_requests(open_gateway, collector, headers, content_type):
    name = f"unsigned {len(headers)} {content_type[1]}"
    meant = payload.metrics(name=name, **LIES)
    body = payload.as_json("metrics", meant) if content_type == wire.JSON else meant
    answer = wire.post(open_gateway.port, "/v1/metrics", headers, body, content_type)
    assert answer.status == 200, answer
    assert resource(collector, name) == {"service.name": "e2e"}


def test_unsigned_ones_get_the_operators_namespace(house):
    """It is the operator's word and needs no proof."""
    collector = house.collector()
    gateway = house.gateway_to(
        collector, env={"REQUIRE_AUTH": "false", "SIGPOST_STAMP_SERVICE_NAMESPACE": "ours"}
    )
    body = payload.metrics(name="unsigned", **LIES)
    assert wire.post(gateway.port, "/v1/metrics", [], body).status == 200
    assert resource(collector, "unsigned") == {"service.name": "e2e", "service.namespace": "ours"}


def test_every_resource_of_a_request(gateway, collector):
    """Messages laid end to end are one request; one without a resource is given one."""
    bare = payload.REQUESTS["metrics"]()
    metric = bare.resource_metrics.add().scope_metrics.add().metrics.add(name="every resource")
    metric.gauge.data_points.add(as_int=3)
    body = b"".join(
        [
            payload.metrics(name="every resource", value=1, **LIES),
            payload.metrics(name="every resource", value=2, platform="Unix"),
            bare.SerializeToString(),
        ]
    )
    assert gateway.send("metrics", body, session="three").status == 200
    wanted = lambda items: [i for i in items if i["name"] == "every resource"]  # noqa: E731
    items = wanted(collector.wait_items(lambda items: len(wanted(items)) == 3))
    assert sorted(item["value"] for item in items) == [1, 2, 3]
    for item in items:
        assert item["resource"]["sigpost.session.id"] == "three"
        assert item["resource"]["deployment.environment"] == "production"
        assert item["resource"]["service.namespace"] == "kotormodsync"


def test_only_resources_are_touched(gateway, collector):
    """The same names on a point are the client's own affair."""
    body = payload.metrics(name="on a point", attributes=LIES)
    assert gateway.send("metrics", body).status == 200
    (item,) = collector.named("on a point")
    assert item["attributes"] == LIES


def test_a_reload_changes_the_namespace(house):
    collector = house.collector()
    gateway = house.gateway_to(collector, {"stamp": {"service_namespace": "before"}})
    assert gateway.send("metrics", payload.metrics(name="before")).status == 200
    gateway.configure({"stamp": {"service_namespace": "after"}})
    gateway.reload()
    gateway.wait_log("configuration reloaded")
    assert gateway.send("metrics", payload.metrics(name="after")).status == 200
    assert resource(collector, "before")["service.namespace"] == "before"
    assert resource(collector, "after")["service.namespace"] == "after"


def test_fleet_series_are_not_split_by_what_was_proved(house):
    """A session's and a key's id would make a series of each run."""
    gateway = house.gateway()
    for session in ("one", "two"):
        body = payload.metrics(value=2, start=1, **{"session.id": session})
        assert gateway.send("metrics", body, session=session).status == 200

    def series():
        return {
            k: v for k, v in gateway.client_metrics().items() if k[0].startswith("e2e_requests")
        }

    wait_until(lambda: sum(series().values()) == 4, 5, "both sessions in the series")
    ((_, labels),) = series()
    assert not {"sigpost_session_id", "sigpost_key_id"} & {label for label, _ in labels}
