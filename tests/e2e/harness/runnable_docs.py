"""Commands in documents, run as they stand.

A fenced block of a Markdown page takes part by what stands behind its language:

    ```sh run          is run by bash; a command that fails, fails the test
    ```sh fails        is run, and must fail
    ```yaml run        the `run: |` scripts in it are run
    ```python run      is run by python3
    ```sh bare         is run in a bare Debian, by test_newcomer.py
    ```text shown      is what the block before it printed: line for line, in order, other lines may
                       stand between; … stands for anything within a line

All blocks of a page run in one shell, in order: variables and files are there in the next one.
`localhost:8080` in a command is the gateway of the test. test_docs.py says what else each page finds.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field

from .process import BIN

_MARK = "@@ block "


@dataclass
class Block:
    line: int
    script: str
    fails: bool = False
    shown: list = field(default_factory=list)
    output: str = ""


def _run_scripts(yaml):
    """The scripts behind `run: |` in a workflow, in order."""
    scripts, lines = [], iter(yaml.splitlines())
    indent = None
    for line in lines:
        deep = len(line) - len(line.lstrip())
        if indent is not None and (deep > indent or not line.strip()):
            scripts[-1].append(line.strip())
            continue
        indent = None
        if re.search(r"\brun: \|$", line):
            indent = deep
            scripts.append([])
    assert scripts, "a workflow without a script"
    return "\n".join("\n".join(script) for script in scripts)


_FENCE = re.compile(r"^```(\w+) (\w+)\n(.*?)^```$", re.M | re.S)


def scripts(path, language, how="run"):
    """What the blocks of a page with that mark hold."""
    return [text for *mark, text in _FENCE.findall(path.read_text()) if mark == [language, how]]


def blocks(path):
    """The blocks of a page that are run beside a gateway."""
    found = []
    text = path.read_text()
    for match in _FENCE.finditer(text):
        language, how, content = match.groups()
        if (language, how) == ("sh", "bare"):
            continue
        line = text.count("\n", 0, match.start()) + 1
        if (language, how) in (("sh", "run"), ("sh", "fails")):
            found.append(Block(line, content, fails=how == "fails"))
        elif (language, how) == ("yaml", "run"):
            found.append(Block(line, _run_scripts(content)))
        elif (language, how) == ("python", "run"):
            found.append(Block(line, f"python3 - <<'PYTHON'\n{content}PYTHON"))
        elif (language, how) == ("text", "shown"):
            found[-1].shown = content.splitlines()
        else:
            raise AssertionError(f"{path.name}:{line}: ```{language} {how} is no known mark")
    assert found, f"{path}: no block is marked to be run"
    return found


def is_marked(path):
    """Whether a page has blocks that are run beside a gateway."""
    return any(how not in ("bare", "shown") for _, how, _ in _FENCE.findall(path.read_text()))


def _script(found, changes):
    parts = ["set -euo pipefail"]
    for number, block in enumerate(found):
        body = block.script
        for old, new in changes.items():
            body = body.replace(old, str(new))
        parts.append(f"printf '\\n{_MARK}{number}\\n'")
        if block.fails:
            parts.append(f"set +e; (set -e\n{body}); failed=$?; set -e; [ $failed != 0 ]")
        else:
            parts.append(body)
    return "\n".join(parts) + "\n"


def place_programs(gateway, place, **fakes):
    """Makes a directory for PATH: the gateway's own tool under its plain name, and stand-ins for
    programs that are not to be run, as shell scripts."""
    place.mkdir()
    scripts = {
        "sigpostctl": f'exec {BIN}/sigpostctl -c {gateway.config_path} "$@"\n',
        "sigpost": f'exec {BIN}/sigpost -c {gateway.config_path} "$@"\n',
        **fakes,
    }
    for name, body in scripts.items():
        (place / name).write_text("#!/bin/sh\n" + body)
        (place / name).chmod(0o755)
    return place


def run(page, gateway, programs, cwd, changes=None, env=None):
    """Runs a page's blocks; returns them with their output. `changes` are further texts that are
    replaced in the commands, as localhost:8080 is."""
    found = blocks(page)
    changes = {"localhost:8080": f"127.0.0.1:{gateway.port}", **(changes or {})}
    environment = {**gateway.environment(), **(env or {})}
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", _script(found, changes)],
        env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=100,
    )
    outputs = re.split(rf"\n{_MARK}\d+\n", done.stdout)[1:]
    for block, output in zip(found, outputs):
        block.output = output
    if done.returncode != 0:
        block = found[len(outputs) - 1]
        raise AssertionError(f"{page.name}:{block.line}: exit {done.returncode}\n{block.output}")
    for block in found:
        _check_shown(page, block)
    return found


def _check_shown(page, block):
    lines = iter(block.output.splitlines())
    for wanted in block.shown:
        pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
        # Columns are as wide as their content.
        pattern = re.sub(r"(\\ )+", r"\\s+", pattern)
        if not any(re.fullmatch(pattern, line.rstrip()) for line in lines):
            raise AssertionError(
                f"{page.name}:{block.line}: {wanted!r} is not shown, or not in that order\n"
                f"{block.output}"
            )
