"""Keys for environments: what a `dev` key signs is `deployment.environment=dev` wherever it is
seen, from the tool that makes the key to the Collector and the proxy."""

import subprocess

from harness import payload, wire
from harness.process import BIN, wait_until


def ctl(gateway, *words):
    done = subprocess.run(
        [BIN / "sigpostctl", "-c", gateway.config_path, *words],
        env=gateway.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def signed_by(gateway, key, session):
    said = ctl(gateway, "sign", "/v1/metrics", "--key", key, "--session", session)
    return [tuple(line.split(": ", 1)) for line in said.splitlines()]


def environment_of(collector, name):
    (item,) = collector.named(name)
    return item["resource"].get("deployment.environment")


def auth(gateway, headers):
    asked = [("X-Forwarded-Method", "POST"), ("X-Forwarded-Uri", "/v1/metrics")]
    return wire.exchange(gateway.port, "GET", "/auth", [*asked, *headers])


def test_the_label_of_a_key_is_the_environment_of_its_payloads(house):
    collector = house.collector()
    gateway = house.gateway_to(collector, start=False, secret=None)
    ctl(gateway, "secret", "init", "--id", "prod", "--label", "production")
    ctl(gateway, "secret", "add", "--id", "dev", "--label", "dev")
    ctl(gateway, "secret", "add", "--id", "bare")
    gateway.start()
    expected = {"prod": "production", "dev": "dev", "bare": None}
    for key, environment in expected.items():
        headers = signed_by(gateway, key, f"run-{key}")
        body = payload.metrics(name=f"by {key}", **{"deployment.environment": "a lie"})
        assert wire.post(gateway.port, "/v1/metrics", headers, body).status == 200
        assert environment_of(collector, f"by {key}") == environment
        answer = auth(gateway, headers)
        assert (answer.status, answer.header("X-Auth-Environment")) == (200, environment)
        assert answer.header("X-Auth-Key-Id") == key


def test_a_label_that_changes_holds_from_then_on(house):
    """Also for the session that has been signing with the key."""
    collector = house.collector()
    gateway = house.gateway_to(collector, start=False, secret=None)
    ctl(gateway, "secret", "init", "--id", "k", "--label", "dev")
    gateway.start()
    headers = signed_by(gateway, "k", "run-1")
    assert auth(gateway, headers).header("X-Auth-Environment") == "dev"
    ring = gateway.state / "keyring.cfg"
    aside = gateway.state / "keyring.cfg.new"
    aside.touch(mode=0o600)
    aside.write_text(ring.read_text().replace('label = "dev"', 'label = "staging"'))
    aside.rename(ring)
    told = lambda: auth(gateway, headers).header("X-Auth-Environment")  # noqa: E731
    wait_until(lambda: told() == "staging", 10, "the new label")
    body = payload.metrics(name="later")
    assert wire.post(gateway.port, "/v1/metrics", headers, body).status == 200
    assert environment_of(collector, "later") == "staging"
