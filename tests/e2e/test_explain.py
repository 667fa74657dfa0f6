"""sigpostctl explain and the gateway agree: what one says of a request, the other answers to it."""

import json
import shlex
import subprocess
import time

import pytest
from harness import payload, wire
from harness.process import BIN
from harness.signing import SECRET, sign, signed


@pytest.fixture(scope="module")
def gateway(module_house):
    return module_house.gateway()


def ctl(gateway, *words, text=""):
    return subprocess.run(
        [BIN / "sigpostctl", "-c", gateway.config_path, *words],
        input=text,
        env=gateway.environment(),
        capture_output=True,
        text=True,
    )


def explain(gateway, text, *words):
    done = ctl(gateway, "explain", "--json", *words, text=text)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0)
    return said


def lines(headers):
    return "".join(f"{name}: {value}\n" for name, value in headers)


# Made when they are sent: the suite may run for longer than the window.
CASES = {
    "good": lambda now: signed("/v1/metrics"),
    "good without session": lambda now: signed("/v1/metrics", session=None),
    "another path": lambda now: signed("/v1/traces"),
    "another secret": lambda now: signed("/v1/metrics", secret="x" * 40),
    "stale": lambda now: signed("/v1/metrics", timestamp=now - 4000),
    "ahead": lambda now: signed("/v1/metrics", timestamp=now + 4000),
    "unsigned": lambda now: [],
    "no timestamp": lambda now: signed("/v1/metrics")[:1],
    "milliseconds": lambda now: signed("/v1/metrics", timestamp=now * 1000),
    "repeated": lambda now: [*signed("/v1/metrics"), ("X-KMS-Session", "other")],
    "session": lambda now: signed("/v1/metrics", session="a|b"),
    "short": lambda now: [("X-KMS-Signature", "ab"), ("X-KMS-Timestamp", str(now))],
    "key id": lambda now: [*signed("/v1/metrics"), ("X-KMS-Key-ID", "no such key")],
    "unknown key id": lambda now: signed("/v1/metrics", key_id="unknown"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_the_gateways(gateway, name):
    headers = CASES[name](int(time.time()))
    answer = wire.post(gateway.port, "/v1/metrics", headers, payload.metrics())
    said = explain(gateway, lines(headers) or "A: b\n", "--path", "/v1/metrics")
    assert said["status"] == answer.status
    if answer.status != 200:
        assert answer.told()[1].startswith(f"{said['verdict']}: ")
    broken = [rule["rule"] for rule in said["rules"] if rule["state"] == "fail"]
    assert bool(broken) == (answer.status != 200)


def test_the_canonical_string_is_what_was_signed(gateway):
    now = int(time.time())
    said = explain(gateway, lines(signed("/v1/logs", timestamp=now)), "--path", "/v1/logs")
    assert said["canonical"] == f"POST|/v1/logs|{now}|e2e-session"
    assert (said["verdict"], said["key_id"]) == ("ok", "env")


def test_a_curl_command_that_was_run(gateway, tmp_path):
    """`sign --curl` prints one, a shell runs it, explain reads the very same text."""
    body = tmp_path / "it's a body.pb"
    body.write_bytes(payload.metrics())
    url = f"http://127.0.0.1:{gateway.port}/v1/metrics"
    command = ctl(gateway, "sign", "--curl", url, str(body), "--session", "s-1").stdout
    ran = subprocess.run(["sh", "-c", command], capture_output=True)
    assert ran.returncode == 0, ran.stderr
    said = explain(gateway, command)
    assert said["ok"] and said["canonical"].startswith("POST|/v1/metrics|")


def test_a_curl_command_of_many_quotings(gateway):
    """The same headers in every kind of quoting; curl's own view is what the gateway saw."""
    (_, signature), (_, timestamp), (_, session) = signed("/v1/metrics")
    url = f"http://127.0.0.1:{gateway.port}/v1/metrics?a=b"
    command = (
        f"curl -sS -o /dev/null -w '%{{http_code}}' \\\n"
        f"  -H $'X-KMS-Signature:\\x20{signature}' \\\n"
        f'  --header "X-KMS-Timestamp: {timestamp}" -HX-KMS-Session-ID:\\ {session} \\\n'
        f"  -H 'Content-Type: application/json' --data-raw '{{}}' --url {shlex.quote(url)} | cat"
    )
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ran.stdout == "200", ran.stderr
    assert explain(gateway, command)["ok"]


def test_what_curl_says_of_a_request_it_sent(gateway):
    """`curl -v` behind a pipe: both the command and what it prints are read."""
    headers = [word for header in signed("/v1/metrics") for word in ("-H", ": ".join(header))]
    url = f"http://127.0.0.1:{gateway.port}/v1/metrics"
    options = shlex.join(["-sv", *headers, "-H", "Content-Type: application/json", url])
    command = f"echo '{{}}' | env A=b curl -d @- {options} | cat"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "< HTTP/1.1 200" in ran.stderr, ran.stderr
    assert "> X-KMS-Signature: " in ran.stderr
    for text in (command, ran.stderr):
        said = explain(gateway, text)
        assert said["ok"] and said["canonical"].startswith("POST|/v1/metrics|")


def test_what_cannot_be_read_is_said(gateway):
    for text, word in (
        ("", "nothing was read"),
        ("wget --header='X-KMS-Timestamp: 1' http://h/v1/metrics", "only curl is read, not wget"),
        ('{"X-KMS-Timestamp": "1"}', "line 1 is no header line"),
        ("X-KMS-Timestamp: 1", "--path is missing"),
    ):
        done = ctl(gateway, "explain", text=text)
        assert (done.returncode, done.stdout) == (2, ""), text
        assert word in done.stderr


def test_the_signed_query_is_found_out(gateway):
    now = int(time.time())
    path, query = "/v1/metrics", "?source=desktop"
    headers = [
        ("X-KMS-Signature", sign(SECRET, path + query, now)),
        ("X-KMS-Timestamp", str(now)),
    ]
    command = f"curl -d @f 'http://h{path}{query}'" + "".join(
        f" -H {shlex.quote(f'{name}: {value}')}" for name, value in headers
    )
    said = explain(gateway, command)
    assert said["verdict"] == "invalid_signature"
    assert any("signed the path /v1/metrics?source=desktop" in hint for hint in said["hints"])


def test_no_secret_in_what_it_says(gateway):
    for make in CASES.values():
        text = lines(make(int(time.time()))) or "A: b\n"
        for words in ((), ("--json",)):
            done = ctl(gateway, "explain", "--path", "/v1/metrics", *words, text=text)
            assert SECRET not in done.stdout + done.stderr
