"""What is on the disk at the moment at which the power fails: nothing of the page cache. ext4 on a
file, told not to commit for five minutes; under load the daemon is killed and the file copied at
once. What a restart on the copy delivers is what a power cut would have left."""

import subprocess

import pytest

from harness.load import Load, expect_all
from harness.process import free_port, wait_until
from harness.sink import Sink


def make_disk(tmp_path, size_mb=96):
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(size_mb << 20)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(image)], check=True)
    return image


def stub_of(tmp_path, call):
    """The path of a library that makes this call do nothing."""
    source, library = tmp_path / "stub.c", tmp_path / "stub.so"
    source.write_text(f"int {call}(int fd) {{ (void)fd; return 0; }}\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def cut_power_under_load(house, mount, tmp_path, env=None, answers=400):
    """(names answered 200, where the copy of the disk is mounted)."""
    image = make_disk(tmp_path)
    disk = mount(tmp_path / "before", "-o", "loop,commit=300", image)
    nowhere = f"otlp=http://127.0.0.1:{free_port()}"
    gateway = house.gateway(
        {"state": {"dir": disk / "state"}, "spool": {"max_bytes": "32MiB"}},
        env={"SIGPOST_EXPORT_DESTINATIONS": nowhere, **(env or {})},
    )
    load = Load(gateway).wait_answered(answers)
    gateway.kill()
    subprocess.run(["cp", "--sparse=always", image, tmp_path / "copy"], check=True)
    answered = load.stop()
    assert len(answered) >= answers
    return answered, mount(tmp_path / "after", "-o", "loop", tmp_path / "copy")


def restart(house, disk, sink):
    return house.gateway(
        {"state": {"dir": disk / "state"}, "spool": {"max_bytes": "32MiB"}},
        env={"SIGPOST_EXPORT_DESTINATIONS": f"otlp={sink.url}"},
    )


def test_a_power_cut_takes_nothing_that_was_answered(house, mount, tmp_path, sink):
    answered, disk = cut_power_under_load(house, mount, tmp_path)
    gateway = restart(house, disk, sink)
    expect_all(sink, answered)
    assert gateway.send("metrics", b"").status == 200


def test_control_without_fdatasync_answers_are_lost(house, mount, tmp_path, sink):
    """The test above must be able to fail, or it proves nothing."""
    library = stub_of(tmp_path, "fdatasync")
    answered, disk = cut_power_under_load(house, mount, tmp_path, {"LD_PRELOAD": str(library)})
    gateway = restart(house, disk, sink)
    wait_until(lambda: gateway.health()["spool_records"] == 0, 20, "the spool to be read")
    lost = set(answered) - sink.names().keys()
    print(f"without fdatasync: {len(lost)} of {len(answered)} answered exports are lost")
    assert lost


# Small batches: what is under way when the destination stalls leaves room for what is to be owed.
SMALL = {
    "spool": {"max_bytes": "4MiB"},
    "server": {"max_body": "256KiB"},
    "export": {"batch_bytes": "64KiB"},
}
FLAGS_AT, FLAG_REUSED = 40, 1  # in a segment's header


def is_reused(segment):
    with open(segment, "rb") as file:
        return file.read(FLAGS_AT + 1)[FLAGS_AT] & FLAG_REUSED != 0


def cut_power_while_files_go_round(house, mount, tmp_path, more):
    """(names answered that no destination has, the copy of the disk): the destination takes what
    comes, so that segments are made of the files of earlier ones, and then nothing more."""
    image = make_disk(tmp_path)
    disk = mount(tmp_path / "before", "-o", "loop,commit=300", image)
    before = Sink()
    gateway = house.gateway(
        {"state": {"dir": disk / "state"}, **SMALL},
        env={"SIGPOST_EXPORT_DESTINATIONS": f"otlp={before.url}"},
    )
    load = Load(gateway, filler=20_000).wait_answered(300)
    before.stall()
    load.wait_answered(len(load.answered) + more)
    gateway.kill()
    subprocess.run(["cp", "--sparse=always", image, tmp_path / "copy"], check=True)
    owed = set(load.stop()) - before.names().keys()
    before.close()
    copy = mount(tmp_path / "after", "-o", "loop", tmp_path / "copy")
    segments = [path for path in (copy / "state" / "spool").iterdir() if path.suffix == ".seg"]
    assert any(map(is_reused, segments)), "no file was used again"
    assert len(owed) >= more - 20
    return owed, copy


def expect_after_cut(house, disk, sink, owed):
    gateway = house.gateway(
        {"state": {"dir": disk / "state"}, **SMALL},
        env={"SIGPOST_EXPORT_DESTINATIONS": f"otlp={sink.url}"},
    )
    expect_all(sink, owed, 60)
    assert max(sink.names().values()) == 1, "and each comes once"
    return gateway


def test_a_power_cut_takes_nothing_from_files_that_are_used_again(house, mount, tmp_path, sink):
    owed, disk = cut_power_while_files_go_round(house, mount, tmp_path, 60)
    expect_after_cut(house, disk, sink, owed)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("n", range(20))
def test_power_cuts_of_files_used_again_at_other_moments(house, mount, tmp_path, sink, n):
    owed, disk = cut_power_while_files_go_round(house, mount, tmp_path, 20 + 5 * n)
    expect_after_cut(house, disk, sink, owed)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("n", range(20))
def test_power_cuts_at_other_moments(house, mount, tmp_path, sink, n):
    answered, disk = cut_power_under_load(house, mount, tmp_path, answers=1 + 150 * n)
    restart(house, disk, sink)
    expect_all(sink, answered, 60)
