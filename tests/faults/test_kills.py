"""Killed at each system call that touches a file, also while recovering from the kill before: what
was answered is there, and nothing that was never sent."""

import itertools
import random
import subprocess

import pytest

from harness.process import BIN

# strace counts each call of each thread by itself: some N meets every place.
CALLS = (
    "openat",
    "read,pread64",
    "writev",
    "write,pwrite64",
    "fallocate",
    "ftruncate",
    "fdatasync",
    "fsync",
    "rename,renameat,renameat2",
    "unlinkat",
    "fstat,newfstatat",
    "flock",
    "mkdir,mkdirat",
    "lseek",
    "close",
    "getdents64",
    "futex",
)
COUNT, LONG_COUNT = 60, 400  # records a run


class Spool:
    def __init__(self, directory, count):
        self.dir = directory / "spool"
        self.count = count
        self.next = 1
        self.owed = set()  # durable and not done with
        self.sent = 0

    def append(self, call, n):
        """True when it was killed before its end."""
        kill = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
        kill += ["-e", f"inject={call}:signal=KILL:when={n}"]
        argv = [BIN / "spool_driver", "append", self.dir, self.next, self.count]
        done = subprocess.run([*kill, *map(str, argv)], capture_output=True, text=True, timeout=60)
        self.sent, self.next = self.next + self.count - 1, self.next + self.count
        for line in done.stdout.splitlines():
            what, number = line.split()
            if what == "durable":
                self.owed.add(int(number))
            else:
                self.owed = {one for one in self.owed if one > int(number)}
        assert done.returncode in (0, -9, 137), (done.returncode, done.stderr[-2000:])
        return done.returncode != 0

    def tear(self, dice):
        """What a torn write leaves behind: rubbish after the last frame of the newest segment."""
        segments = sorted(self.dir.glob("*.seg"))
        if segments:
            with open(segments[-1], "ab") as file:
                file.write(dice.randbytes(dice.randrange(1, 400)))

    def check(self):
        argv = [BIN / "spool_driver", "read", self.dir]
        done = subprocess.run(map(str, argv), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
        lines = [line.split() for line in done.stdout.splitlines()]
        found = [int(number) for what, number in lines if what == "record"]
        assert found == sorted(set(found)) and all(1 <= one <= self.sent for one in found)
        missing = self.owed - set(found)
        assert not missing, f"answered and not there: {sorted(missing)[:10]}"


def sweep(directory, count, call, steps):
    """Kills at the Nth call for each N of `steps` until a run is not killed any more; how often it
    was killed. One spool goes through all of it."""
    spool, dice = Spool(directory, count), random.Random(call)
    kills = 0
    for n in steps:
        killed = spool.append(call, n)
        if killed and n % 3 == 0:
            # The next start is killed while it deals with this.
            spool.tear(dice)
            spool.append(call, max(1, n // 2))
        spool.check()
        if not killed:
            return kills
        kills += 1
    return kills


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_some_calls(tmp_path, call):
    assert sweep(tmp_path, COUNT, call, (*range(1, 13), 17, 23, 31, 47)) > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_each_call(tmp_path, call):
    steps = itertools.chain(range(1, 200), itertools.count(200, 7))
    kills = sweep(tmp_path, LONG_COUNT, call, steps)
    print(f"{call}: killed at {kills} calls")
    assert kills > 0
