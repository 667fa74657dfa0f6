"""The KMS signature, written down once more so that the tests do not believe anybody's copy."""

import hashlib
import hmac
import time

SECRET = "e2e-secret-0123456789abcdef0123456789abcdef"


def sign(secret, path, timestamp, session=""):
    message = f"POST|{path}|{timestamp}|{session}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def signed(path, secret=SECRET, session="e2e-session", timestamp=None, key_id=None, version=None):
    """The signing headers of one request, as a list of pairs that a test may bend."""
    timestamp = str(int(time.time()) if timestamp is None else timestamp)
    headers = [
        ("X-KMS-Signature", sign(secret, path, timestamp, session or "")),
        ("X-KMS-Timestamp", timestamp),
    ]
    if session is not None:
        headers.append(("X-KMS-Session-ID", session))
    if key_id is not None:
        headers.append(("X-KMS-Key-ID", key_id))
    if version is not None:
        headers.append(("X-KMS-Client-Version", version))
    return headers
