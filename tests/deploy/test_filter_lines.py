"""The filter on lines by hand; on what sigpost really writes: tests/e2e/test_fail2ban.py."""

import subprocess

from harness.process import TREE

FILTER = TREE / "deploy/fail2ban/filter.d/sigpost.conf"
T = "2026-11-21T06:28:05.978Z"
COUNTED = [
    f"{T} warn  [AUTH_FAILED] reason=missing_headers ip=192.0.2.1",
    f"{T} warn  [AUTH_FAILED] reason=invalid_signature version=2.0.0.0 session=s-1 ip=192.0.2.2 key=k",
    f'{T} warn  [AUTH_FAILED] reason=invalid_session session="a ip=192.0.2.99" ip=2001:db8::3',
    f"{T} warn  [AUTH_FAILED] reason=invalid_token ip=192.0.2.4 path=/start",
    f'{{"time":"{T}","level":"warn","msg":"[AUTH_FAILED]","reason":"repeated_header","ip":"192.0.2.5"}}',
    f'{{"time":"{T}","level":"warn","msg":"[AUTH_FAILED]","reason":"invalid_token","ip":"192.0.2.6","path":"/"}}',
]
PASSED_OVER = [
    f"{T} info  [AUTH_SUCCESS] version=1 session=s ip=192.0.2.9 key=env",
    f"{T} warn  [AUTH_FAILED] repeated repeated=14",
    f"{T} warn  [AUTH_FAILED] reason=timestamp_drift ip=192.0.2.9",
    f"{T} warn  [AUTH_FAILED] reason=retired_key version=1 ip=192.0.2.9 key=old",
    f"{T} warn  [AUTH_FAILED] reason=rate_limited ip=192.0.2.9",
    f"{T} warn  [AUTH_FAILED] reason=malformed_payload ip=192.0.2.9",
    f'{T} warn  something else what="[AUTH_FAILED] reason=invalid_signature ip=192.0.2.9"',
    f"{T} warn  [AUTH_FAILED] reason=invalid_signature ip=192.0.2.9.example.org",
    f"{T} warn  [AUTH_FAILED] reason=invalid_signature version=x y ip=192.0.2.9",
    f'{{"time":"{T}","level":"warn","msg":"x","reason":"missing_headers","ip":"192.0.2.9"}}',
]


def test_which_lines_count(tmp_path):
    log = tmp_path / "log"
    log.write_text("\n".join([*PASSED_OVER, *COUNTED, *PASSED_OVER]) + "\n")
    done = subprocess.run(
        ["fail2ban-regex", "-o", "ip", log, FILTER], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [f"192.0.2.{n}" if n != 3 else "2001:db8::3" for n in range(1, 7)]
