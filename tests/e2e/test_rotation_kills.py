"""kill -9 of the tool at each system call of a rotation: the ring is the old one or the new one,
never a third thing, and nothing that is left behind is in the next one's way."""

import collections
import json
import re

import pytest

from harness import payload
from harness.process import SANITIZED
from harness.tool import Tool

pytestmark = pytest.mark.skipif(SANITIZED, reason="strace and sanitizers do not go together")

ROTATE = ("secret", "rotate", "--force", "--id", "second")


def system_calls(tool, trace):
    """[(name, n)] for each system call that the tool makes from its first statement on: the n-th of
    that name. What the loader does before cannot touch the ring."""
    done = tool.run(*ROTATE, wrap=["strace", "-f", "-o", trace])
    assert done.returncode == 0, done.stderr
    seen, calls, begun = collections.Counter(), [], False
    for line in trace.read_text().splitlines():
        match = re.match(r"\d+\s+([a-z0-9_]+)\(", line)
        if match:
            seen[match[1]] += 1
            begun = begun or "RLIMIT_CORE" in line
            if begun:
                calls.append((match[1], seen[match[1]]))
    assert len(calls) > 50, calls
    return calls


def put_back(path, content):
    aside = path.with_name("put-back")
    aside.touch(mode=0o600)
    aside.write_bytes(content)
    aside.rename(path)


def judge(path, old, first):
    """Which ring the file holds: "old" or "new"."""
    content = path.read_bytes()
    if content == old:
        return "old"
    text = content.decode()
    assert text.count("id = ") == 2 and text.endswith("\n);\n"), text
    assert re.search(rf'id = "first"; secret = "{first}"; state = "retiring";\s+.*not_after = "', text)
    assert re.search(r'id = "second"; secret = "[0-9a-f]{64}"; state = "active";', text)
    return "new"


def kill_at(tool, name, n):
    done = tool.run(*ROTATE, wrap=["strace", "-f", "-o", "/dev/null", "-e",
                                   f"inject={name}:signal=KILL:when={n}"])
    return done.returncode in (-9, 137)


@pytest.mark.heavy
def test_killed_at_each_system_call(house, tmp_path):
    gateway = house.gateway(start=False, secret=None)
    tool = Tool(gateway)
    tool("secret", "init", "--id", "first")
    gateway.start()
    path = gateway.state / "keyring.cfg"
    first, old, body = tool.secret("first"), path.read_bytes(), payload.metrics()
    found = collections.Counter()
    for name, n in system_calls(tool, tmp_path / "trace"):
        put_back(path, old)
        if not kill_at(tool, name, n):
            found["too late"] += 1  # a call that this run did not make
            continue
        found[judge(path, old, first)] += 1
        answer = json.loads(tool("secret", "rotate", "--force", "--json"))
        assert answer["gateway"] == "taken", (name, n)
        left = {entry.name for entry in gateway.state.glob("keyring*")}
        assert left == {"keyring.cfg", "keyring.cfg.lock", "keyring.loaded"}, (name, n)
        assert gateway.send("metrics", body, secret=first).status == 200, (name, n)
    assert found["old"] > 25 and found["new"] > 3, found
    assert found["too late"] < 10, found
    assert gateway.ready().status == 200
