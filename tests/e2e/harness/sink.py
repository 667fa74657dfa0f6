"""A destination of a few lines: it takes every POST and remembers it, unless a test wants another
answer. It can stall, and speak slowly."""

import contextlib
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import payload
from .process import wait_until


class Sink:
    """`judge(path, body)` says the status, or the very bytes of an answer, after which the
    connection is closed. `taken` has what was answered 200, as (path, content type, body), or as
    keep(body) where that would be too much; `refused` has the rest. With `pace` the answer comes a
    byte at a time, that many seconds apart."""

    def __init__(self, judge=lambda path, body: 200, port=0, keep=None, pace=0):
        self.judge = judge
        self.pace = pace
        self.taken, self.refused = [], []
        self._keep = keep
        self._counted, self._names = 0, {}
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self):
                with contextlib.suppress(ConnectionError):  # whoever hung up
                    super().handle()

            def do_POST(self):
                sink._answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self._flows.wait()
        answer = self.judge(handler.path, body)
        request = (handler.path, handler.headers["Content-Type"], body)
        with self._lock:
            if answer == 200:
                self.taken.append(self._keep(body) if self._keep else request)
            else:
                self.refused.append(request)
        if isinstance(answer, bytes):
            handler.close_connection = True
        else:
            answer = f"HTTP/1.1 {answer} Told\r\nContent-Length: 0\r\n\r\n".encode()
        self._write(handler.wfile, answer)

    def _write(self, out, answer):
        if not self.pace:
            out.write(answer)
            return
        for byte in answer:
            out.write(bytes([byte]))
            out.flush()
            time.sleep(self.pace)

    def stall(self):
        """Requests are read and not answered until flow()."""
        self._flows.clear()

    def flow(self):
        self._flows.set()

    def names(self):
        """How often an item of each name was taken."""
        with self._lock:
            fresh = self.taken[self._counted :]
            self._counted = len(self.taken)
        for path, _, body in fresh:
            for item in payload.items_of_request(path.rsplit("/", 1)[1], body):
                self._names[item["name"]] = self._names.get(item["name"], 0) + 1
        return dict(self._names)

    def wait_names(self, names, timeout=20):
        """Waits until each of them is there, and returns names()."""
        names = set(names)
        wait_until(lambda: names <= self.names().keys(), timeout, "items at the sink", every=0.1)
        return self.names()

    def close(self):
        self.flow()
        self._server.shutdown()
        self._server.server_close()
