"""Use is remembered: who signed with which key, and from which version, over restarts and crashes.

The file is read with a few lines of this test's own, from the form that the header of the room
gives, so that what a tool reads is not judged by the tool.
"""

import hashlib
import struct

from harness import payload
from harness.gateway import write_ring
from harness.process import wait_until
from harness.signing import SECRET

NEXT = "next-secret-0123456789abcdef0123456789abcd"
OLD_KEY = {"id": "old", "secret": SECRET, "state": "active"}
NEXT_KEY = {"id": "next", "secret": NEXT, "state": "active"}


def start(house, **options):
    gateway = house.gateway(start=False, secret=None, **options)
    write_ring(gateway, OLD_KEY, NEXT_KEY)
    return gateway.start()


def counts(gateway):
    """{(key, version): uses} of the file; {} when there is none."""
    path = gateway.state / "key_usage"
    if not path.exists():
        return {}
    data = path.read_bytes()
    assert data.startswith(b"sigpost key usage 1\n")
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
    assert len(data) <= 1_000_000
    at = 20 + 16
    n_keys, n_versions, n_rows = struct.unpack_from("<III", data, at)
    at += 12

    def text():
        nonlocal at
        word = data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]
        return word

    keys = []
    for _ in range(n_keys):
        keys.append(text())
        at += 8
    versions = [text() for _ in range(n_versions)]
    found = {}
    for _ in range(n_rows):
        _, key, version, count = struct.unpack_from("<IHHI", data, at)
        at += 12
        pair = (keys[key], versions[version])
        found[pair] = found.get(pair, 0) + count
    return found


def use(gateway, secret, version, times):
    for i in range(times):
        answer = gateway.send(
            "metrics", payload.metrics(), secret=secret, session=f"s{i}", version=version
        )
        assert answer.status == 200


def test_counts_outlive_an_orderly_restart(house):
    gateway = start(house)
    use(gateway, SECRET, "1.9", 3)
    use(gateway, NEXT, "2.0.0.0", 2)
    use(gateway, NEXT, None, 1)
    gateway.terminate()
    told = {("old", "1.9"): 3, ("next", "2.0.0.0"): 2, ("next", "none"): 1}
    assert counts(gateway) == told
    assert (gateway.state / "key_usage").stat().st_mode & 0o777 == 0o600
    gateway.start()
    use(gateway, NEXT, "2.0.0.0", 4)
    gateway.terminate()
    assert counts(gateway) == {**told, ("next", "2.0.0.0"): 6}


def test_only_what_verified_is_counted(house):
    gateway = start(house)
    wrong = gateway.send("metrics", payload.metrics(), secret="x" * 32, version="1.0")
    late = gateway.send("metrics", payload.metrics(), timestamp=1, version="1.0")
    assert (wrong.status, late.status) == (403, 401)
    use(gateway, SECRET, "a b", 1)
    gateway.terminate()
    assert counts(gateway) == {("old", "other"): 1}


def test_a_crash_loses_the_last_interval_at_most(house):
    """What stood in the file when the daemon was killed is there, and counting goes on from it."""
    gateway = start(house)
    use(gateway, SECRET, "1.0", 5)
    saved = wait_until(lambda: counts(gateway), 10, "the first uses to be written")
    use(gateway, SECRET, "1.0", 2)
    gateway.kill()
    assert saved[("old", "1.0")] <= counts(gateway)[("old", "1.0")] <= 7
    before = counts(gateway)[("old", "1.0")]
    gateway.start()
    use(gateway, SECRET, "1.0", 1)
    gateway.terminate()
    assert counts(gateway) == {("old", "1.0"): before + 1}


def test_a_damaged_file_stops_nothing(house):
    gateway = start(house)
    use(gateway, SECRET, "1.0", 5)
    gateway.terminate()
    path = gateway.state / "key_usage"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    gateway.start()
    assert "counting begins anew" in gateway.process.output()
    assert (gateway.state / "key_usage.damaged").read_bytes() == bytes(data)
    use(gateway, NEXT, "2.0", 1)
    gateway.terminate()
    assert counts(gateway) == {("next", "2.0"): 1}


def test_revoked_keys_keep_their_past(house):
    gateway = start(house)
    use(gateway, SECRET, "1.0", 2)
    write_ring(gateway, {**OLD_KEY, "state": "revoked"}, NEXT_KEY)
    wait_until(
        lambda: gateway.send("metrics", payload.metrics(), secret=SECRET).status == 403,
        10,
        "the revocation",
    )
    use(gateway, NEXT, "2.0", 1)
    gateway.terminate()
    told = counts(gateway)
    assert told[("old", "1.0")] >= 2
    assert told[("next", "2.0")] == 1
