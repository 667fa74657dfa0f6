"""The real SDK exporters of each language through sigpost to the real Collector: what the Collector
wrote is compared item by item with what the SDK was given and with what went over the wire."""

import collections
import contextlib
import http.server
import json
import os
import subprocess
import threading
import time

import pytest

from harness import clients, known_items
from harness.items import items
from harness.process import wait_until
from harness.relay import Relay
from harness.signing import SECRET, sign

ALL = ("metrics", "traces", "logs")
Row = collections.namedtuple("Row", "language encoding compression")

TRACES = ("traces",)

# Everything that the SDKs' exporters over HTTP can be told to send. Python's and Java's know no JSON,
# Go's know it for traces only; of the compressions only Python's have deflate.
MATRIX = {
    Row("python", "protobuf", "none"): ALL,
    Row("python", "protobuf", "gzip"): ALL,
    Row("python", "protobuf", "deflate"): ALL,
    Row("javascript", "protobuf", "none"): ALL,
    Row("javascript", "protobuf", "gzip"): ALL,
    Row("javascript", "json", "none"): ALL,
    Row("javascript", "json", "gzip"): ALL,
    Row("go", "protobuf", "none"): ALL,
    Row("go", "protobuf", "gzip"): ALL,
    Row("go", "json", "none"): TRACES,
    Row("go", "json", "gzip"): TRACES,
    Row("java", "protobuf", "none"): ALL,
    Row("java", "protobuf", "gzip"): ALL,
    Row("rust", "protobuf", "none"): ALL,
    Row("rust", "protobuf", "gzip"): ALL,
    Row("rust", "json", "none"): ALL,
    Row("rust", "json", "gzip"): ALL,
}
PROGRAMS = {
    "python": clients.python,
    "javascript": clients.javascript,
    "go": clients.go,
    "java": clients.java,
    "rust": clients.rust,
}
# Building a client for the first time takes longer than running it.
BUILD_TIMEOUT = 900

# What the gateway itself writes into a payload's resources.
STAMPS = {
    "sigpost.session.id",
    "sigpost.key.id",
    "deployment.environment",
    "service.namespace",
}


def run_client(argv, session, secret=SECRET):
    return subprocess.run(
        [str(word) for word in argv],
        env={
            **os.environ,
            "SIGPOST_SECRET": secret,
            "KOTORMODSYNC_SIGNING_SECRET": secret,
            "CLIENT_SESSION": session,
        },
        capture_output=True,
        encoding="utf-8",
        # Go's exporters print a refusal's body, which is protobuf.
        errors="replace",
        timeout=60,
    )


class Stack:
    """One Collector and one sigpost for all rows; each row is a session of its own."""

    def __init__(self, house):
        self.house = house
        self.collector = house.collector()
        self.gateway = house.gateway_to(self.collector)
        self.runs = {}

    def arrived(self, session):
        """What the Collector wrote of one session, without what the gateway put in."""
        found = []
        if self.collector.file.exists():
            # Bytes: a line that is still being written may end inside a character.
            for line in self.collector.file.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n") and session.encode() in line:
                    found += items(json.loads(line))
        own = [item for item in found if item["resource"]["session.id"]["string"] == session]
        for item in own:
            assert item["resource"]["sigpost.session.id"] == {"string": session}
            item["resource"] = {k: v for k, v in item["resource"].items() if k not in STAMPS}
        return own

    def wait_arrived(self, session, count):
        wait_until(
            lambda: len(self.arrived(session)) >= count,
            15,
            f"{count} items of {session} at the Collector",
        )
        return self.arrived(session)

    def run(self, row, pause=0):
        """Runs a row once, and gives the same result to every test that asks."""
        if (row, pause) not in self.runs:
            self.runs[row, pause] = Run(self, row, pause)
        return self.runs[row, pause]


class Run:
    """One run of a matrix program: what it printed, what it said, what arrived."""

    def __init__(self, stack, row, pause):
        self.session = "-".join(row) + (f"-{pause}" if pause else "")
        argv = PROGRAMS[row.language]()
        with contextlib.closing(Relay(stack.gateway.port)) as relay:
            self.begin = time.time_ns()
            done = run_client(
                [*argv, relay.url, row.encoding, row.compression, pause], self.session
            )
            self.end = time.time_ns()
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
            self.requests = relay.requests()
        self.printed = [json.loads(line) for line in done.stdout.splitlines()]
        self.on_wire = [item for request in self.requests for item in items(request.document())]
        self.arrived = stack.wait_arrived(self.session, len(self.printed))


@pytest.fixture(scope="module")
def stack(module_house):
    return Stack(module_house)


FLOATS = {"double", "sum", "min", "max"}


def in_one_form(node):
    """Doubles as doubles: a language may print 20000.0 as 20000."""
    if isinstance(node, dict):
        return {k: float(v) if k in FLOATS else in_one_form(v) for k, v in node.items()}
    return [in_one_form(one) for one in node] if isinstance(node, list) else node


def of_signal(signal, found):
    own = [in_one_form(item) for item in found if item["signal"] == signal]
    return sorted(own, key=lambda item: json.dumps(item, sort_keys=True))


CELLS = [
    pytest.param(row, signal, id="-".join((*row, signal)))
    for row, signals in MATRIX.items()
    for signal in signals
]


@pytest.mark.timeout(BUILD_TIMEOUT)
@pytest.mark.parametrize("row, signal", CELLS)
def test_what_was_sent_is_what_arrives(stack, row, signal):
    run = stack.run(row)
    printed, on_wire, arrived = (
        of_signal(signal, found) for found in (run.printed, run.on_wire, run.arrived)
    )
    assert arrived == printed
    assert arrived == on_wire
    # Java's SDK sends metrics about itself besides: they were compared, their values are its own.
    known = [item for item in arrived if item["scope"]["name"] == "matrix"]
    known_items.check(row, run, signal, known)
    for request in run.requests:
        assert (request.encoding, request.compression) == (row.encoding, row.compression)
    assert {request.signal for request in run.requests} == set(MATRIX[row])


@pytest.mark.timeout(BUILD_TIMEOUT)
@pytest.mark.parametrize("language", PROGRAMS)
def test_every_request_is_signed_anew(stack, language):
    """Two rounds, more than a second apart: no request of the second carries a timestamp, and so a
    signature, of the first. Headers that were made once would be the same in both."""
    run = stack.run(Row(language, "protobuf", "none"), pause=1100)
    moments = collections.defaultdict(set)
    for request in run.requests:
        headers = request.headers
        moments[request.path].add(headers["x-kms-timestamp"])
        assert headers["x-kms-session-id"] == run.session
        assert headers["x-kms-client-version"] == "1.2.3"
        assert headers["x-kms-signature"] == sign(
            SECRET, request.path, headers["x-kms-timestamp"], run.session
        )
    assert set(moments) == {f"/v1/{signal}" for signal in ALL}
    assert all(len(times) >= 2 for times in moments.values()), moments


@pytest.mark.timeout(BUILD_TIMEOUT)
@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_whose_exports_are_refused_says_so(stack, language):
    """The exit code that the other tests trust."""
    url = f"http://127.0.0.1:{stack.gateway.port}"
    argv = [*PROGRAMS[language](), url, "protobuf", "none", 0]
    done = run_client(argv, "refused", secret="another-secret-" * 3)
    assert done.returncode == 1, done.stdout + done.stderr
    assert stack.arrived("refused") == []


class Busy(http.server.BaseHTTPRequestHandler):
    """Takes everything, but has the first POST of traces come again a second later."""

    def do_POST(self):
        with self.server.lock:
            self.server.seen.append((self.path, self.headers["X-KMS-Timestamp"]))
            first = [path for path, _ in self.server.seen].count("/v1/traces") == 1
        self._skip_body()
        self.send_response(503 if first and self.path == "/v1/traces" else 200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.send_header("Retry-After", "1")
        self.end_headers()

    def _skip_body(self):
        if "Content-Length" in self.headers:
            self.rfile.read(int(self.headers["Content-Length"]))
            return
        # Node sends chunks, compressed or not.
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()

    def log_message(self, *_):
        pass


@pytest.mark.timeout(BUILD_TIMEOUT)
@pytest.mark.parametrize("language", PROGRAMS)
def test_a_retry(language):
    """Every client signs a retry anew but Java's: there a retry goes out as its export did."""
    argv = PROGRAMS[language]()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        server.lock, server.seen = threading.Lock(), []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = run_client([*argv, url, "protobuf", "none", 0], "retry")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    first, again = [moment for path, moment in server.seen if path == "/v1/traces"][:2]
    assert (first == again) == (language == "java"), (first, again)


# Python's and JavaScript's are run in test_main_job.py.
@pytest.mark.timeout(BUILD_TIMEOUT)
@pytest.mark.parametrize("language", clients.DEMOS)
def test_the_demo(stack, language):
    demo = clients.DEMOS[language]()
    session = f"demo-{language}"
    done = run_client([*demo, f"http://127.0.0.1:{stack.gateway.port}"], session)
    assert done.returncode == 0 and f"sent=ok session={session}" in done.stdout, done.stderr
    stack.wait_arrived(session, 3)
    wait_until(
        lambda: {"demo.runs", "demo.operation.duration", "demo.install"}
        <= {item["name"] for item in stack.arrived(session)},
        15,
        "the demo's three items at the Collector",
    )
    newest = {
        item["name"]: item
        for item in sorted(stack.arrived(session), key=lambda item: int(item["time"]))
    }
    assert newest["demo.runs"]["value"] == {"int": "3"}
    assert newest["demo.operation.duration"]["sum"] == 75
    assert newest["demo.install"]["attributes"] == {"language": {"string": language}}

    done = run_client([*demo, f"http://127.0.0.1:{stack.gateway.port}"], session, "wrong-" * 6)
    assert done.returncode == 1 and "sent=ok" not in done.stdout, done.stdout


# --- .NET ---------------------------------------------------------------------------------------------


def dotnet():
    program = os.environ.get("SIGPOST_DOTNET_CLIENT")
    if not program:
        pytest.skip("the .NET row: SIGPOST_DOTNET_CLIENT does not name the client program")
    return [program]


@pytest.mark.parametrize("signal", ["metrics", "traces"])
@pytest.mark.parametrize("style", [[], ["--resign"]], ids=["signed-once", "signed-anew"])
def test_dotnet_arrives_as_it_went_over_the_wire(stack, style, signal):
    """The program is not ours and prints no items: what it sent is what the tap saw."""
    session = f"dotnet-{len(style)}-{signal}"
    with contextlib.closing(Relay(stack.gateway.port)) as relay:
        done = run_client([*dotnet(), relay.url, 2, "--every", 1100, *style], session)
        assert done.returncode == 0, done.stdout + done.stderr
        requests = relay.requests()
    # Two exports of each signal and the last of metrics.
    assert len(requests) == 5
    assert {request.path for request in requests} == (
        {"/v1/metrics", "/v1/traces"} if style else {"/"}
    )
    own = [request for request in requests if request.signal == signal]
    timestamps = {request.headers["x-kms-timestamp"] for request in own}
    assert len(own) > 1 and (len(timestamps) > 1) == bool(style), timestamps
    sent = [item for request in requests for item in items(request.document())]
    arrived = stack.wait_arrived(session, len(sent))
    assert of_signal(signal, arrived) == of_signal(signal, sent) != []
