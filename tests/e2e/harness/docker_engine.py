"""As much of a Docker Engine as Traefik's docker provider asks: which containers run, with which
labels, at which address. Every container is at 127.0.0.1."""

import http.server
import json
import re
import threading


class Engine:
    """services: {name: {label: value}}"""

    def __init__(self, services):
        self.services = services
        self.over = threading.Event()
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                engine.answer(self, re.sub(r"^/v[\d.]+", "", self.path.split("?")[0]))

            do_HEAD = do_GET

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"tcp://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request, path):
        if path == "/events":
            # Nothing ever happens: the answer has begun and does not end.
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            self.over.wait()
            request.close_connection = True
            return
        found = self.look_up(path)
        body = json.dumps({"message": "no such thing"} if found is None else found).encode()
        request.send_response(404 if found is None else 200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Api-Version", "1.44")
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def look_up(self, path):
        if path == "/_ping":
            return "OK"
        if path == "/version":
            return {"Version": "27.0.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}
        if path == "/containers/json":
            return [{"Id": name, "Names": [f"/{name}"], "State": "running"} for name in self.services]
        match = re.fullmatch("/containers/([a-z-]+)/json", path)
        return self.container(match[1]) if match and match[1] in self.services else None

    def container(self, name):
        network = {"IPAddress": "127.0.0.1", "NetworkID": "n1"}
        return {
            "Id": name,
            "Name": f"/{name}",
            "State": {"Status": "running", "Running": True},
            "Config": {"Labels": self.services[name]},
            "HostConfig": {"NetworkMode": "bridge"},
            "NetworkSettings": {"Networks": {"bridge": network}, "Ports": {}},
        }

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
