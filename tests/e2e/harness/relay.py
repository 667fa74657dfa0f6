"""A wire tap: passes every byte between clients and sigpost unchanged, and keeps what clients said.
What an SDK put on the wire is a fact that neither the SDK nor the daemon had a hand in telling."""

import gzip
import json
import socket
import threading
import zlib
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict

from .payload import REQUESTS
from .signing import SECRET, sign


@dataclass
class Request:
    """One POST as it went over the wire; header names in lower case."""

    path: str
    headers: dict
    body: bytes

    @property
    def signal(self):
        """By the path; of a POST to / the signature tells, as it tells the gateway."""
        if self.path != "/":
            return self.path.removeprefix("/v1/")
        signed = (self.headers["x-kms-timestamp"], self.headers.get("x-kms-session-id", ""))
        for signal in REQUESTS:
            if sign(SECRET, f"/v1/{signal}", *signed) == self.headers["x-kms-signature"].lower():
                return signal
        raise AssertionError("a POST to / with a signature over no signal's path")

    @property
    def compression(self):
        return self.headers.get("content-encoding", "none")

    @property
    def encoding(self):
        kind = self.headers["content-type"].split(";")[0].strip()
        return {"application/x-protobuf": "protobuf", "application/json": "json"}[kind]

    def document(self):
        """The body as OTLP/JSON; it must be what its headers say."""
        undo = {"none": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}
        plain = undo[self.compression](self.body)
        if self.encoding == "json":
            return json.loads(plain)
        message = REQUESTS[self.signal].FromString(plain)
        return MessageToDict(message, use_integers_for_enums=True)


def _dechunk(data):
    """(the body, what follows it) of a chunked body."""
    body = b""
    while True:
        size, data = data.split(b"\r\n", 1)
        size = int(size.split(b";")[0], 16)
        assert len(data) >= size + 2 and data[size : size + 2] == b"\r\n", "a chunk is cut off"
        body, data = body + data[:size], data[size + 2 :]
        if size == 0:
            return body, data


def _parse(data):
    """The requests of one connection's bytes, which must be whole."""
    found = []
    while data:
        head, data = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, value = line.split(":", 1)
            assert name.lower() not in headers, f"twice: {line}"
            headers[name.lower()] = value.strip()
        assert method == "POST", first
        if headers.get("transfer-encoding") == "chunked":
            body, data = _dechunk(data)
        else:
            length = int(headers["content-length"])
            assert len(data) >= length, "a body is cut off"
            body, data = data[:length], data[length:]
        found.append(Request(path, headers, body))
    return found


class Relay:
    """Listens on loopback; one thread a direction. `requests()` is for when the clients are gone."""

    def __init__(self, port):
        self._to = port
        self._said = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            said = bytearray()
            self._said.append(said)
            for source, target, copy in ((client, server, said), (server, client, None)):
                threading.Thread(target=_pass, args=(source, target, copy), daemon=True).start()

    def requests(self):
        return [request for said in self._said for request in _parse(bytes(said))]

    def close(self):
        # Closing alone does not wake a thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pass(source, target, copy):
    try:
        while data := source.recv(65536):
            if copy is not None:
                copy += data
            target.sendall(data)
    except OSError:
        pass  # One side went away: the other learns it below.
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


