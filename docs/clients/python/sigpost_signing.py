"""Signs every request of a requests.Session for sigpost.

    from sigpost_signing import signed_session
    OTLPMetricExporter(endpoint=..., session=signed_session(secret, session_id))

The signature is HMAC-SHA256 over "POST|{path}|{timestamp}|{session id}". It is made anew each time
a request is sent, retries included, so it never grows older than the gateway's window.
"""

import hashlib
import hmac
import re
import time
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

_SESSION_ID = re.compile(r"[A-Za-z0-9._:-]{0,128}\Z")


def sign(secret: str, path: str, timestamp: int, session_id: str = "") -> str:
    """The value of X-KMS-Signature, 64 hex digits. The secret's own characters are the key: a
    secret that looks like hex or base64 is not decoded."""
    message = f"POST|{path}|{timestamp}|{session_id}"
    return hmac.new(secret.strip().encode(), message.encode(), hashlib.sha256).hexdigest()


class KmsAuth(AuthBase):
    """requests calls this for each request it prepares, just before sending."""

    def __init__(self, secret, session_id="", client_version=None, key_id=None, build=None):
        if not secret or not secret.strip():
            raise ValueError("the signing secret is empty")
        if not _SESSION_ID.match(session_id):
            raise ValueError("a session id is up to 128 of A-Z a-z 0-9 . _ : -")
        self._secret = secret
        self._session_id = session_id
        self._fixed = {
            "X-KMS-Session-ID": session_id or None,
            "X-KMS-Client-Version": client_version,
            "X-KMS-Key-ID": key_id,
            "X-KMS-Build": build,
        }

    def __call__(self, request):
        # The path exactly as it goes on the wire, without the query.
        path = urlsplit(request.url).path or "/"
        now = int(time.time())
        request.headers["X-KMS-Timestamp"] = str(now)
        request.headers["X-KMS-Signature"] = sign(self._secret, path, now, self._session_id)
        for name, value in self._fixed.items():
            if value:
                request.headers[name] = value
        return request


def signed_session(secret, session_id="", **fixed) -> requests.Session:
    """A requests.Session that signs. `fixed`: client_version, key_id, build (all optional)."""
    session = requests.Session()
    session.auth = KmsAuth(secret, session_id, **fixed)
    return session
