"""sigpost itself: configuration, start, stop, and the questions a test asks of it."""

import os
import shutil
import signal
import subprocess

import pytest

from . import exposition, wire
from .process import BIN, SANITIZED, TREE, Process, free_port, wait_until
from .signing import SECRET, signed

FAKETIME_LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def _libconfig(value):
    """A value in libconfig's syntax: dict group, list list, str string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {_libconfig(v)};" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(_libconfig(v) for v in value) + " )"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_config(path, config):
    path.write_text("".join(f"{group} = {_libconfig(keys)};\n" for group, keys in config.items()))


def _sanitizer_library():
    """A sanitizer wants to be loaded before everything else."""
    if not SANITIZED:
        return ""
    name = "libtsan.so" if "tsan" in str(BIN) else "libasan.so"
    return subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()


def frozen_clock(now):
    """Environment under which the wall clock stands at `now`; monotonic time goes on."""
    return {
        "LD_PRELOAD": f"{_sanitizer_library()} {FAKETIME_LIBRARY}".strip(),
        "FAKETIME": str(now),
        "FAKETIME_FMT": "%s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def clock_from(now):
    """Environment under which the wall clock starts at `now` and goes on."""
    return {**frozen_clock(now), "FAKETIME": f"@{now}"}


class Clock:
    """A wall clock that stands where a file says, and jumps when the file is written anew.

    Not with ThreadSanitizer: what it has to say of libfaketime's own reading of the file it says
    while libfaketime holds its lock, and looks up names by calls that libfaketime waits in."""

    def __init__(self, directory, now):
        if "tsan" in str(BIN):
            pytest.skip("libfaketime's file and ThreadSanitizer wait for each other")
        self.file = directory / "clock"
        self.set(now)
        self.env = {
            **frozen_clock(now),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
        }
        del self.env["FAKETIME"]

    def set(self, now):
        aside = self.file.with_suffix(".new")
        aside.write_text(f"{now}\n")
        aside.rename(self.file)


class Gateway:
    """One sigpost with a state directory of its own. It can be stopped and started again."""

    def __init__(self, directory, config=None, env=None, secret=SECRET, wrap=()):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.state = self.dir / "state"
        self.templates = self.dir / "templates"
        self.config_path = self.dir / "sigpost.cfg"
        self.port = free_port()
        self.env = {"SIGPOST_RATE_PER_ADDRESS": "0"}
        if secret is not None:
            self.env["KOTORMODSYNC_SIGNING_SECRET"] = secret
        self.env.update(env or {})
        self.wrap = list(wrap)
        self.config = {
            "server": {"listen": f"127.0.0.1:{self.port}", "workers": 2},
            "state": {"dir": self.state},
            "templates": {"dir": self.templates},
        }
        self.process = None
        self.configure(config or {})

    def configure(self, config):
        """Merges groups into the configuration and writes the file."""
        for group, keys in config.items():
            self.config.setdefault(group, {}).update(keys)
        write_config(self.config_path, self.config)

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SIGPOST_", "KOTOR"))}
        if SANITIZED:
            kept["LSAN_OPTIONS"] = f"suppressions={TREE / 'tests' / 'lsan.supp'}:print_suppressions=0"
            kept["ASAN_OPTIONS"] = f"detect_leaks={0 if self.wrap else 1}"  # no leaks under ptrace
        return {**kept, **self.env}

    def launch(self):
        """Starts the program and does not wait."""
        argv = [*self.wrap, BIN / "sigpost", "-c", self.config_path]
        self.process = Process("sigpost", argv, self.dir / "sigpost.log", env=self.environment())
        return self

    def start(self, timeout=15):
        self.launch()
        self.process.wait_ready(self.is_live, timeout)
        return self

    def is_live(self):
        return wire.is_live(self.port)

    def terminate(self, timeout=20):
        """SIGTERM, and the exit that every orderly stop must have."""
        self.process.send(signal.SIGTERM)
        code = self.process.wait(timeout)
        assert code == 0, f"exit {code} after SIGTERM\n{self.process.tail()}"

    def kill(self):
        self.process.kill()

    def reload(self):
        self.process.send(signal.SIGHUP)

    def close(self):
        """End of the test: an orderly stop of what still runs, then nothing is left."""
        try:
            if self.process is not None and self.process.alive():
                self.terminate()
        finally:
            if self.process is not None:
                self.process.kill()
            shutil.rmtree(self.state, ignore_errors=True)

    # --- asking -----------------------------------------------------------------------------

    def get(self, path, headers=()):
        return wire.get(self.port, path, headers)

    def send(
        self,
        signal_name,
        body,
        path=None,
        secret=SECRET,
        extra=(),
        content_type=wire.PROTOBUF,
        **who,
    ):
        """One signed export, to the signal's path unless said otherwise."""
        signed_path = f"/v1/{signal_name}"
        headers = [*signed(signed_path, secret=secret, **who), *extra]
        return wire.post(self.port, path or signed_path, headers, body, content_type)

    def refuses(self, status, word, code, body, extra=(), content_type=wire.PROTOBUF):
        """Sends metrics signed, checks the refusal in full, returns its message."""
        before, stored = self.verdicts(word), self.stored()
        answer = self.send("metrics", body, extra=extra, content_type=content_type)
        assert answer.status == status, answer
        assert answer.header("Content-Type") == content_type[1]
        told, message = answer.told()
        assert told == code
        assert message.startswith(f"{word}: "), message
        assert self.verdicts(word) == before + 1
        assert self.stored() == stored
        return message

    def ready(self):
        return self.get("/health/ready")

    def health(self):
        return self.get("/health").json()

    def metrics(self):
        return exposition.parse(self.get("/metrics").body.decode())

    def client_metrics(self):
        return exposition.parse(self.get("/metrics/clients").body.decode())

    def verdicts(self, result):
        return exposition.total(self.metrics(), "sigpost_auth_requests_total", result=result)

    def stored(self):
        """How many requests the spool has taken since the start."""
        return exposition.total(self.metrics(), "sigpost_spool_records_total")

    def log(self):
        return self.process.output()

    def wait_log(self, text, timeout=5):
        wait_until(lambda: text in self.log(), timeout, f"{text!r} in the log")


def ring(*keys):
    """The text of a ring file. Each key is a dict of its fields."""
    return "keys = " + _libconfig(list(keys)) + ";\n"


def write_ring(gateway, *keys, text=None):
    """Replaces the ring file the way it must be done: written aside, then renamed."""
    gateway.state.mkdir(mode=0o700, exist_ok=True)
    aside = gateway.state / "keyring.cfg.new"
    aside.touch(mode=0o600)
    aside.write_text(ring(*keys) if text is None else text)
    aside.rename(gateway.state / "keyring.cfg")
