"""The order of system calls: the sync of a frame before its answer, the sync of the directory after a
new name and before what relies on it."""

import re

import pytest

from harness import payload
from harness.process import wait_until

CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(.*)$")
TRACED = (
    "fdatasync,fsync,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,"
    "openat,renameat,renameat2,rename,unlinkat,ftruncate,fallocate"
)


def strace(trace):
    argv = ["strace", "-D", "-f", "-y", "-qq", "-s", "4096", "-e", f"trace={TRACED}"]
    return [*argv, "-o", str(trace)]


def calls(log):
    """strace's lines in the order of their completion: (pid, call, text). A call that was shown as
    unfinished is put together with its end."""
    begun = {}
    for line in log.splitlines():
        match = CALL.match(line)
        if not match:
            continue
        pid, call, text = match.groups()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text
            continue
        if "resumed>" in text[:12]:
            text = begun.pop(pid, "") + text
        yield pid, call, text


def worked(text):
    return re.search(r"= \d+(<[^>]*>)?$", text.rstrip()) is not None


def last_stage(order, marker):
    """How far the way of one export is seen in the log: its frame written, that very file synced,
    and only then the 200. The stage that is still waited for, or "done"."""
    stage, file = "frame", None
    for _, call, text in order:
        if stage == "frame" and "write" in call and marker in text and "AUTH" not in text:
            stage, file = "sync", re.match(r"\((\d+)", text)[1]
        elif stage != "frame" and "HTTP/1.1 200" in text and "x-protobuf" in text:
            return "done" if stage == "answer" else stage
        elif stage == "sync" and call in ("fdatasync", "fsync"):
            if text.startswith(f"({file}<") and worked(text):
                stage = "answer"
    return stage


@pytest.mark.parametrize("sync, stage", [("always", "done"), ("never", "sync")])
def test_the_sync_comes_before_the_answer(house, tmp_path, sync, stage):
    """"never" is the control: there the sync is missing and the check sees it."""
    trace = tmp_path / "strace.log"
    gateway = house.gateway({"spool": {"sync": sync}}, wrap=strace(trace))
    markers = [f"marker-{i}-of-this-test" for i in range(5)]
    for marker in markers:
        assert gateway.send("metrics", payload.metrics(), session=marker).status == 200
    gateway.terminate()
    order = list(calls(trace.read_text(errors="replace")))
    assert [last_stage(order, marker) for marker in markers] == [stage] * len(markers)


def new_name(text):
    return re.findall(r'"([^"]*)"', text)[-1]


def renames(order, directory):
    """(name, calls on files of the spool up to and with the rename, those behind it)."""
    ours = [
        (pid, call, text)
        for pid, call, text in order
        if str(directory) in text and call not in ("write", "sendto", "sendmsg")
    ]
    for i, (pid, call, text) in enumerate(ours):
        if call.startswith("rename") and worked(text):
            yield new_name(text), pid, ours[: i + 1], ours[i + 1 :]


def is_synced(call, text, directory):
    return call == "fsync" and f"{directory}>" in text and worked(text)


def assert_old_name_is_gone(before, directory):
    """Who made the file a spare synced the directory next, before the file is taken. A sync by
    another thread, or a later one of its own, comes in time only by luck."""
    names = [new_name(text) if "rename" in call else None for _, call, text in before]
    made = [i for i, name in enumerate(names) if name == "spare.seg.tmp"]
    assert made, "a spare that nobody made"
    keeper = before[made[-1]][0]
    own = [(call, text) for pid, call, text in before[made[-1] + 1 :] if pid == keeper]
    assert own and is_synced(*own[0], directory), (
        "a spare is used while a power cut may bring its old name back"
    )


def test_a_new_name_is_synced_before_it_is_relied_on(house, tmp_path, sink):
    """A file is synced before its rename, the directory after it; and between the rename of a
    segment and the sync of the directory nothing is written to the segment. The file of a passed
    segment is taken for another only after a sync of the directory."""
    trace = tmp_path / "strace.log"
    gateway = house.gateway(
        {"spool": {"max_bytes": "4MiB"}, "server": {"max_body": "512KiB"}},
        env={"SIGPOST_EXPORT_DESTINATIONS": f"otlp={sink.url}"},
        wrap=strace(trace),
    )
    sent = 0
    while sent < 30:
        body = payload.metrics(name=f"n.{sent}", attributes={"filler": "x" * 300_000})
        wait_until(lambda: gateway.send("metrics", body).status == 200, 10, every=0.1)
        sent += 1
    wait_until(lambda: len(sink.names()) == sent, 10, "all at the sink")
    gateway.terminate()
    order = list(calls(trace.read_text(errors="replace")))
    directory = gateway.state / "spool"
    seen = {"seg": 0, "cursor": 0, "reused": 0}
    for name, pid, before, after in renames(order, directory):
        if name == "spare.seg.tmp":
            continue
        if name == "new.seg.tmp":
            assert_old_name_is_gone(before, directory)
            seen["reused"] += 1
            continue
        temporary = "new.seg.tmp" if name.endswith(".seg") else f"{name}.tmp"
        seen["seg" if name.endswith(".seg") else "cursor"] += 1
        own = [(call, text) for who, call, text in before if who == pid and temporary in text]
        synced = [i for i, (call, _) in enumerate(own) if call in ("fsync", "fdatasync")]
        written = [i for i, (call, _) in enumerate(own) if call.startswith(("write", "pwrite"))]
        assert synced and (not written or written[-1] < synced[-1]), f"{name} is not synced first"
        for _, call, text in after:
            if is_synced(call, text, directory):
                break
            assert not (name in text and "write" in call), f"{name} is used before its name is safe"
        else:
            raise AssertionError(f"the directory is not synced after {name}")
    assert seen["seg"] >= 3 and seen["cursor"] >= 1 and seen["reused"] >= 1, seen
