"""Reads the Prometheus text format into {(name, frozenset of labels): value}."""

import re

_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: -?\d+)?$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\\n]|\\.)*)"(?:,|$)')


def _unescape(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)


def parse(text):
    series = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value = match.groups()
        pairs = _LABEL.findall(labels or "")
        key = (name, frozenset((k, _unescape(v)) for k, v in pairs))
        assert key not in series, f"twice: {line!r}"
        series[key] = float(value)
    return series


def total(series, name, **labels):
    """The sum of the series of that name that carry these labels; 0 when there is none."""
    wanted = set(labels.items())
    return sum(v for (n, have), v in series.items() if n == name and wanted <= have)
