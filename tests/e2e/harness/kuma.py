"""An HTTP server that answers as Uptime Kuma does on its push path.

Any method; `status` is up unless it says otherwise, `msg` OK, `ping` a number from 0 to a day of
milliseconds or absent. 200 {"ok":true} for a known token; for an unknown one {"ok":false} with 404
(Kuma 1) or 500 (Kuma 2); every other path gives Kuma's own page, with 200."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .process import free_port, wait_until


class Kuma:
    def __init__(self, token="t0kEnOfTheMonitor", unknown_status=404):
        self.token = token
        self.unknown_status = unknown_status
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/push/{token}"
        self.beats = []  # what was taken
        self.refused = []  # paths of what was not
        self.delay = 0
        self._server = None

    def start(self):
        kuma = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(kuma.delay)
                status, kind, body = kuma._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def _answer(self, path):
        parts = urlsplit(path)
        query = {k: v[0] for k, v in parse_qs(parts.query, strict_parsing=True).items()}
        if not parts.path.startswith("/api/push/"):
            self.refused.append(path)
            return 200, "text/html; charset=utf-8", b"<!DOCTYPE html><title>Uptime Kuma</title>"
        if parts.path != f"/api/push/{self.token}":
            self.refused.append(path)
            return self._json(self.unknown_status, "Monitor not found or not active.")
        ping = query.get("ping")
        if ping is not None and not 0 <= float(ping) <= 86400000:
            return self._json(400, "Invalid ping value")
        self.beats.append(
            {
                "up": query.get("status", "up") == "up",
                "msg": query.get("msg", "OK"),
                "ping": None if ping is None else float(ping),
                "at": time.monotonic(),
            }
        )
        return self._json(200)

    @staticmethod
    def _json(status, message=None):
        body = {"ok": True} if message is None else {"ok": False, "msg": message}
        return status, "application/json; charset=utf-8", json.dumps(body).encode()

    def wait_beat(self, wanted, timeout=15):
        """The next beat from now on of which `wanted` holds."""
        seen = len(self.beats)

        def look():
            return next((beat for beat in self.beats[seen:] if wanted(beat)), None)

        return wait_until(look, timeout, f"a beat; last: {self.beats[-1:]}")

    def close(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
