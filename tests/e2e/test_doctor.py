"""sigpostctl doctor against running gateways: all is well, and each line made to fail."""

import contextlib
import http.server
import json
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from harness import payload, wire
from harness.gateway import Gateway, clock_from
from harness.process import BIN, free_port, wait_until
from harness.signing import signed
from harness.sink import Sink
from harness.tls import Certificate
from harness.tool import Tool


def run(gateway, url=None, *words, secret=None):
    env = gateway.environment()
    env.pop("LD_PRELOAD", None)  # the gateway's clock is not the tool's
    if secret is not None:
        env["KOTORMODSYNC_SIGNING_SECRET"] = secret
    url = url or f"http://127.0.0.1:{gateway.port}"
    return subprocess.run(
        [BIN / "sigpostctl", "-c", gateway.config_path, "doctor", url, *words],
        env=env,
        capture_output=True,
        text=True,
    )


def by_name(said):
    """{name: (state, text)} of each line."""
    return {check["name"]: (check["state"], check["text"]) for check in said["checks"]}


def doctor(gateway, url=None, *words, **who):
    """What it says, by name; its exit status must say the same."""
    done = run(gateway, url, "--json", *words, **who)
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ok"] else 1), done.stderr
    checks = by_name(said)
    assert said["ok"] == all(state != "fix" for state, _ in checks.values())
    return checks


def expect(checks, name, state, *words):
    assert checks[name][0] == state, checks
    for word in words:
        assert word in checks[name][1], checks[name]


def only_these_are_wrong(checks, *names):
    assert {name for name, (state, _) in checks.items() if state == "fix"} == set(names), checks


FAST = {"batch_age": "50ms", "retry_initial": "50ms", "retry_max": "200ms"}
NOBODY = {"export": {"destinations": [{"type": "otlp", "url": f"http://127.0.0.1:{free_port()}"}]}}
NAMES = ["keyring", "state", "spool", "reach", "clock", "export", "ready", "auth", "collector"]


def test_all_is_well(house):
    gateway = house.gateway()
    checks = doctor(gateway)
    assert list(checks) == NAMES
    assert {state for state, _ in checks.values()} == {"ok"}
    text = run(gateway)
    assert text.returncode == 0
    assert [line.split()[:2] for line in text.stdout.splitlines()] == [["ok", n] for n in NAMES]
    assert gateway.stored() == 0


def test_another_secret(house):
    checks = doctor(house.gateway(), secret="another-secret-of-the-doctor-0123456789")
    only_these_are_wrong(checks, "export")
    expect(checks, "export", "fix", "answered 403", "invalid_signature", "sigpostctl secret list")


@pytest.mark.parametrize(
    "skew, wrong", [(60, {"clock"}), (-60, {"clock"}), (900, {"clock", "export"})]
)
def test_a_skewed_clock(house, skew, wrong):
    gateway = house.gateway(env=clock_from(int(time.time()) + skew))
    checks = doctor(gateway)
    only_these_are_wrong(checks, *wrong)
    expect(checks, "clock", "fix", "behind" if skew > 0 else "ahead of", "set-ntp")
    told = int(checks["clock"][1].split(" s ")[0].split()[-1])
    assert abs(told - abs(skew)) <= 3
    if "export" in wrong:
        expect(checks, "export", "fix", "401", "timestamp_drift", "set the clock")


def test_the_collector_is_down(house):
    gateway = house.gateway(NOBODY)
    assert gateway.send("metrics", payload.metrics()).status == 200
    wait_until(lambda: not gateway.health()["collector_ok"], 20, "the failure to be noticed")
    checks = doctor(gateway)
    only_these_are_wrong(checks, "ready", "collector")
    expect(checks, "collector", "fix", "1 requests wait on disk", "at that address")
    expect(checks, "export", "ok")


def test_the_embedded_destination_alone(house):
    """The embedded destination alone, with a snapshot that can be written, and with one that
    cannot: a directory is in the way of the new file."""
    gateway = house.gateway({"export": {"destinations": [{"type": "fleet"}]}})
    checks = doctor(gateway)
    only_these_are_wrong(checks)
    expect(checks, "collector", "ok", "each destination takes its data")
    (gateway.state / "fleet.snapshot.tmp").mkdir()
    assert gateway.send("metrics", payload.metrics()).status == 200
    wait_until(lambda: not gateway.health()["collector_ok"], 30, "the failure to be noticed")
    checks = doctor(gateway)
    only_these_are_wrong(checks, "ready", "collector")
    expect(checks, "ready", "fix", "fleet.snapshot")
    expect(checks, "collector", "fix", "must be able to write that file")
    assert "collector" not in checks["collector"][1] and "reached" not in checks["collector"][1]


def test_the_dead_letter_directory_is_full(house):
    with contextlib.closing(Sink(lambda path, body: 400)) as sink:
        export = {**FAST, "destinations": [{"type": "otlp", "url": sink.url}]}
        gateway = house.gateway({"export": {**export, "dead_letters_max": "1KiB"}})
        body = payload.metrics(attributes={"filler": "x" * 2000})
        assert gateway.send("metrics", body).status == 200
        wait_until(lambda: not gateway.health()["collector_ok"], 20, "the letter to find no room")
        checks = doctor(gateway)
    only_these_are_wrong(checks, "ready", "collector")
    expect(checks, "collector", "fix", "a destination does not take its data", "spool dead list")
    assert "reached" not in checks["collector"][1]


def test_the_spool_is_full(house):
    gateway = house.gateway(
        {
            **NOBODY,
            "spool": {"max_bytes": "4MiB", "wait": "50ms"},
            "server": {"max_body": "512KiB"},
        }
    )
    for i in range(40):
        body = payload.metrics(name=f"large_{i}", attributes={"filler": "x" * 400_000})
        if wire.post(gateway.port, "/v1/metrics", signed("/v1/metrics"), body).status != 200:
            break
    checks = doctor(gateway)
    expect(checks, "ready", "fix", "the spool is full", "docs/operations.md")
    expect(checks, "export", "ok")


def test_modes_that_let_others_in(house):
    gateway = house.gateway()
    gateway.state.chmod(0o755)
    checks = doctor(gateway)
    only_these_are_wrong(checks, "state")
    expect(checks, "state", "fix", f"chmod 700 {gateway.state}")
    gateway.state.chmod(0o700)
    ring = gateway.state / "keyring.cfg"
    ring.write_text("keys = ();\n")
    ring.chmod(0o644)
    checks = doctor(gateway)
    expect(checks, "keyring", "fix", f"chmod 600 {ring}")
    expect(checks, "export", "skip", "the keys cannot be read here")


def test_a_spool_that_cannot_be_written(house):
    """A file system mounted read-only, as one is after an error."""
    gateway = house.gateway()
    spool = gateway.state / "spool"
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    words = [BIN / "sigpostctl", "-c", gateway.config_path, "doctor", "--json"]
    words.append(f"http://127.0.0.1:{gateway.port}")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", spool, *words],
        env=gateway.environment(),
        capture_output=True,
        text=True,
    )
    if not done.stdout:
        pytest.skip(f"no mount namespace: {done.stderr}")
    checks = by_name(json.loads(done.stdout))
    only_these_are_wrong(checks, "spool")
    expect(checks, "spool", "fix", "cannot be written", "Read-only file system")


def test_unsigned_requests_are_let_in(house):
    gateway = house.gateway({"auth": {"required": False}})
    checks = doctor(gateway)
    only_these_are_wrong(checks, "auth")
    expect(checks, "auth", "fix", "auth.required = true")


def test_nobody_is_there(house):
    gateway = house.gateway(start=False)
    checks = doctor(gateway)
    only_these_are_wrong(checks, "reach")
    expect(checks, "reach", "fix", "is the gateway running")
    assert "export" not in checks


# --- behind a proxy -------------------------------------------------------------------------------


class Proxy(http.server.ThreadingHTTPServer):
    """Routes /v1/ to the gateway and answers everything else itself, as a router with that rule."""

    def __init__(self, upstream, tls=None, status=None):
        self.upstream, self.status = upstream, status
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """A client that does not believe the certificate hangs up."""

    def close(self):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"404 page not found\n", headers=()):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("server", "date", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status is not None:
            to = [("Location", f"https://telemetry.example{self.path}")]
            self.answer(self.server.status, b"no\n", to if self.server.status < 400 else ())
            return
        own = ("host", "content-length")
        kept = [(name, value) for name, value in self.headers.items() if name.lower() not in own]
        answer = wire.exchange(self.server.upstream, "POST", self.path, kept, body)
        self.answer(answer.status, answer.body, answer.headers)

    def log_message(self, *words):
        pass


@pytest.fixture
def proxy_to(request):
    def start(gateway, **how):
        proxy = Proxy(gateway.port, **how)
        request.addfinalizer(proxy.close)
        return proxy

    return start


def test_a_proxy_that_keeps_health_to_itself(house, proxy_to):
    gateway = house.gateway()
    checks = doctor(gateway, f"http://127.0.0.1:{proxy_to(gateway).port}")
    only_these_are_wrong(checks)
    expect(checks, "export", "ok", "key env is accepted")
    expect(checks, "ready", "skip", "ask the gateway's own port")


def test_a_proxy_that_redirects_or_has_no_upstream(house, proxy_to):
    gateway = house.gateway()
    for status, word in (
        (301, "a redirect to https://telemetry.example/v1/metrics"),
        (502, "the proxy cannot reach the gateway"),
        (404, "does not lead to the gateway"),
    ):
        checks = doctor(gateway, f"http://127.0.0.1:{proxy_to(gateway, status=status).port}")
        only_these_are_wrong(checks, "export")
        expect(checks, "export", "fix", f"answered {status}", word)


def spoken_with(certificate):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.file, certificate.key)
    return tls


def test_https(house, proxy_to, tmp_path):
    certificate = Certificate(tmp_path)
    gateway = house.gateway()
    url = f"https://localhost:{proxy_to(gateway, tls=spoken_with(certificate)).port}"
    checks = doctor(gateway, url, "--ca-file", str(certificate.file))
    only_these_are_wrong(checks)
    expect(checks, "export", "ok")
    checks = doctor(gateway, url)
    only_these_are_wrong(checks, "reach")
    expect(checks, "reach", "fix", "certificate", "with --ca-file FILE")
    (tmp_path / "other").mkdir()
    other = Certificate(tmp_path / "other")
    checks = doctor(gateway, url, "--ca-file", str(other.file))
    expect(checks, "reach", "fix", "certificate", "--ca-file must name the certificate")


@pytest.mark.parametrize(
    "names, later, word",
    [
        ("DNS:telemetry.example", 0, "use a name that the certificate is for"),
        ("DNS:localhost", 10 * 86400, "renew the certificate"),
    ],
)
def test_a_certificate_that_is_not_good_here(house, proxy_to, tmp_path, names, later, word):
    gateway = house.gateway()
    proxy = proxy_to(gateway, tls=spoken_with(certificate := Certificate(tmp_path, names)))
    words = [f"https://localhost:{proxy.port}", "--ca-file", certificate.file]
    done = subprocess.run(
        [BIN / "sigpostctl", "-c", gateway.config_path, "doctor", "--json", *words],
        env={**gateway.environment(), **clock_from(int(time.time()) + later)},
        capture_output=True,
        text=True,
    )
    checks = by_name(json.loads(done.stdout))
    only_these_are_wrong(checks, "reach")
    expect(checks, "reach", "fix", word)


def test_the_wrong_scheme(house, proxy_to, tmp_path):
    gateway = house.gateway()
    checks = doctor(gateway, f"https://127.0.0.1:{gateway.port}")
    only_these_are_wrong(checks, "reach")
    expect(checks, "reach", "fix", "try http://")
    proxy = proxy_to(gateway, tls=spoken_with(Certificate(tmp_path)))
    checks = doctor(gateway, f"http://localhost:{proxy.port}")
    only_these_are_wrong(checks, "reach")
    expect(checks, "reach", "fix", "try https://")


def test_what_a_tls_port_says_to_plain_http(house, proxy_to):
    """Some proxies answer: 400, the plain HTTP request was sent to an HTTPS port."""
    gateway = house.gateway()
    checks = doctor(gateway, f"http://127.0.0.1:{proxy_to(gateway, status=400).port}")
    expect(checks, "export", "fix", "answered 400", "try https://")


def test_a_ca_file_that_cannot_be_used(house, tmp_path):
    gateway = house.gateway()
    url = f"https://127.0.0.1:{gateway.port}"
    (tmp_path / "empty").touch()
    for file, word in (
        (tmp_path / "none", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "empty", "is empty"),
    ):
        done = run(gateway, url, "--ca-file", str(file))
        assert (done.returncode, done.stdout) == (2, ""), done.stdout
        assert f"--ca-file {file}: " in done.stderr and word in done.stderr
    text = tmp_path / "text"
    text.write_text("no certificate\n")
    checks = doctor(gateway, url, "--ca-file", str(text))
    expect(checks, "reach", "fix", "certificates in PEM form")


@pytest.fixture
def open_path():
    """A directory that everybody may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def test_as_somebody_else(open_path, request):
    """Neither root nor the gateway's user: what is to be done is said, and nothing untrue."""
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*argv, BIN / "sigpostctl", "--version"], capture_output=True).returncode:
        pytest.skip("only root can become somebody else, who must be able to run the tool")
    open_path.chmod(0o755)
    gateway = Gateway(open_path / "sigpost")
    request.addfinalizer(gateway.close)
    gateway.start()
    Tool(gateway)("secret", "init")
    words = [BIN / "sigpostctl", "-c", gateway.config_path, "doctor", "--json"]
    done = subprocess.run(
        [*argv, *words, f"http://127.0.0.1:{gateway.port}"],
        env=gateway.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    checks = by_name(json.loads(done.stdout))
    only_these_are_wrong(checks, "keyring", "spool")
    for name in ("keyring", "spool"):
        expect(checks, name, "fix", "Permission denied; run it as root or as the gateway's user")
    expect(checks, "export", "skip", "the keys cannot be read here")
    for verb in ("list", "add", "rotate"):
        done = Tool(gateway).run("secret", verb, wrap=argv)
        assert done.returncode == 1
        assert "Permission denied; run it as root or as the gateway's user" in done.stderr


@pytest.mark.heavy
def test_behind_the_shipped_traefik(house):
    """It routes exports and keeps /health inside; its plain port redirects."""
    gateway = house.gateway({"server": {"trusted_proxies": ["127.0.0.1"]}})
    traefik = house.traefik(gateway)
    trusted = "--ca-file", str(traefik.certificate.file)
    checks = doctor(gateway, traefik.url, *trusted)
    only_these_are_wrong(checks)
    expect(checks, "clock", "ok")
    expect(checks, "export", "ok", "an empty export of metrics was answered 200")
    expect(checks, "ready", "skip", "answered 404", "ask the gateway's own port")
    checks = doctor(gateway, f"http://localhost:{traefik.http}", *trusted)
    only_these_are_wrong(checks, "export")
    expect(checks, "export", "fix", f"a redirect to {traefik.url}", "give them that address")
    gateway.terminate()
    checks = doctor(gateway, traefik.url, *trusted)
    expect(checks, "export", "fix", "answered 502", "the proxy cannot reach the gateway")
