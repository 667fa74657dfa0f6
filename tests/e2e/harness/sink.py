"""A destination of a few lines: takes every POST and remembers it. It can be told to stall."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import payload


class Sink:
    def __init__(self, port=0, keep=None):
        """keep(body) instead of the whole request, where that would be too much."""
        self.taken = []  # (path, content type, body)
        self._names, self._counted = {}, 0
        self._flows = threading.Event()
        self._flows.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink._flows.wait()
                kind = self.headers["Content-Type"]
                sink.taken.append(keep(body) if keep else (self.path, kind, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stall(self):
        """Requests are read and not answered until flow()."""
        self._flows.clear()

    def flow(self):
        self._flows.set()

    def names(self):
        """How often each metric name came."""
        while self._counted < len(self.taken):
            path, _, body = self.taken[self._counted]
            self._counted += 1
            if path == "/v1/metrics":
                body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
                for item in payload.items_of_request("metrics", body):
                    self._names[item["name"]] = self._names.get(item["name"], 0) + 1
        return self._names

    def close(self):
        self.flow()
        self.server.shutdown()
        self.server.server_close()
