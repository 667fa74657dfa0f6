"""The encodings that a body may have, and bombs: small bodies that are a gibibyte of zeros."""

import gzip
import zlib

import zstandard

MiB = 1024 * 1024


def raw_deflate(data):
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


def zstd(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_of_unknown_size(data):
    squeeze = zstandard.ZstdCompressor().compressobj()
    return squeeze.compress(data) + squeeze.flush()


# name: (Content-Encoding or None, how to make it, the encoding's label)
ENCODINGS = {
    "none": (None, bytes, "identity"),
    "identity": ("identity", bytes, "identity"),
    "gzip": ("gzip", gzip.compress, "gzip"),
    "gzip in capitals": ("GZip", gzip.compress, "gzip"),
    "gzip of two members": (
        "gzip",
        lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
        "gzip",
    ),
    "x-gzip": ("x-gzip", gzip.compress, "gzip"),
    "deflate": ("deflate", zlib.compress, "deflate"),
    "raw deflate": ("deflate", raw_deflate, "deflate"),
    "zstd": ("zstd", zstd, "zstd"),
    "zstd of unknown size": ("zstd", zstd_of_unknown_size, "zstd"),
}
COMPRESSED = [name for name, (_, _, label) in ENCODINGS.items() if label != "identity"]


def encoded(name, data):
    """(body, headers)"""
    token, make, _ = ENCODINGS[name]
    return make(data), [] if token is None else [("Content-Encoding", token)]


def deflated_zeros(size):
    """A raw deflate stream of that many zeros, in no time: one flushed block again and again."""
    squeeze = zlib.compressobj(wbits=-15)
    block = squeeze.compress(bytes(MiB)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return block * (size // MiB) + squeeze.flush()


def zeros_checksum(function, size, value):
    block = bytes(MiB)
    for _ in range(size // MiB):
        value = function(block, value)
    return value


def zstd_zeros(size, told):
    squeeze = zstandard.ZstdCompressor().compressobj(size=size if told else -1)
    block = bytes(MiB)
    return b"".join(squeeze.compress(block) for _ in range(size // MiB)) + squeeze.flush()


def gzip_zeros(size):
    checksum = zeros_checksum(zlib.crc32, size, 0).to_bytes(4, "little")
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return head + deflated_zeros(size) + checksum + (size % 2**32).to_bytes(4, "little")


def zlib_zeros(size):
    checksum = zeros_checksum(zlib.adler32, size, 1).to_bytes(4, "big")
    return b"\x78\x9c" + deflated_zeros(size) + checksum


BOMBS = {
    "gzip": ("gzip", gzip_zeros),
    "gzip of many members": ("gzip", lambda size: gzip.compress(bytes(MiB)) * (size // MiB)),
    "deflate": ("deflate", zlib_zeros),
    "raw deflate": ("deflate", deflated_zeros),
    "zstd": ("zstd", lambda size: zstd_zeros(size, True)),
    "zstd of unknown size": ("zstd", lambda size: zstd_zeros(size, False)),
}
