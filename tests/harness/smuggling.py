# SPDX-License-Identifier: Apache-2.0
"""Request smuggling: every form that public lists have, written anew.

Collected from RFC 9112, the labs and scanners of PortSwigger, defparam/smuggler, Http11Probe, http-garden, and the
tests and advisories of llhttp and aiohttp. Each stream ends with a request for CANARY, which must not be answered as a
request of its own unless `open` says so: then what stands before it may end there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.content import digest

CANARY = b"GET /v2/canary/manifests/smuggled HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"
PULL = b"GET /v2/team/app/manifests/v1"
LOOK = b"HEAD /v2/team/app/manifests/v1"
PUSH = b"POST /v2/team/app/blobs/uploads/?digest=" + digest(b"hello").encode()
HOST = b"Host: registry.test\r\n"
EMPTY_CHUNKS = b"0\r\n\r\n"
TE = b"Transfer-Encoding"


def _forms(table: str) -> tuple[bytes, ...]:
    """Read forms that bars and line ends separate, with Python's escapes."""
    cells = (cell for row in table.strip("\n").split("\n") for cell in row.split("|"))
    return tuple(cell.encode().decode("unicode_escape").encode("latin-1") for cell in cells)


# Bytes that parsers skip, strip or take for the end of something, in one encoding or another; and all the others.
ODD_BYTES = [bytes([code]) for code in (*range(0x21), *b"\"';,=", *b"\x7f\x80\x85\x96\xa0\xad\xb3\xc2\xe2\xef\xff")]
OTHER_BYTES = [bytes([code]) for code in range(0x80, 0x100) if bytes([code]) not in ODD_BYTES]

CODINGS = _forms(
    r"""
xchunked|chunkedx|chunk|identity|gzip||null|cow|true|1|chunked, identity|identity, chunked|chunked, chunked
chunked,|,chunked|gzip, chunked|chunked;q=1|chunked; a=b|chunked chunked|cow chunked bar|c h u n k e d|chun\\ked
\r\n chunked|\r\n\tchunked|\n chunked|x\r\n chunked|chunked\r\n x|\x20\r\n chunked
"""
)

LENGTHS = _forms(
    r"""
+5|-5|-0|- 5|+ 5|5+0|0x5|0X5|05x|0b101|0o5|5h|5e0|5.0|5_0|5,|,5|5,5|5, 5|5,6|0,5|5 5|5\t5|5;|5;5|"5"|'5'|(5)|
\x20|five|NaN|null|\xd9\xa5|\xef\xbc\x95|\xb2|5\x0b|\x0b5|5\x0c|5\x00|\x005|5\r|5\n|\r5|\n5|\r\n 5|5\r\n 5
\r\n\t5|5\xa0|\x855|4294967301|2147483653|9223372036854775813|18446744073709551621|-1|-18446744073709551611
5\r\nContent-Length: 5|5\r\nContent-Length: 6|0\r\nContent-Length: 5|5\r\ncontent-length: 0|5\r\nContent-Length:
\r\nContent-Length: 5|5\r\nContent-Length: -5
"""
)

RIGHT_CHUNK_SIZES = _forms(
    r"""
0000000000000005|00000000000000005|5;a="b"|5;a=b;c=d
"""
)

CHUNK_SIZES = _forms(
    r"""
+5|-5|0x5|0X5|5h|5_|_5|\x205|\t5|5\x20|5\t|5 ;a||;|five|5,|5.0|5\x00|\x005|5\x0b|\x0b5|\xd9\xa5|"5"|5\xa0|5 5
5\r|5\n|FFFFFFFFFFFFFFFF|ffffffffffffffff|8000000000000005|10000000000000005|11111111111111111|100000005
-FFFFFFFFFFFFFFFB|80000005|5;|5;;|5; a=b|5;a="b\r\n|5;a\rb|5;a\nb|5;\n|5;\x00|5;\x7f=\x01|5 ; a|5;\xff|5\r\n\r\n
\r\n5|\n5
"""
)

CHUNKED_BODIES = _forms(
    r"""
5\nhello\n0\n\n|5\r\nhello\n0\r\n\r\n|5\rhello\r0\r\r|5\r\nhello\r\n0\n\n|5\r\nhello\r\n0\r\r
5\r\nhelloX\r\n0\r\n\r\n|5\r\nhelloXX0\r\n\r\n|5\r\nhello0\r\n\r\n|4\r\nhello\r\n0\r\n\r\n
6\r\nhello\r\n0\r\n\r\n|5\r\nhello\r\n\r\n0\r\n\r\n|5\r\nhello\r\n-0\r\n\r\n|5\r\nhello\r\n0x0\r\n\r\n
5\r\nhello\r\n0 \r\n\r\n|5\r\nhello\r\n0;\r\n\r\n|5\r\nhello\r\n0\r\n|5\r\nhello\r\n|0\r\n
0\r\nContent-Length: 5\r\n\r\n|0\r\nTransfer-Encoding: chunked\r\n\r\n|0\r\nHost: b\r\n\r\n|0\r\nX: y\n\r\n
0\r\nX: y\r\n\n|0\r\n folded\r\n\r\n|0\r\nX: y\r\n z\r\n\r\n|0\r\nnocolon\r\n\r\n|0\r\nX : y\r\n\r\n
0\r\n: y\r\n\r\n|0\r\nX: \x00\r\n\r\n|0\r\n\x00\r\n\r\n|0\r\n\n|0\r\n\r||\r\n|\r\n\r\n|hello|0|0\r|5|5\r
5\r\nhel
"""
)

RIGHT_LINES = _forms(
    r"""
GET  %b HTTP/1.1|GET %b  HTTP/1.1|GET %b# HTTP/1.1|GET %b#x HTTP/1.1|GET %b\\..\\x HTTP/1.1|GET /%b HTTP/1.1
GET %b/ HTTP/1.1|GET %b%%0d%%0aX:y HTTP/1.1|GET %b%%00 HTTP/1.1|GET %b;x HTTP/1.1|GET %b? HTTP/1.1
GET %b?x HTTP/1.1|GET http://registry.test%b HTTP/1.1|GET http://other.test%b HTTP/1.1
GET //registry.test%b HTTP/1.1|GET HTTP://registry.test%b HTTP/1.1|GET http://a@registry.test%b HTTP/1.1
GET ftp://x%b HTTP/1.1|GET http://[::1]%b HTTP/1.1|CONNECT registry.test:80 HTTP/1.1|CONNECT %b HTTP/1.1
OPTIONS * HTTP/1.1|TRACE %b HTTP/1.1
"""
)

LINES = _forms(
    r"""
\x20GET %b HTTP/1.1|GET %b HTTP/1.1\x20|GET\t%b\tHTTP/1.1|GET %b|GET %b\x20|%b HTTP/1.1|%b|GET %b HTTP/0.9
GET %b HTTP/1.0|GET %b HTTP/2.0|GET %b HTTP/1.2|GET %b HTTP/1.10|GET %b HTTP/01.1|GET %b HTTP/1.01
GET %b HTTP/11|GET %b HTTP/3|GET %b http/1.1|GET %b HTTP /1.1|GET %b HTTP/ 1.1|GET %b HTTP/1. 1|GET %b HTTPS/1.1
GET %b HTCPCP/1.0|get %b HTTP/1.1|Get %b HTTP/1.1|G\x00T %b HTTP/1.1|GET: %b HTTP/1.1|(GET) %b HTTP/1.1
X-GET %b HTTP/1.1|GET %b\x00 HTTP/1.1|GET %b\x00x HTTP/1.1|GET %b x HTTP/1.1|GET %b\xff HTTP/1.1
GET %b\x7f HTTP/1.1|GET \\%b HTTP/1.1|GET http:%b HTTP/1.1|GET http://%b HTTP/1.1|GET registry.test%b HTTP/1.1
GET *%b HTTP/1.1|PRI * HTTP/2.0
"""
)

RIGHT_FIELDS = _forms(
    r"""
Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__
Upgrade: TLS/1.2, HTTP/1.1\r\nConnection: Upgrade
X: \xff|X:|X:\x20|Connection: Content-Length|Connection: Host|Connection: x
Connection: upgrade\r\nUpgrade: websocket|Upgrade: h2c|Keep-Alive: timeout=5|Expect: 200-ok
Expect: 100-continue, 100-continue|Trailer: Content-Length|TE: trailers|X-HTTP-Method-Override: DELETE
X-Original-URL: /v2/canary|X-Forwarded-Host: canary|Via: 1.1 x|Range: bytes=0-0
"""
)

FIELDS = _forms(
    r"""
NoColon|: x|\x20: x|X Y: z|X\tY: z|X : y|X\t: y|\tX: y|\x20X: y|X\x00: y|X\x01: y|X\x7f: y|X\xff: y|X@: y|X(: y
"X": y|X: \x00|X: \x01|X: \x7f|X: y\x00z|X: y\r z|X: y\rz: a|X: y\nz: a|X: y\r\n z|X: y\r\n\tz|X: y\r\n \r\n z
X:\r\n y|:|Host: other.test|host: registry.test|Host:|Host: a, b|Host : registry.test|\x20Host: registry.test
Connection: close|Connection: keep-alive, close
Proxy-Connection: close|Expect: 100-continue
"""
)

RIGHT_LENGTHS = _forms(r"5|05|0000005|\x205|\t5|5\x20|5\t|\x20 5 \x20")
LONG_LENGTHS = (b"1" * 100, b"9" * 1000)
RIGHT_LONG_CHUNK_SIZES = (b"0" * 100 + b"5", b"5;" + b"a" * 20_000)
LONG_CHUNK_SIZES = (b"f" * 100, b"1" * 100)
RIGHT_LONG_FIELDS = (b"X: " + b"y" * 9000, b"Y" * 9000 + b": z")
LONG_FIELDS = (b"X: " + b"y" * 70_000, b"\r\n".join([b"X: y"] * 200))
RIGHT_BODIES = (b"5\r\nhello\r\n0\r\n\r\n", b"05\r\nhello\r\n00\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n")
LINE_ENDS = (b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n\r", b"\x0b", b"\x85", b"\r\x00\n")
RIGHT_BEFORE = (b"\r\n", b"\r\n\r\n", b"\n", b"\r")
BEFORE = _forms(r"\x20|\t|\x00|\xef\xbb\xbf|\r\n \r\n|0\r\n\r\n|\x16\x03\x01")


@dataclass(frozen=True)
class Attack:
    """A stream of bytes, and whether a request for CANARY is rightly seen in it."""

    name: str
    stream: bytes
    open: bool = False


def _head(start: bytes, *fields: bytes) -> bytes:
    return start + b" HTTP/1.1\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def _method(start: bytes) -> str:
    return start.split()[0].decode()


def transfer_encodings() -> Iterator[Attack]:
    """Transfer-Encoding in every disguise, alone, and with a length that says otherwise."""
    return _transfer_encodings([*_disguises(), *_with_bytes(ODD_BYTES)])


def other_bytes() -> Iterator[Attack]:
    """The same, with bytes of which nobody has said that they matter."""
    return _transfer_encodings([*_with_bytes(OTHER_BYTES)])


def _transfer_encodings(disguises: list[bytes]) -> Iterator[Attack]:
    for number, field in enumerate(disguises):
        name, _, coding = field.partition(b":")
        chunked = name.lower() == TE.lower() and coding.strip(b" \t").lower() == b"chunked"
        for start in (PULL, PUSH):
            what = f"{_method(start)}-{number}-{field!r}"
            body = EMPTY_CHUNKS + CANARY
            length = b"Content-Length: %d" % len(body)
            yield Attack(f"te-{what}", _head(start, field) + body, open=chunked)
            yield Attack(f"cl.te-{what}", _head(start, length, field) + body)
            # A header of another name says nothing of the body, which then has the five bytes of the last chunk.
            yield Attack(f"te.cl-{what}", _head(start, field, b"Content-Length: 5") + body, open=_is_another(field))


def _is_another(field: bytes) -> bool:
    """Whether the field is a proper one of another name."""
    found = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*", field)
    return found is not None and found[1].lower() != TE.lower()


def _with_bytes(values: list[bytes]) -> Iterator[bytes]:
    for byte in values:
        yield from (TE + b":" + byte + b"chunked", TE + b": chunked" + byte)
        yield from (TE + byte + b": chunked", byte + TE + b": chunked")


def _disguises() -> Iterator[bytes]:
    yield from (TE + b": chunked", TE.upper() + b": CHUNKED", b"tRANSFER-eNCODING:cHUNKED", TE + b":chunked")
    for coding in CODINGS:
        yield TE + b": " + coding
    for first in (b"cow", b"chunked", b"", b"identity"):
        yield from (TE + b": " + first + b"\r\n" + TE + b": chunked", TE + b": chunked\r\n" + TE + b": " + first)
    for name in (b"Transfer Encoding", b"Transfer_Encoding", b"TransferEncoding", b"X-Transfer-Encoding", b"TE"):
        yield name + b": chunked"
    for before in (b"X: x\n", b"X: x\r", b"X: x\n\r", b"X: x\x00", b"X:\n", b"X\n", b"\r", b"\n", b"X: x\r\r\n", b"X"):
        yield before + TE + b": chunked"
    yield from (b"Content-Encoding: chunked", b"Foo: bar\r\n\r" + TE + b": chunked", TE + b"\r\n: chunked")
    yield from (TE + b"\n: chunked", TE + b"\r: chunked", TE + b" chunked", TE + b"=chunked", TE)


def lengths() -> Iterator[Attack]:
    """Content-Length in every form, with a body of five bytes."""
    for start in (PULL, LOOK, PUSH):
        for form in (*RIGHT_LENGTHS, *LENGTHS, *LONG_LENGTHS):
            stream = _head(start, b"Content-Length:" + form) + b"hello" + CANARY
            yield Attack(f"cl-{_method(start)}-{form[:40]!r}", stream, open=form in RIGHT_LENGTHS)
        for field in (b"Content-Length : 5", b"Content-Length\t: 5", b" Content-Length: 5", b"Content_Length: 5"):
            yield Attack(f"cl-{_method(start)}-{field!r}", _head(start, field) + b"hello" + CANARY)
        # A body that a server which thinks that such requests have none would take for the next request.
        for length in (len(CANARY), len(CANARY) - 1, len(CANARY) + 1, 1 << 40):
            yield Attack(f"cl.0-{_method(start)}-{length}", _head(start, b"Content-Length: %d" % length) + CANARY)
        expecting = _head(start, b"Content-Length: %d" % len(CANARY), b"Expect: 100-continue")
        yield Attack(f"expect-{_method(start)}", expecting + CANARY)


def chunks() -> Iterator[Attack]:
    """Chunked bodies that are not what they should be."""
    after = b"\r\nhello\r\n0\r\n\r\n"
    right = [*RIGHT_BODIES, *(size + after for size in (*RIGHT_CHUNK_SIZES, *RIGHT_LONG_CHUNK_SIZES))]
    wrong = [*CHUNKED_BODIES, *(size + after for size in (*CHUNK_SIZES, *LONG_CHUNK_SIZES))]
    for start in (PULL, PUSH):
        for body in right + wrong:
            stream = _head(start, b"Transfer-Encoding: chunked") + body + CANARY
            yield Attack(f"chunk-{_method(start)}-{body[:40]!r}-{len(body)}", stream, open=body in right)


def lines() -> Iterator[Attack]:
    """Request lines, and line ends, in forms that parsers disagree about."""
    path, whole = PULL.split()[1], _head(PULL)
    for line in (*RIGHT_LINES, *LINES):
        start = line.replace(b"%b", path).replace(b"%%", b"%")
        yield Attack(f"line-{line!r}", start + b"\r\n" + HOST + b"\r\n" + CANARY, open=line in RIGHT_LINES)
    for before in (*RIGHT_BEFORE, *BEFORE):
        yield Attack(f"before-{before!r}", before + whole + CANARY, open=before in RIGHT_BEFORE)
    for end in LINE_ENDS:
        yield Attack(f"end-{end!r}", whole.replace(b"\r\n", end) + CANARY)
        # Here a carriage return stands alone before the next request, where it is skipped.
        yield Attack(f"end-of-head-{end!r}", whole[:-2] + end + CANARY, open=end == b"\r\n\r")
        yield Attack(f"end-of-line-{end!r}", whole.replace(b"\r\n", end, 1) + CANARY)
        yield Attack(f"inside-{end!r}", _head(PULL, b"X: a" + end + CANARY[:-2].replace(b"\r\n", end)))


def fields() -> Iterator[Attack]:
    """Headers that are none, or that hide another."""
    right = (*RIGHT_FIELDS, *RIGHT_LONG_FIELDS)
    for number, field in enumerate((*right, *FIELDS, *LONG_FIELDS)):
        name = f"{number}-{field[:40]!r}"
        yield Attack(f"field-{name}", _head(PULL, field) + CANARY, open=field in right)
        first = PULL + b" HTTP/1.1\r\n" + field + b"\r\n" + HOST + b"\r\n"
        yield Attack(f"first-field-{name}", first + CANARY, open=field in right)
    yield Attack("no-host", PULL + b" HTTP/1.1\r\n\r\n" + CANARY, open=True)
    yield Attack("no-host-but-another-field", PULL + b" HTTP/1.1\r\nX: y\r\n\r\n" + CANARY, open=True)


FAMILIES = {
    "transfer_encodings": transfer_encodings,
    "other_bytes": other_bytes,
    "lengths": lengths,
    "chunks": chunks,
    "lines": lines,
    "fields": fields,
}
