"""A receiver that answers as a test wants: it is given each body and says the status."""

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import payload
from .process import wait_until


class JudgingSink:
    """`judge(path, body)` returns a status; what was answered 200 is in `taken`, as (path, body).
    With `pace` the answer comes a byte at a time, that many seconds apart."""

    def __init__(self, judge=lambda path, body: 200, pace=0):
        self.judge = judge
        self.pace = pace
        self.taken, self.refused = [], []
        self._counted, self._names = 0, {}
        self._lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status = sink.judge(self.path, body)
                with sink._lock:
                    (sink.taken if status == 200 else sink.refused).append((self.path, body))
                head = f"HTTP/1.1 {status} Told\r\nContent-Length: 0\r\n\r\n".encode()
                try:
                    sink._write(self.wfile, head)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _write(self, out, head):
        if not self.pace:
            out.write(head)
            return
        for byte in head:
            out.write(bytes([byte]))
            out.flush()
            time.sleep(self.pace)

    def names(self):
        """How often an item of each name was taken."""
        with self._lock:
            fresh = self.taken[self._counted :]
            self._counted = len(self.taken)
        for path, body in fresh:
            for item in payload.items_of_request(path.rsplit("/", 1)[1], body):
                self._names[item["name"]] = self._names.get(item["name"], 0) + 1
        return dict(self._names)

    def wait_names(self, names, timeout=20):
        """Waits until each of them is there, and returns names()."""
        names = set(names)
        wait_until(lambda: names <= self.names().keys(), timeout, "items at the sink", every=0.1)
        return self.names()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
