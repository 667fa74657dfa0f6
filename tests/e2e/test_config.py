"""Configuration as an operator meets it: --check, errors with their place, environment over file,
the older names, SIGHUP."""

import gzip
import json
import subprocess
import time

import pytest

from harness import payload, wire
from harness.process import BIN, free_port, wait_until
from harness.signing import signed


def check(gateway, *options):
    return subprocess.run(
        [BIN / "sigpost", "-c", gateway.config_path, *options],
        env=gateway.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_check_of_a_good_configuration(house):
    done = check(house.gateway(start=False), "--check")
    assert done.returncode == 0, done.stderr
    assert "good" in done.stdout


def test_check_touches_nothing(house):
    gateway = house.gateway(start=False)
    check(gateway, "--check")
    assert not gateway.state.exists()


UNFIT = {
    "spool": {"spool": {"max_bytes": "1MiB"}, "server": {"max_body": "64KiB"}},
    "ca_file": {
        "export": {
            "destinations": [{"type": "otlp", "url": "https://c", "ca_file": "/nowhere/ca.pem"}]
        }
    },
}


@pytest.mark.parametrize("option", ["--check", None])
@pytest.mark.parametrize(
    "unfit, said",
    [
        ("spool", "spool.max_bytes: 1024KiB are too few for two files that hold a body of"),
        ("ca_file", "destination otlp: cannot read the destination's ca_file /nowhere/ca.pem"),
    ],
)
def test_what_a_start_would_refuse_is_told_by_check(house, unfit, said, option):
    gateway = house.gateway(UNFIT[unfit], start=False)
    done = check(gateway, *([option] if option else []))
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_an_address_that_cannot_be_had_is_named(house):
    gateway = house.gateway(start=False, env={"SIGPOST_SERVER_LISTEN": "192.0.2.1:18480"})
    done = check(gateway)
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1 port 18480" in done.stderr
    assert "this machine has no such address" in done.stderr


@pytest.mark.parametrize("option", ["--check", None])
@pytest.mark.parametrize(
    "line, key",
    [
        ('spool = { wiat = "3s"; };', "spool.wiat"),
        ('spool = { wait = "3 fortnights"; };', "spool.wait"),
        ('server_ = { listen = "127.0.0.1:1"; };', "server_"),
        ("rate = { burst = -1; };", "rate.burst"),
        ('auth = { required = "perhaps"; };', "auth.required"),
    ],
)
def test_a_faulty_key_is_named_with_its_place(house, line, key, option):
    gateway = house.gateway(start=False)
    text = gateway.config_path.read_text()
    gateway.config_path.write_text(text + line + "\n")
    done = check(gateway, *([option] if option else []))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    number = len(text.splitlines()) + 1
    assert f"{gateway.config_path}:{number}" in done.stderr
    assert key in done.stderr


def test_a_syntax_error_is_named_with_its_place(house):
    gateway = house.gateway(start=False)
    gateway.config_path.write_text("server = {\n  listen = ;\n};\n")
    done = check(gateway, "--check")
    assert done.returncode == 2
    assert f"{gateway.config_path}:2" in done.stderr


def test_a_missing_file_is_an_error_when_named(house):
    gateway = house.gateway(start=False)
    gateway.config_path.unlink()
    done = check(gateway)
    assert done.returncode == 2
    assert str(gateway.config_path) in done.stderr


def test_a_faulty_environment_names_the_variable(house):
    gateway = house.gateway(start=False, env={"SIGPOST_SPOOL_WAIT": "soon"})
    done = check(gateway, "--check")
    assert done.returncode == 2
    assert "SIGPOST_SPOOL_WAIT" in done.stderr


def test_unknown_option(house):
    done = check(house.gateway(start=False), "--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr or "nonsense" in done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version(option):
    done = subprocess.run([BIN / "sigpost", option], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0
    assert "sigpost" in done.stdout


def test_environment_beats_file(house):
    port = free_port()
    gateway = house.gateway(start=False, env={"SIGPOST_SERVER_LISTEN": f"127.0.0.1:{port}"})
    gateway.port = port
    gateway.start()
    assert gateway.is_live()


def test_the_older_names(house):
    """What the replaced services were configured with."""
    port = free_port()
    gateway = house.gateway(
        start=False,
        env={
            "AUTH_SERVICE_PORT": str(port),
            "MAX_TIMESTAMP_DRIFT": "60",
            "MAX_SESSIONS": "9",
        },
    )
    gateway.port = port
    gateway.start()
    assert gateway.get("/capacity").json()["max"] == 9
    now = int(time.time())
    late = signed("/v1/metrics", timestamp=now - 120)
    assert wire.post(port, "/v1/metrics", late, payload.metrics()).status == 401
    assert gateway.send("metrics", payload.metrics()).status == 200


def test_secret_from_a_file(house, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("  file-secret-0123456789abcdef0123456789\n")
    secret.chmod(0o600)
    gateway = house.gateway(secret=None, env={"KOTORMODSYNC_SECRET_FILE": str(secret)})
    good = gateway.send(
        "metrics", payload.metrics(), secret="file-secret-0123456789abcdef0123456789"
    )
    assert good.status == 200


def test_a_named_secret_file_must_be_there(house, tmp_path):
    gateway = house.gateway(
        start=False, secret=None, env={"KOTORMODSYNC_SECRET_FILE": str(tmp_path / "nowhere")}
    ).launch()
    assert gateway.process.wait(10) == 2
    assert str(tmp_path / "nowhere") in gateway.log()


def test_a_short_secret_is_refused(house):
    gateway = house.gateway(start=False, secret="short").launch()
    assert gateway.process.wait(10) == 2
    assert "16" in gateway.log()


def test_sighup_takes_what_can_change(house):
    gateway = house.gateway({"rate": {"per_address": 0}}, start=False)
    del gateway.env["SIGPOST_RATE_PER_ADDRESS"]
    gateway.start()
    for _ in range(5):
        assert gateway.send("metrics", payload.metrics()).status == 200
    gateway.configure({"rate": {"per_address": 1, "burst": 1}, "session": {"max": 2}})
    gateway.reload()
    wait_until(lambda: gateway.get("/capacity").json()["max"] == 2, 5, "the new lobby size")
    answers = [gateway.send("metrics", payload.metrics()).status for _ in range(3)]
    assert 429 in answers


def test_sighup_says_what_cannot_change(house):
    gateway = house.gateway()
    gateway.configure({"server": {"workers": 3}})
    gateway.reload()
    gateway.wait_log("server.workers")
    line = next(x for x in gateway.log().splitlines() if "server.workers" in x)
    assert "restart" in line
    assert gateway.is_live()


def test_sighup_leaves_the_body_limit_as_it_was(house):
    gateway = house.gateway({"server": {"max_body": "64KiB"}})
    small = gzip.compress(payload.logs(text="x" * 50_000))
    large = gzip.compress(payload.logs(text="x" * 200_000))
    gzipped = [("Content-Encoding", "gzip")]
    for limit in ("256KiB", "1KiB"):
        gateway.configure({"server": {"max_body": limit}})
        told = gateway.log().count("configuration reloaded")
        gateway.reload()
        wait_until(lambda: gateway.log().count("configuration reloaded") > told, 5, "the reload")
        assert gateway.send("logs", small, extra=gzipped).status == 200
        assert gateway.send("logs", large, extra=gzipped).status == 413


def test_sighup_with_a_broken_file_keeps_the_old(house):
    gateway = house.gateway()
    gateway.config_path.write_text("server = { lisen = 1; };\n")
    gateway.reload()
    gateway.wait_log("server.lisen")
    assert gateway.send("metrics", payload.metrics()).status == 200


def test_two_on_one_state_directory(house):
    first = house.gateway()
    second = house.gateway({"state": {"dir": first.state}}, start=False).launch()
    assert second.process.wait(10) in (1, 2)
    assert "state" in second.log() or "spool" in second.log()
    assert first.send("metrics", payload.metrics()).status == 200


def test_json_log(house):
    gateway = house.gateway({"log": {"format": "json"}})
    gateway.send("metrics", payload.metrics(), session="json-session")
    wait_until(lambda: "json-session" in gateway.log(), 5, "the line")
    lines = [json.loads(line) for line in gateway.log().splitlines()]
    line = next(x for x in lines if x.get("session") == "json-session")
    assert line["msg"] == "[AUTH_SUCCESS]"
    assert line["ip"] == "127.0.0.1"
