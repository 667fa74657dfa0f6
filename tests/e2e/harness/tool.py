"""sigpostctl beside a gateway: the same configuration, the same environment."""

import json
import subprocess

from .process import BIN


class Tool:
    def __init__(self, gateway):
        self.gateway = gateway
        self.program = BIN / "sigpostctl"

    def argv(self, *words):
        return [str(self.program), "-c", str(self.gateway.config_path), *map(str, words)]

    def run(self, *words, wrap=(), **options):
        """Runs it to its end, whatever that is; output as text."""
        return subprocess.run(
            [*map(str, wrap), *self.argv(*words)],
            env=self.gateway.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )

    def __call__(self, *words, **options):
        """Runs it, and it must succeed; what it printed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words, **options):
        """Runs it, and it must refuse; what it said."""
        done = self.run(*words, **options)
        assert done.returncode == 1, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stderr

    def keys(self):
        """The ring as {id: key}."""
        return {key["id"]: key for key in json.loads(self("secret", "list", "--json"))}

    def secret(self, key_id):
        return self("secret", "export", key_id, "--format", "raw").strip()

    def rotate(self, *words):
        """(id, secret) of the new key."""
        answer = json.loads(self("secret", "rotate", "--json", "--reveal", *words))
        assert answer["gateway"] == "taken", answer
        return answer["id"], answer["secret"]
