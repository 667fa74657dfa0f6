"""HTTP/1.1 by hand: what a test says is what goes over the socket, header for header."""

import http.client
import json
import socket
from dataclasses import dataclass

from google.rpc import status_pb2

PROTOBUF = ("Content-Type", "application/x-protobuf")
JSON = ("Content-Type", "application/json")


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def rpc_status(self):
        """The body as google.rpc.Status, which must be of the announced type and not empty."""
        assert self.header("Content-Type") == "application/x-protobuf", self.headers
        status = status_pb2.Status.FromString(self.body)
        assert status.message and status.code, self.body
        return status

    def told(self):
        """(code, message) of a Status in either type."""
        if self.header("Content-Type") == "application/json":
            status = self.json()
            assert set(status) == {"code", "message"}, status
            return status["code"], status["message"]
        status = self.rpc_status()
        return status.code, status.message


def head(method, path, headers=(), length=None, host="127.0.0.1"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def connect(port, timeout=15):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def read_answer(sock, method="POST"):
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return Answer(response.status, response.getheaders(), response.read())


def exchange(port, method, path, headers=(), body=None):
    """One request on a connection of its own."""
    with connect(port) as sock:
        sock.sendall(head(method, path, headers, None if body is None else len(body)))
        if body:
            sock.sendall(body)
        return read_answer(sock, method)


def get(port, path, headers=()):
    return exchange(port, "GET", path, headers)


def is_live(port):
    try:
        return get(port, "/health/live").status == 200
    except OSError:
        return False


def post(port, path, headers, body, content_type=PROTOBUF):
    return exchange(port, "POST", path, [content_type, *headers], body)
