"""A program behind the lobby: Traefik asks /auth/session, with the files of deploy/traefik."""

import http.server
import threading

import pytest

from harness.process import wait_until

pytestmark = pytest.mark.heavy

BROWSER = ("Accept", "text/html")


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"the program at {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Saw-Slot", ",".join(self.headers.get_all("X-Session-Slot", [])))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def app():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def cookie_of(answer):
    return ("Cookie", answer.header("Set-Cookie").split(";")[0])


@pytest.mark.parametrize("labels", [False, True], ids=["file", "labels"])
def test_who_holds_a_slot_is_let_in(house, app, labels):
    gateway = house.gateway(
        {
            "server": {"trusted_proxies": ["127.0.0.1"]},
            "session": {"max": 1, "lobby_url": "/new", "redirect": "/"},
        }
    )
    traefik = house.traefik(gateway, app=app, labels=labels)

    def get(path, *headers):
        return traefik.exchange("GET", path, headers, host="app.localhost")

    # A page is sent to the lobby, on the host where it came from; the rest is told.
    refused = get("/inside?a=b", BROWSER)
    assert (refused.status, refused.header("Location")) == (302, "/new")
    assert get("/inside", ("Accept", "application/json")).status == 401

    entered = get("/new", BROWSER)
    assert (entered.status, entered.header("Location")) == (303, "/")
    assert "Secure" in entered.header("Set-Cookie")
    mine = cookie_of(entered)
    assert get("/inside?a=b", BROWSER, mine).body == b"the program at /inside?a=b"

    # The program is told whose slot it is by sigpost, whatever the browser says of that.
    slot = get("/inside", BROWSER, mine).header("X-Saw-Slot")
    assert slot and slot not in mine[1]
    assert get("/inside", BROWSER, mine, ("X-Session-Slot", "forged")).header("X-Saw-Slot") == slot

    # The only slot is taken; a made-up cookie is none.
    assert get("/new", BROWSER).status == 200
    assert get("/inside", BROWSER, ("Cookie", "ksid=" + "0" * 32)).status == 302

    released = traefik.exchange("POST", "/release", [mine], b"", host="app.localhost")
    assert released.status == 200
    wait_until(lambda: get("/inside", BROWSER, mine).status == 302, 5, "the slot to be free")
    # What is for the operator is the program's path here, and so behind the gate.
    assert get("/metrics", BROWSER).status == 302
