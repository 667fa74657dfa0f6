"""Beats for an uptime monitor: each with the outcome of a canary that went the whole way."""

import contextlib

import pytest
from harness import exposition, payload
from harness.gateway import write_ring
from harness.kuma import Kuma
from harness.process import free_port, wait_until

KEY = {"id": "k1", "secret": "canary-secret-0123456789abcdef012345", "state": "active"}
FAST = {"retry_initial": "100ms", "retry_max": "200ms", "batch_age": "20ms"}


@pytest.fixture
def kuma():
    with contextlib.closing(Kuma().start()) as running:
        yield running


def pushing(kuma, **more):
    return {"health": {"push_url": kuma.url, "push_interval": 1}, **more}


def is_up(beat):
    return beat["up"]


def is_down(beat):
    return not beat["up"]


def canaries(gateway):
    return exposition.total(gateway.metrics(), "sigpost_canary_runs_total", result="arrived")


def test_up_with_the_time_of_the_whole_way(house, kuma):
    """To the Collector and to the fleet series, by a real key; the Collector has the very point."""
    collector = house.collector()
    export = {**FAST, "destinations": [{"type": "fleet"}, {"type": "otlp", "url": collector.url}]}
    gateway = house.gateway(pushing(kuma, export=export), secret=None, start=False)
    write_ring(gateway, KEY)
    gateway.start()
    beats = [kuma.wait_beat(is_up) for _ in range(2)]
    # batch_age is a part of the way.
    assert all(beat["msg"] == "OK" and 20 <= beat["ping"] < 1000 for beat in beats), beats
    assert beats[1]["at"] - beats[0]["at"] == pytest.approx(1, abs=0.5)
    points = collector.named("sigpost.canary")
    assert {p["resource"]["service.name"] for p in points} == {"sigpost-canary"}
    assert {p["resource"]["sigpost.key.id"] for p in points} == {"k1"}
    assert "sigpost.session.id" not in points[0]["resource"]
    values = [p["value"] for p in points]
    assert values == [float(n + 1) for n in range(len(values))]
    assert len({p["start"] for p in points}) == 1
    fleet = gateway.client_metrics()
    assert {name for name, _ in fleet} == {"sigpost_canary_total"}
    assert exposition.total(fleet, "sigpost_canary_total", service_name="sigpost-canary") >= 2
    metrics = gateway.metrics()
    assert exposition.total(metrics, "sigpost_sessions_active") == 0
    assert exposition.total(metrics, "sigpost_lobby_slots", state="taken") == 0
    # Its signatures have our own clock: they would hide that it is wrong.
    assert exposition.total(metrics, "sigpost_signature_age_seconds_count") == 0
    assert exposition.total(metrics, "sigpost_canary_seconds") >= 0.02
    assert exposition.total(metrics, "sigpost_health_push_total", result="ok") >= 2


@pytest.mark.heavy
def test_a_canary_is_no_use_of_a_key(house, kuma):
    """By which `sigpostctl secret retire` decides whether a key may go."""
    gateway = house.gateway(pushing(kuma), secret=None, start=False)
    write_ring(gateway, KEY)
    gateway.start()
    kuma.wait_beat(is_up)
    forged = [("X-Sigpost-Canary", "0" * 32)]
    gateway.send("metrics", payload.metrics(), secret=KEY["secret"], version="1.5", extra=forged)
    gateway.terminate()
    usage = (gateway.state / "key_usage").read_bytes()
    assert b"1.5" in usage and b"canary" not in usage


def test_a_collector_that_is_down_is_named_until_it_is_back(house, kuma):
    collector = house.collector(start=False)
    gateway = house.gateway_to(collector, pushing(kuma))
    beat = kuma.wait_beat(is_down)
    assert beat["msg"].startswith(f"otlp: {collector.url}/v1/metrics: "), beat
    assert "connect" in beat["msg"].lower() and beat["ping"] is None
    gateway.wait_log("the canary got stuck hop=otlp")
    collector.start()
    assert kuma.wait_beat(is_up, 20)["msg"] == "OK"
    gateway.wait_log("the canary arrives again")
    assert gateway.log().count("the canary got stuck") == 1


@pytest.mark.heavy
def test_a_collector_that_refuses_is_named_with_its_answer(house, kuma):
    """A 404, as from a Collector without a pipeline for the signal."""
    with contextlib.closing(Kuma(token="other").start()) as wrong:
        destination = {"type": "otlp", "url": f"http://127.0.0.1:{wrong.port}/api/push", "name": "far"}
        house.gateway(pushing(kuma, export={**FAST, "destinations": [destination]}))
        beat = kuma.wait_beat(is_down)
        assert beat["msg"].startswith(f"far: {destination['url']}/v1/metrics: "), beat
        assert "404" in beat["msg"], beat


@pytest.mark.heavy
def test_a_full_spool_is_named(house, kuma):
    """It fills up while the destination is away."""
    gateway = house.gateway(
        {
            "server": {"max_body": "64KiB"},
            "spool": {"max_bytes": "3MiB", "wait": 0},
            "export": {
                **FAST,
                "destinations": [{"type": "otlp", "url": f"http://127.0.0.1:{free_port()}"}],
            },
        }
    )
    def is_refused(size):
        body = payload.metrics(attributes={"k": "x" * size})
        return gateway.send("metrics", body).status == 503

    for size in (60000, 6000, 600, 1):  # until there is no room for a canary, either
        wait_until(lambda: is_refused(size), 20, "a full spool", every=0)
    gateway.configure({"health": {"push_url": kuma.url, "push_interval": 1}})
    gateway.reload()
    assert kuma.wait_beat(is_down)["msg"] == "spool: full: data is being refused"


@pytest.mark.heavy
def test_no_key_is_named_and_no_canary_leaves_unsigned(house, kuma):
    gateway = house.gateway(pushing(kuma), secret=None, start=False)
    write_ring(gateway, KEY)
    gateway.start()
    kuma.wait_beat(is_up)
    write_ring(gateway, {**KEY, "state": "revoked"})
    beat = kuma.wait_beat(is_down)
    assert beat["msg"].startswith("key: ")
    before = gateway.stored()
    kuma.wait_beat(is_down)
    assert gateway.stored() == before


@pytest.mark.heavy
def test_without_signatures_the_canary_needs_none(house, kuma):
    gateway = house.gateway(
        pushing(kuma), env={"SIGPOST_AUTH_REQUIRED": "false"}, secret=None
    )
    assert kuma.wait_beat(is_up)["msg"] == "OK"
    assert canaries(gateway) >= 1


@pytest.mark.heavy
@pytest.mark.parametrize("status", [404, 500], ids=["kuma-1", "kuma-2"])
def test_an_unknown_token_is_told_once_and_never_shown(house, kuma, status):
    kuma.unknown_status = status
    secret_part = "wRoNgToKeN"
    url = kuma.url.replace(kuma.token, secret_part)
    gateway = house.gateway({"health": {"push_url": url, "push_interval": 1}})
    wait_until(lambda: len(kuma.refused) >= 3, 10, "three pushes")
    assert not kuma.beats
    log = gateway.log()
    assert log.count("the uptime monitor did not take our beat") == 1
    assert f"answered {status}" in log and "Monitor not found" in log
    assert secret_part not in log
    gateway.configure({"health": {"push_url": kuma.url}})
    gateway.reload()
    assert kuma.wait_beat(is_up)
    gateway.wait_log("the uptime monitor takes our beats again")
    assert kuma.token not in gateway.log()


@pytest.mark.heavy
def test_a_trouble_whose_words_change_is_told_once(house, kuma):
    """A proxy's answer with a number in it, as curl's "after 21 ms"."""

    def busy(path):
        kuma.refused.append(path)
        return 503, "text/plain", f"busy, request {len(kuma.refused)}".encode()

    kuma._answer = busy
    gateway = house.gateway({"health": {"push_url": kuma.url, "push_interval": 1}})
    wait_until(lambda: len(kuma.refused) >= 4, 10, "four pushes")
    assert gateway.log().count("the uptime monitor did not take our beat") == 1
    del kuma._answer
    gateway.wait_log("the uptime monitor takes our beats again")


@pytest.mark.heavy
def test_the_monitors_own_page_is_no_answer(house, kuma):
    """Kuma answers every unknown path with its page and 200."""
    gateway = house.gateway(
        {"health": {"push_url": f"http://127.0.0.1:{kuma.port}/dashboard", "push_interval": 1}}
    )
    gateway.wait_log("answered 200 with a web page")
    assert exposition.total(gateway.metrics(), "sigpost_health_push_total", result="ok") == 0


@pytest.mark.heavy
def test_pasted_as_kuma_shows_it(house, kuma):
    kuma_shows = f"{kuma.url}?status=up&msg=OK&ping="
    house.gateway({"health": {"push_url": kuma_shows, "push_interval": 1}})
    assert kuma.wait_beat(is_up)["ping"] > 0


@pytest.mark.heavy
def test_off_means_no_canary(house, kuma):
    gateway = house.gateway(pushing(kuma))
    kuma.wait_beat(is_up)
    gateway.configure({"health": {"push_url": ""}})
    gateway.reload()
    gateway.wait_log("configuration reloaded")
    # A beat that was under way is over when two look alike a second apart.
    seen = []

    def still():
        seen.append((gateway.stored(), len(kuma.beats)))
        return len(seen) > 1 and seen[-1] == seen[-2]

    wait_until(still, 6, "no more beats", every=1.5)


def test_a_monitor_that_hangs_does_not_hold_up_a_stop(house, kuma):
    kuma.delay = 60
    gateway = house.gateway(pushing(kuma))
    wait_until(lambda: canaries(gateway) == 1, 10, "a canary")
    gateway.terminate(timeout=5)


@pytest.mark.heavy
def test_a_bad_url_is_told_without_showing_it(house):
    gateway = house.gateway({"health": {"push_url": "kuma/api/push/sEcReT"}}, start=False).launch()
    assert gateway.process.wait() == 2
    assert "health.push_url: " in gateway.log() and "sEcReT" not in gateway.log()
