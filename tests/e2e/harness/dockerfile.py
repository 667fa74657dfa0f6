"""Follows a Dockerfile's steps without a Docker engine, as far as ours go.

FROM debian:bookworm-slim is a bare Debian, FROM scratch an empty directory; RUN happens in it by
chroot. An instruction that is not known here is an error.
"""

import json
import shlex
import shutil
import subprocess

from . import clean_root
from .clean_root import Root

KEPT = {"ENTRYPOINT", "HEALTHCHECK", "VOLUME", "EXPOSE", "STOPSIGNAL", "USER"}


def instructions(text):
    """(word, rest) of each instruction; continued lines are joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, rest = line.split(None, 1)
        yield word, rest.strip()


class Image:
    """The last stage: its root, environment and settings."""

    def __init__(self, dockerfile, context, place):
        self._context = context
        self._place = place
        self._stages = {}
        self.root, self.env, self.settings = None, {}, {}
        for word, rest in instructions(dockerfile.read_text()):
            self._follow(word, rest)

    def _follow(self, word, rest):
        if word in KEPT:
            self.settings[word] = rest
        elif word == "ENV":
            self.env.update(pair.split("=", 1) for pair in shlex.split(rest))
        else:
            {"FROM": self._from, "COPY": self._copy, "RUN": self._run}[word](rest)

    def _from(self, rest):
        image, *name = rest.split(" AS ")
        place = self._place / f"stage{len(self._stages)}"
        if image == "scratch":
            place.mkdir()
            self.root = Root(place)
        else:
            assert image == "debian:bookworm-slim", f"{image} is not known here"
            self.root = clean_root.debian(place)
        self.env = {}
        self._stages[name[0] if name else place.name] = self.root

    def _run(self, rest):
        self.root.run("sh", "-c", rest, env=self.env)

    def _copy(self, rest):
        words = shlex.split(rest)
        source_root = self._context
        if words[0].startswith("--from="):
            source_root = self._stages[words.pop(0).removeprefix("--from=")].place
        source, target = words
        source = source_root / source.strip("/")
        target = self.root.place / target.strip("/")
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def command(self, *arguments):
        """What `docker run IMAGE ARGUMENTS` executes, as the image's user."""
        user = self.settings["USER"]
        entry = json.loads(self.settings["ENTRYPOINT"])
        return ["chroot", f"--userspec={user}", str(self.root.place), *entry, *arguments]
