"""The first steps of docs/systemd.md and docs/compose.md in a bare Debian 12, as they stand."""

import contextlib
import json
import os
import shutil
import signal
import time

import pytest

from harness import clean_root, runnable_docs
from harness.clean_root import run
from harness.process import TREE, Process, wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.long, pytest.mark.timeout(1800)]

# There is no service manager in the root: this starts a unit's program, with its environment and as
# its user where that is one that exists.
SYSTEMCTL = r"""#!/bin/sh
[ "$1" = restart ] && shift || exit 1
for name; do
    unit=/lib/systemd/system/$name.service
    start=$(sed -n 's/^ExecStart=//p' "$unit")
    user=$(sed -n 's/^User=//p' "$unit")
    files=$(sed -n 's/^EnvironmentFile=-\{0,1\}//p' "$unit")
    eval "$(sed -n 's/^Environment=/export /p' "$unit")"
    for file in $files; do . "$file"; done
    if id "$user" >/dev/null 2>&1; then
        start="setpriv --reuid $user --regid $user --clear-groups $start"
    fi
    # $ARGS of a unit is split into words.
    (eval "exec setsid $start") </dev/null >"/var/log/$name.log" 2>&1 &
    echo $! >>/run/started
done
"""


class Newcomer:
    """A root with the source in it and /proc mounted, as far as its processes see; and a network of
    its own for what is started there, whose ports are the documents' and not taken."""

    def __init__(self, place):
        self.root = clean_root.debian(place)
        self.source = place / "root" / "sigpost"
        self._copy_source()
        # An installer writes this one.
        (place / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        # What a package wants to start is not started.
        (place / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (place / "usr/sbin/policy-rc.d").chmod(0o755)
        (place / "usr/local/bin/systemctl.later").write_text(SYSTEMCTL)
        prepare = f"mount -t proc proc {place}/proc && ip link set lo up && echo up"
        holder = ["unshare", "--net", "--mount", "sh", "-c", f"{prepare} && exec sleep infinity"]
        self._holder = Process("spaces of the root", holder, place.with_name("holder.log"))
        self._holder.wait_ready(lambda: "up" in self._holder.output(), 10)

    def _copy_source(self):
        listed = run("git", "-C", TREE, "ls-files", "-z", "-co", "--exclude-standard").split("\0")
        for name in filter(None, listed):
            if (TREE / name).is_file():
                (self.source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TREE / name, self.source / name)

    def enable_systemctl(self):
        later = self.root.place / "usr/local/bin/systemctl.later"
        later.chmod(0o755)
        later.rename(later.with_name("systemctl"))

    def __call__(self, command, inside=False):
        """Runs a line of a document in the source's directory; inside: in the root's own network."""
        spaces = f"/proc/{self._holder.pid}/ns"
        network = [f"--net={spaces}/net"] if inside else []
        enter = ["nsenter", f"--mount={spaces}/mnt", *network, "chroot", self.root.place]
        return run(
            *enter, "sh", "-c", f"cd /root/sigpost && {command}",
            env={**clean_root.ENV, "PATH": "/usr/local/bin:" + clean_root.ENV["PATH"]},
        )

    def close(self):
        started = self.root.place / "run/started"
        for pid in started.read_text().split() if started.exists() else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        self._holder.kill()
        shutil.rmtree(self.root.place)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    newcomer = Newcomer(tmp_path_factory.mktemp("newcomer") / "root")
    yield newcomer
    newcomer.close()


def lines(page, how, number=0):
    """The commands of a page's nth block with that mark."""
    return runnable_docs.scripts(TREE / "docs" / page, "sh", how)[number].strip().splitlines()


class Stopwatch:
    """Prints what took how long; pytest -s shows it."""

    def __init__(self):
        self.begin = time.monotonic()

    def __call__(self, what):
        print(f"{time.monotonic() - self.begin:6.1f} s  {what}")


@clean_root.needed
def test_one_command_fills_the_directory_that_compose_reads(newcomer):
    """What comes behind it needs Docker: test_docs.py runs that with a stand-in."""
    fill, enter, validate, *rest = lines("compose.md", "run")
    assert len(rest) == 2 and validate == "docker compose config --quiet"
    took = Stopwatch()
    newcomer(fill)
    took(fill)
    reader = run(TREE / "tests/e2e/tools/compose/build").strip()
    read = run(reader, newcomer.root.place / enter.removeprefix("cd /"))
    took("read as Compose reads it")
    assert {"traefik", "sigpost", "collector"} <= set(json.loads(read)["services"])


@clean_root.needed
def test_five_commands_to_a_service_that_prometheus_watches(newcomer):
    commands = lines("systemd.md", "bare")
    assert len(commands) == 5
    took = Stopwatch()
    for command in commands:
        manages = command.startswith("systemctl ")
        if manages:
            newcomer.enable_systemctl()
        newcomer(command, inside=manages)
        took(command)

    ready, scraped = lines("systemd.md", "bare", 1)
    # A scrape comes every 15 s.
    def watched():
        said = newcomer(f"{scraped} || true", inside=True)
        return said.count("=> 1 ") == 2 and said

    try:
        up = wait_until(watched, 60, "both scrapes", every=0.5)
    except AssertionError:
        print(newcomer("tail -n 20 /var/log/sigpost.log /var/log/prometheus.log"))
        raise
    took("scraped")
    assert 'job="sigpost"' in up and 'job="sigpost-clients"' in up
    assert '"status": "healthy"' in newcomer(ready, inside=True)
