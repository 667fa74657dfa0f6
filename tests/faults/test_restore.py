"""What docs/durability.md says about a damaged disk is done, word for word."""

import os
import re
import subprocess

from harness import payload
from harness.load import expect_all
from harness.process import BIN, TREE, free_port, wait_until


def commands():
    text = (TREE / "docs" / "durability.md").read_text()
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.S)
    return block


def test_a_damaged_spool_is_copied_and_goes_on(house, sink):
    config = {"spool": {"max_bytes": "16MiB"}, "server": {"max_body": "1MiB"}}
    nowhere = {"SIGPOST_EXPORT_DESTINATIONS": f"otlp=http://127.0.0.1:{free_port()}"}
    gateway = house.gateway(config, env=nowhere)
    names = [f"before.{i}" for i in range(60)]
    for name in names:
        body = payload.metrics(name=name, attributes={"filler": "x" * 100_000})
        assert gateway.send("metrics", body).status == 200
    gateway.kill()

    old = gateway.state / "spool"
    segments = sorted(old.glob("*.seg"))
    assert len(segments) > 2
    for segment, at in ((segments[0], 0), (segments[1], 450_000)):
        with open(segment, "r+b") as file:
            file.seek(at)
            file.write(bytes(4096))
    other = house.gateway(config, start=False)
    other.state.mkdir(mode=0o700)
    new = other.state / "spool"
    subprocess.run(
        ["sh", "-eu", "-c", commands()], check=True, env={**os.environ, "OLD": old, "NEW": new}
    )
    for segment in segments:
        assert (new / segment.name).read_bytes() == segment.read_bytes()

    verify = subprocess.run(
        [BIN / "sigpostctl", "spool", "verify", "--dir", other.state], capture_output=True, text=True
    )
    assert verify.returncode == 1, verify
    assert all(segment.name in verify.stdout for segment in segments[:2]), verify.stdout

    other.env["SIGPOST_EXPORT_DESTINATIONS"] = f"otlp={sink.url}"
    other.start()
    wait_until(lambda: other.health()["spool_records"] == 0, 20, "the spool to be read")
    lost = set(names) - sink.names().keys()
    assert len(lost) == 2, lost
    expect_all(sink, set(names) - lost)
    assert other.health()["spool_quarantined"] == 3, "a header and two places"
    assert other.log().count("damaged bytes set aside") == 3
