"""Clients that send as fast as they are answered, and what they were answered."""

import threading

from . import payload, wire
from .process import wait_until


MAKERS = {"metrics": payload.metrics, "traces": payload.traces}


class Load:
    """Threads that send exports, each with an item of its own name, until stopped or until the
    gateway is gone. Each sends one of the signals."""

    def __init__(self, gateway, prefix="load", threads=4, filler=0, signals=("metrics",)):
        self._gateway = gateway
        self._signals = signals
        self._prefix = prefix
        self._filler = {"filler": "x" * filler} if filler else None
        self._over = threading.Event()
        self.answered = []  # names answered 200
        self.refused = []  # other answers
        self._threads = [
            threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, thread):
        signal = self._signals[thread % len(self._signals)]
        n = 0
        while not self._over.is_set():
            name = f"{self._prefix}.{thread}.{n}"
            n += 1
            try:
                body = MAKERS[signal](name=name, attributes=self._filler)
                answer = self._gateway.send(signal, body)
            except (OSError, wire.http.client.HTTPException):
                return
            if answer.status == 200:
                self.answered.append(name)
            else:
                self.refused.append(answer)

    def wait_answered(self, count, timeout=30):
        wait_until(
            lambda: len(self.answered) >= count or not any(t.is_alive() for t in self._threads),
            timeout,
            f"{count} answers",
        )
        return self

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client is still waiting"
        return self.answered


def expect_all(sink, names, timeout=30):
    """Waits until everything in `names` has come to the sink."""
    names = set(names)
    missing = None

    def all_there():
        nonlocal missing
        missing = names - sink.names().keys()
        return not missing

    try:
        wait_until(all_there, timeout, every=0.1)
    except AssertionError:
        raise AssertionError(f"{len(missing)} of {len(names)} are missing: {sorted(missing)[:10]}")
