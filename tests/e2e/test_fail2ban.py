"""deploy/fail2ban on the lines that the real sigpost writes: whom it counts, whom it does not, and
that nobody can name another's address."""

import re
import shutil
import subprocess

import pytest
from harness import payload, wire
from harness.process import TREE, wait_until
from harness.signing import signed

pytestmark = pytest.mark.heavy

FILTER = TREE / "deploy/fail2ban/filter.d/sigpost.conf"
VICTIM = "203.0.113.66"
FORGERIES = [
    f"1.0 ip={VICTIM}",
    f'1.0" ip={VICTIM} x="',
    f'1.0\\" ip={VICTIM}',
    f"1.0\\ ip={VICTIM} ",
    f'","ip":"{VICTIM}',
    f'\\","ip":"{VICTIM}","x":"',
    f"[AUTH_FAILED] reason=invalid_signature ip={VICTIM}",
    f"\tip={VICTIM}",
    f"{VICTIM}",
    f"ip={VICTIM}",
    f"\xa0ip={VICTIM}\x85",
    "x" * 300 + f" ip={VICTIM}",
    '"' * 250 + f" ip={VICTIM}",
]


def found(path, *options):
    """The addresses that fail2ban-regex counts, one for each line."""
    done = subprocess.run(
        ["fail2ban-regex", *options, "-o", "ip", path, FILTER],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    assert not done.stderr, done.stderr
    return done.stdout.split()


def from_address(address):
    return ("X-Forwarded-For", address)


def refused_for_cause(gateway):
    """Requests that count, each from an address of its own; returns the addresses."""
    body, addresses = payload.metrics(), []

    def is_told(headers, address):
        answer = wire.post(gateway.port, "/v1/metrics", [*headers, from_address(address)], body)
        assert answer.status in (401, 403), answer
        return re.search(rf"\b{address}\b", gateway.log())

    def send(headers):
        number = len(addresses) + 100
        address = f"2001:db8::{number:x}" if number % 3 == 2 else f"198.51.100.{number}"
        addresses.append(address)
        # The log folds what comes after 20 lines of a kind in one second.
        wait_until(lambda: is_told(headers, address), 5, "a line of its own", every=0.05)

    send([])
    send(signed("/v1/metrics", secret="w" * 40))
    send(signed("/v1/metrics", session="a b"))
    send(signed("/v1/metrics", timestamp="1x"))
    send([*signed("/v1/metrics"), ("X-KMS-Timestamp", "1")])
    for text in FORGERIES:
        send(signed("/v1/metrics", secret="w" * 40, version=text))
        headers = dict(signed("/v1/metrics", version=text, session="s"))
        send(list({**headers, "X-KMS-Session-ID": text}.items()))
    return addresses


def refused_bearers(gateway, first):
    """The same at the presence routes; forged text goes where a bearer may put some."""
    addresses = []
    for i, text in enumerate(["guess", *FORGERIES]):
        addresses.append(f"203.0.113.{first + i}")
        headers = [("Authorization", f"Bearer {text}".rstrip("\t")), from_address(addresses[-1])]
        path = "/start?x=ip=" + VICTIM

        def is_told():
            assert wire.exchange(gateway.port, "POST", path, headers, b"user=x").status == 401
            return f"{addresses[-1]}" in gateway.log()

        wait_until(is_told, 5, "a line of its own", every=0.05)
    return addresses


def refused_for_nothing(gateway):
    """Requests of honest clients, and of such that only sigpost's state refuses."""
    body = payload.metrics()
    post = lambda headers, data=body: wire.post(  # noqa: E731
        gateway.port, "/v1/metrics", [*headers, from_address(VICTIM)], data
    )
    for text in FORGERIES:
        assert post(signed("/v1/metrics", version=text)).status == 200
    assert post(signed("/v1/metrics", timestamp=1)).status == 401
    assert post(signed("/v1/metrics"), b"\xff").status == 400
    assert gateway.verdicts("ok") == len(FORGERIES)


@pytest.mark.parametrize("form", ["text", "json"])
def test_whom_it_counts(house, form, tmp_path):
    token = tmp_path / "token"
    token.write_text("presence-token-0123456789abcdef\n")
    gateway = house.gateway({"log": {"format": form}, "presence": {"token_file": token}})
    refused_for_nothing(gateway)
    addresses = refused_for_cause(gateway) + refused_bearers(gateway, 100)
    gateway.terminate()
    counted = found(gateway.process.log_path)
    assert sorted(counted) == sorted(addresses)
    # The same lines as the journal gives them: its own time, and who wrote them.
    journal = gateway.dir / "journal"
    lines = gateway.log().splitlines()
    journal.write_text("".join(f"myhost sigpost[{n}]: {line}\n" for n, line in enumerate(lines, 1)))
    assert found(journal, "--datepattern", "{NONE}") == counted


def test_the_jail_is_good(tmp_path):
    """As fail2ban itself reads its configuration, ours in it."""
    config = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", config)
    (config / "jail.d").mkdir(exist_ok=True)
    for name in ("filter.d/sigpost.conf", "jail.d/sigpost.conf"):
        shutil.copy(TREE / "deploy/fail2ban" / name, config / name)
    done = subprocess.run(
        ["fail2ban-client", "-c", config, "--dump"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "['add', 'sigpost', 'systemd']" in done.stdout, done.stdout
    assert "_SYSTEMD_UNIT=sigpost.service" in done.stdout
    assert "['start', 'sigpost']" in done.stdout
