"""The matrix programs of docs/clients, built once for each state of their sources into the cache
outside the tree, and the command line that runs each."""

import contextlib
import fcntl
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .process import TREE

SOURCES = TREE / "docs" / "clients"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sigpost"

# What a trial by hand leaves among the sources, and what changes no program.
_IGNORED = {"node_modules", "target", "__pycache__", "README.md"}


def _sources(directory):
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        if path.is_file() and not _IGNORED & set(name.parts):
            yield path, name


def _run(argv, cwd, **env):
    assert shutil.which(argv[0]), f"{argv[0]} is not installed: the client in {cwd} needs it"
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{argv[0]} in {cwd} failed:\n{done.stdout[-8000:]}"
    return done.stdout


@contextlib.contextmanager
def _locked(path):
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _built(language, build):
    """The directory of the built client: `build(directory)` is called in a copy of the sources."""
    digest = hashlib.sha256(inspect.getsource(build).encode())
    files = list(_sources(SOURCES / language))
    for path, name in files:
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    place = CACHE / f"{language}-{digest.hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(CACHE / f"{language}.lock"):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            for path, name in files:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place / name)
            build(place)
            (place / "complete").touch()
    return place


# --- Python and JavaScript ---------------------------------------------------------------------------


def python():
    """Needs no more than the suite's own environment."""
    return [sys.executable, "-B", SOURCES / "python" / "matrix.py"]


def _npm(place):
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], place / "matrix")


def javascript():
    return ["node", _built("javascript", _npm) / "matrix" / "matrix.js"]


# --- Go ------------------------------------------------------------------------------------------------


def _go(place):
    # Debian 12's own Go cannot fetch a newer one; the Collector's build put one into the cache.
    fetched = sorted(CACHE.glob("go1.*/complete"))
    have = _run(["go", "version"], place, GOTOOLCHAIN="local").split("go1.")[1].split(".")[0]
    program = fetched[-1].parent / "bin" / "go" if int(have) < 21 and fetched else "go"
    env = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    _run([program, "test", "./signing"], place, **env)
    _run([program, "build", "-trimpath", "-o", "bin/", "./demo", "./matrix"], place, **env)


def go(program="matrix"):
    return [_built("go", _go) / "bin" / program]


# --- Rust ----------------------------------------------------------------------------------------------


def _rust(place):
    env = {"CARGO_TARGET_DIR": str(place / "target")}
    _run(["cargo", "build", "--locked", "--bins", "--examples"], place, **env)
    _run(["cargo", "test", "--locked", "--lib"], place, **env)
    (place / "bin").mkdir()
    for program in ("matrix", "examples/demo"):
        shutil.copy(place / "target" / "debug" / program, place / "bin")
    # What lies between is 300 MB.
    shutil.rmtree(place / "target")


def rust(program="matrix"):
    return [_built("rust", _rust) / "bin" / program]


# --- Java ----------------------------------------------------------------------------------------------


def _java(place):
    _run(["mvn", "--batch-mode", "--quiet", "package"], place)


def java(program="sigpost.matrix.Matrix"):
    target = _built("java", _java) / "target"
    parts = (target / "signed-client-1.0.0.jar", target / "lib" / "*")
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, parts)), program]


DEMOS = {
    "go": lambda: go("demo"),
    "java": lambda: java("sigpost.Demo"),
    "rust": lambda: rust("demo"),
}
