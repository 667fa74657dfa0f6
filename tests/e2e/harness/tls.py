"""A certificate, mostly for localhost, that nobody but the test trusts."""

import ssl
import subprocess


class Certificate:
    def __init__(self, directory, names="DNS:localhost,IP:127.0.0.1"):
        self.file, self.key = directory / "cert.pem", directory / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
                *("-addext", f"subjectAltName={names}"),
                *("-keyout", self.key, "-out", self.file),
            ],
            check=True,
            capture_output=True,
        )

    def context(self):
        """For a client that trusts it."""
        return ssl.create_default_context(cafile=self.file)
