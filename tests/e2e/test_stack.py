"""deploy/stack: the directory that it fills, read as Docker Compose reads it."""

import json
import os
import re
import subprocess

import pytest
import yaml

from harness import collector
from harness.clean_root import run
from harness.process import TREE

HOST, EMAIL = "telemetry.example.org", "ops@example.org"
READER = TREE / "tests" / "e2e" / "tools" / "compose" / "build"

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.geteuid() != 0, reason="secrets are given to the containers' users"),
]


def fill(directory, *arguments, env=None):
    command = [TREE / "deploy" / "stack", directory, *(arguments or (HOST, EMAIL))]
    return subprocess.run(command, capture_output=True, text=True, umask=0o077, env=env)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stack") / "telemetry"
    said = fill(directory)
    assert said.returncode == 0, said.stderr
    return directory


@pytest.fixture(scope="module")
def project(stack):
    return json.loads(run(run(READER).strip(), stack))


def test_what_is_mounted_is_there(project, stack):
    binds = [
        volume["source"]
        for service in project["services"].values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert len(binds) >= 7
    assert [bind for bind in binds if not os.path.exists(bind)] == []
    for secret in project["secrets"].values():
        info = os.stat(secret["file"])
        assert info.st_mode & 0o777 == 0o600
        assert info.st_size == 64
    assert os.path.exists(project["services"]["sigpost"]["build"]["context"] + "/deploy/Dockerfile")


def test_each_service_is_fenced_in(project):
    for name, service in project["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service.get("read_only") or name == "uptime-kuma"
        assert re.search(r":v?\d", service["image"]), f"{name} names no version"
        assert bool(service.get("ports")) == (name == "traefik"), name


def test_the_secret_lies_where_sigpost_looks(project):
    names = [secret["source"] for secret in project["services"]["sigpost"]["secrets"]]
    assert names == ["kotormodsync_signing_secret"]


def test_traefik_knows_the_host_and_only_services_that_are_there(project, stack):
    rules = ""
    for file in ("dynamic.yaml", "stack.yaml"):
        text = (stack / "traefik" / file).read_text()
        for service in yaml.safe_load(text)["http"]["services"].values():
            for server in service["loadBalancer"]["servers"]:
                assert re.match(r"\w+://([\w-]+):\d+$", server["url"])[1] in project["services"]
        rules += text
    assert f"Host(`{HOST}`)" in rules
    assert EMAIL in (stack / "traefik" / "traefik.yaml").read_text()
    assert "example.com" not in rules


def test_the_real_programs_take_their_settings(stack):
    run("promtool", "check", "config", "--syntax-only", stack / "prometheus" / "prometheus.yml")
    run(collector.program(), "validate", "--config", stack / "collector" / "config.yaml")


def test_the_containers_users_may_read_what_is_mounted(stack):
    """Whatever the umask of whoever filled the directory, which here closes everything."""
    for path in (stack, *stack.rglob("*")):
        if "secrets" not in path.relative_to(stack).parts:
            assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_an_interrupted_run_leaves_no_halves(tmp_path):
    """Stopped in the middle of each kind of file by a disk that is full: the next run heals it."""
    directory = tmp_path / "telemetry"
    for tool in ("sed", "od", "chown"):
        stub = tmp_path / tool / tool
        stub.parent.mkdir()
        stub.write_text("#!/bin/sh\necho half\nexit 1\n")
        stub.chmod(0o755)
        path = {"PATH": f"{stub.parent}:{os.environ['PATH']}"}
        assert fill(directory, env=os.environ | path).returncode != 0, tool
    assert fill(directory).returncode == 0
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert [file for file in files if file.suffix == ".new"] == []
    for file in files:
        assert file.read_bytes() != b"half\n", file
    for secret, user in (("kotormodsync_signing_secret", 65532), ("grafana_admin_password", 472)):
        info = (directory / "secrets" / secret).stat()
        assert (info.st_size, info.st_uid) == (64, user)


def test_memory_for_what_strangers_can_take(project):
    """docs/configuration.md, server.max_connections: near twice that while buffers grow."""
    sigpost = project["services"]["sigpost"]
    connections = int(sigpost["environment"]["SIGPOST_SERVER_MAX_CONNECTIONS"])
    assert 2 * connections * (4 + 0.5) * 2**20 < int(sigpost["mem_limit"])


def test_a_second_run_changes_nothing(stack):
    before = {file: file.read_bytes() for file in stack.rglob("*") if file.is_file()}
    said = fill(stack, "another.example.org", EMAIL)
    assert said.returncode == 0 and "left as it is" in said.stdout
    assert before == {file: file.read_bytes() for file in stack.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "arguments, word",
    [
        (("telemetry", EMAIL), "is not a host name"),
        (("te`le.example.org", EMAIL), "is not a host name"),
        (("a.example.org/x", EMAIL), "is not a host name"),
        ((HOST, "ops"), "is not an e-mail address"),
        ((HOST,), "needs a directory"),
    ],
)
def test_a_wrong_name_is_told(tmp_path, arguments, word):
    said = fill(tmp_path / "stack", *arguments)
    assert said.returncode == 2 and word in said.stderr
    assert not (tmp_path / "stack").exists()
