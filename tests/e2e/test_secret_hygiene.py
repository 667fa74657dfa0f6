"""A secret is in no log at any level, no error, no metric, no answer, no core file, and in the
arguments and environment of no process that is started on its behalf."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import payload
from harness.gateway import ring
from harness.process import BIN, SANITIZED, wait_until
from harness.tool import Tool

GIVEN = "given-secret-0123456789abcdef-9f8e7d6c5b4a"


def every_verb(tool, directory):
    """What the tool says, all verbs and many errors; nothing here asks for a secret."""
    said = []

    def run(*words, **options):
        done = tool.run(*words, **options)
        said.append(done.stdout + done.stderr)

    file = directory / "secret.env"
    file.write_text(f"KOTORMODSYNC_SIGNING_SECRET={GIVEN}\n")
    twice = directory / "two lines"
    twice.write_text(f"{GIVEN}\n{GIVEN}\n")
    run("secret", "init", "--id", "first")
    run("secret", "init")
    run("secret", "add", "--stdin", "--id", "short", input=GIVEN[:15])
    run("secret", "import", twice)
    run("secret", "import", file, "--id", "given")
    run("secret", "import", file, "--id", "again")
    run("secret", "rotate")
    run("secret", "rotate")
    run("secret", "rotate", "--json", "--force")
    run("secret", "list")
    run("secret", "list", "--json")
    run("secret", "show", "given")
    run("secret", "show", "given", "--json")
    run("secret", "retire", "given", "--at", "1d", "--force")
    run("secret", "promote", "given")
    run("secret", "export", "given", "--format", "no")
    run("sign", "/v1/metrics", "--key", "given")
    run("verify", "--path", "/v1/metrics", input=tool("sign", "/v1/metrics", "--key", "given"))
    return "".join(said)


def secrets_of(gateway):
    text = (gateway.state / "keyring.cfg").read_text()
    found = re.findall(r'secret = "([^"]+)"', text)
    assert len(found) >= 4 and GIVEN in found
    return found


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_written_anywhere(house, form):
    gateway = house.gateway({"log": {"level": "debug", "format": form}}, start=False, secret=None)
    tool = Tool(gateway)
    tool("secret", "init", "--id", "zero")
    gateway.start()
    (gateway.state / "keyring.cfg").unlink()
    said = every_verb(tool, gateway.dir)
    secrets = secrets_of(gateway)
    body = payload.metrics()
    for secret in secrets:
        assert gateway.send("metrics", body, secret=secret).status == 200
        assert gateway.send("metrics", body, secret=secret, key_id="nobody").status == 200
        assert gateway.send("metrics", body, secret=secret, timestamp=1).status == 401
    assert gateway.send("metrics", body, secret="wrong" + GIVEN).status == 403
    for verb in ("revoke", "retire"):
        tool("secret", verb, "given" if verb == "revoke" else "first", "--force")
    assert gateway.send("metrics", body, secret=GIVEN).status == 403
    path = gateway.state / "keyring.cfg"
    good = path.read_text()
    for broken in (good[:-20], good.replace("state = ", "stat = ", 1), good + f'x = "{GIVEN}";\n',
                   ring({"id": "a", "secret": GIVEN, "state": "active"},
                        {"id": "b", "secret": GIVEN, "state": "active"})):
        path.write_text(broken)
        wait_until(lambda: gateway.ready().status == 503, 5, "the problem to show")
        said += gateway.ready().body.decode() + tool.run("secret", "list").stderr
        path.write_text(good)
        wait_until(lambda: gateway.ready().status == 200, 5, "the mended file")
    pid = gateway.process.pid
    said += gateway.log() + gateway.get("/metrics").body.decode()
    said += gateway.get("/health").body.decode() + gateway.get("/metrics/clients").body.decode()
    said += Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
    said += (gateway.state / "keyring.loaded").read_text()
    wait_until((gateway.state / "key_usage").exists, 10, "the counts")
    said += (gateway.state / "key_usage").read_bytes().decode("latin-1")
    for secret in secrets:
        assert secret not in said
    # Nobody is started who could be given one.
    assert all(
        not (task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()
    )


@pytest.mark.skipif(SANITIZED, reason="strace and sanitizers do not go together")
def test_the_tool_forbids_dumps_first_and_starts_nobody(house, tmp_path):
    gateway = house.gateway(start=False, secret=None)
    trace = tmp_path / "trace"
    done = Tool(gateway).run("secret", "init", wrap=["strace", "-f", "-s", "200", "-o", trace])
    assert done.returncode == 0, done.stderr
    text = trace.read_text()
    dumps = text.index("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) = 0")
    assert re.search(r"prlimit64\(0, RLIMIT_CORE, \{rlim_cur=0, rlim_max=0\}, NULL\) = 0|"
                     r"setrlimit\(RLIMIT_CORE, \{rlim_cur=0, rlim_max=0\}\) = 0", text[: dumps])
    assert "keyring.cfg" not in text[:dumps]
    assert len(re.findall(r"\bexecve\(", text)) == 1
    assert not re.search(r"\b(clone|clone3|fork|vfork)\(", text)


def cores_of(directory):
    return [path for path in directory.iterdir() if path.name.startswith("core")]


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (hard_limit(), hard_limit()))


def hard_limit():
    return resource.getrlimit(resource.RLIMIT_CORE)[1]


def test_no_core_file(house, tmp_path):
    """A process that aborts leaves a core file here, if the system writes any; sigpost does not."""
    control = tmp_path / "control"
    control.mkdir()
    subprocess.run([sys.executable, "-c", "import os; os.abort()"], cwd=control,
                   preexec_fn=unlimited, check=False)
    gateway = house.gateway(start=False, wrap=["sh", "-c", f"cd {tmp_path}; ulimit -c "
                            f"$(ulimit -H -c); exec \"$0\" \"$@\""])
    gateway.start()
    limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 +bytes", limits), limits
    gateway.process.send(signal.SIGABRT)
    assert gateway.process.wait() == -signal.SIGABRT
    assert cores_of(tmp_path) == []
    if not cores_of(control):
        assert "/" in Path("/proc/sys/kernel/core_pattern").read_text() or hard_limit() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_process_of_the_user_cannot_look_inside(tmp_path):
    """What a process lets others of its user read belongs to its user in /proc, else to root."""
    nobody = 65534

    def memory_belongs_to(owner, *argv):
        with subprocess.Popen(argv, user=nobody, group=nobody, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={"SIGPOST_STATE_DIR": str(tmp_path)}) as child:
            memory = f"/proc/{child.pid}/mem"
            wait_until(lambda: os.stat(memory).st_uid == owner, 5, f"{argv[0]}: owner {owner}")
            child.kill()

    memory_belongs_to(nobody, "cat")
    memory_belongs_to(0, BIN / "sigpostctl", "secret", "import", "-")  # waits for its input
