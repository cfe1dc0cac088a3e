"""Requests that are broken before anybody reads a field: framing, heads, lengths that lie (RFC 9112).

Each is refused with a 4xx, ours or the server's, or the connection just ends. ``TAKEN`` are odd and right: they are
answered as their plain form would be.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.hostile.send_table import GOOD, NOBODY, SEND
from tests.hostile.table import Known
from tests.hostile.values import HOSTS, MARK

BODY = json.dumps(GOOD | {"sender_email": NOBODY}).encode()


@dataclass(frozen=True)
class Broken:
    """One request in pieces.

    Args:
        name: for the failure's message.
        pieces: its octets.
        statuses: those that are right; 0 is a connection that ends without an answer.
        end: nothing follows, and the caller says so.
    """

    name: str
    pieces: tuple[bytes, ...]
    statuses: tuple[int, ...] = ()
    end: bool = False


def head(
    known: Known,
    *lines: bytes,
    first: bytes = b"POST /webservice/mailsender/send HTTP/1.1",
    host: bytes = b"host: x\r\n",
) -> bytes:
    """A head with good credentials and type, and these lines besides."""
    own = host + b"authorization: " + known.service.encode() + b"\r\ncontent-type: application/json\r\n"
    return first + b"\r\n" + own + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunk(octets: bytes, size: bytes | None = None, more: bytes = b"") -> bytes:
    return (size or b"%x" % len(octets)) + more + b"\r\n" + octets + b"\r\n"


CHUNKED = b"transfer-encoding: chunked"
LAST = b"0\r\n\r\n"
LENGTH = b"content-length: %d" % len(BODY)


def framing_cases(known: Known) -> list[Broken]:
    """All of them."""
    return [*_lengths(known), *_chunks(known), *_both(known), *_first_lines(known), *_heads(known), *_hosts(known)]


def taken_cases(known: Known) -> list[Broken]:
    """Odd and right: answered as the plain form."""
    whole = chunk(BODY) + LAST
    octets = [chunk(BODY[at : at + 1]) for at in range(len(BODY))]
    return [
        Broken("chunked without a length", (head(known, CHUNKED) + whole,)),
        Broken("an octet in each chunk", (head(known, CHUNKED) + b"".join(octets) + LAST,)),
        Broken("a chunk extension", (head(known, CHUNKED) + chunk(BODY, more=b";a=b") + LAST,)),
        Broken("extensions in quotes", (head(known, CHUNKED) + chunk(BODY, more=b';a="b;c";d') + LAST,)),
        Broken("zeros before a chunk's size", (head(known, CHUNKED) + chunk(BODY, b"000%x" % len(BODY)) + LAST,)),
        Broken("a size in capitals", (head(known, CHUNKED) + chunk(BODY, b"%X" % len(BODY)) + LAST,)),
        Broken("a trailer", (head(known, CHUNKED) + chunk(BODY) + b"0\r\nx-a: b\r\n\r\n",)),
        Broken("Chunked", (head(known, b"Transfer-Encoding: Chunked") + whole,)),
        Broken("zeros before a length", (head(known, b"content-length: 000%d" % len(BODY)) + BODY,)),
        Broken("blanks around a length", (head(known, b"content-length:   %d  " % len(BODY)) + BODY,)),
        Broken("an empty line before", (b"\r\n" + head(known, LENGTH) + BODY,)),
        Broken("in pieces", (*(bytes([octet]) for octet in head(known, LENGTH)), BODY[:9], BODY[9:])),
        *_offers(known),
        Broken("HTTP/1.0", (head(known, LENGTH, first=b"POST /webservice/mailsender/send HTTP/1.0") + BODY,)),
        Broken("HTTP/1.0 without Host", (head(known, LENGTH, first=b"POST /webservice/mailsender/send HTTP/1.0", host=b"") + BODY,)),
        Broken("100 headers", (head(known, LENGTH, *(b"x-%d: y" % number for number in range(100))) + BODY,)),
        Broken("a head of 50 kB", (head(known, LENGTH, b"x: " + b"y" * 50_000) + BODY,)),
        Broken("absolute form", (head(known, LENGTH, first=b"POST http://x/webservice/mailsender/send HTTP/1.1") + BODY,)),
        *(Broken(f"Host {host!r}", (head(known, LENGTH, host=b"host: " + host + b"\r\n") + BODY,)) for host in (b"x", b"X.Example", b"x:1", b"127.0.0.1:65535", b"[::1]", b"[::1]:8025", b"a_b.example:", b"xn--bcher-kva.example", b"sealpost-web-1.sealpost_default:8025")),
    ]  # fmt: skip


def _offers(known: Known) -> list[Broken]:
    """Another protocol is offered, and not taken (RFC 9110, section 7.8): the body is the request's all the same."""
    offers = {
        "h2c": (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAARAAAAAAAIAAAAA"),
        "TLS": (b"Upgrade: TLS/1.0", b"Connection: Upgrade"),
        "websocket": (b"Connection: keep-alive, UPGRADE", b"Upgrade: websocket", b"sec-websocket-version: 13"),
    }
    found: list[Broken] = []
    for name, lines in offers.items():
        forms = {
            "length": (head(known, *lines, LENGTH), BODY),
            "chunked": (head(known, *lines, CHUNKED), chunk(BODY) + LAST),
        }
        for form, (first, body) in forms.items():
            found += [
                Broken(f"{name}, {form}, in one segment", (first + body,)),
                Broken(f"{name}, {form}, in two segments", (first, body)),
                Broken(f"{name}, {form}, cut in the head", (first[:40], first[40:] + body[:9], body[9:])),
            ]
    return found


def _lengths(known: Known) -> list[Broken]:
    size = len(BODY)
    values = [
        b"",
        b"-1",
        b"-0",
        b"+%d" % size,
        b"0x%x" % size,
        b"%x" % size + b"h",
        b"%d.0" % size,
        b"1e3",
        b"%d,%d" % (size, size),
        b"%d, %d" % (size, size + 1),
        b"%d %d" % (size, size),
        b"1_000",
        b"\xb2",
        "٣".encode(),
        b"nan",
        b"%d;" % size,
        b'"%d"' % size,
        b"(%d)" % size,
        b"9" * 20,
        b"9" * 40,
        b"9" * 5_000,
        b"18446744073709551615",
        b"18446744073709551616",
        b"36893488147419103232",
        b"%d\0" % size,
        b"%d\x0b" % size,
        b"%d a" % size,
    ]
    return [
        *(Broken(f"length {value[:30]!r}", (head(known, b"content-length: " + value) + BODY,)) for value in values),
        *(Broken(f"two lengths, {second}", (head(known, LENGTH, b"content-length: %d" % second) + BODY,)) for second in (0, 1, size, size + 1)),
        Broken("three lengths", (head(known, LENGTH, LENGTH, LENGTH) + BODY,)),
        *(Broken(f"{short} octets declared", (head(known, b"content-length: %d" % short) + BODY,), (400,)) for short in (0, 1, 2, 10, size - 1)),
        *(Broken(f"{more} octets too many declared", (head(known, b"content-length: %d" % (size + more)) + BODY,), (0, 400, 408), end=True) for more in (1, 10, 1_000, 60_000, 2_000_000)),
        *(Broken(f"{more} declared, nothing sent", (head(known, b"content-length: %d" % more),), (0, 400, 408), end=True) for more in (1, 60_000, 2_000_000)),
        *(Broken(f"{more} declared", (head(known, b"content-length: %d" % more) + BODY,), (413,)) for more in (36_000_001, 10**10, 10**15, 10**17)),
        Broken("no length and a body", (head(known) + BODY,), (400,)),
        Broken("a length with a blank before the colon", (head(known, b"content-length : %d" % size) + BODY,)),
        Broken("a length on the next line", (head(known, b"content-length:\r\n %d" % size) + BODY,)),
        Broken("a length behind a bare CR", (head(known, b"x: y\rcontent-length: %d" % size) + BODY,)),
    ]  # fmt: skip


def _chunks(known: Known) -> list[Broken]:
    size = b"%x" % len(BODY)
    sizes = [
        b"-1",
        b"+" + size,
        b"0x" + size,
        b" " + size,
        size + b"g",
        b"g",
        b"\xb2",
        b"1_0",
        b"f" * 16,
        b"f" * 17,
        b"1" + b"0" * 16,
        b"9" * 40,
        size + b"\0",
        size + b" x",
        size + b"\t;",
        b"\0",
        b"'" + size,
        b"%d" % len(BODY) + b".0",
        size + b"\x0b",
    ]
    begin = head(known, CHUNKED)
    return [
        *(Broken(f"chunk size {one[:20]!r}", (begin + chunk(BODY, one) + LAST,)) for one in sizes),
        Broken("a chunk size that is too small", (begin + chunk(BODY, b"%x" % (len(BODY) - 1)) + LAST,)),
        Broken("a chunk size that is too large", (begin + chunk(BODY, b"%x" % (len(BODY) + 1)) + LAST,)),
        Broken("no line end behind a chunk", (begin + size + b"\r\n" + BODY + LAST,)),
        Broken("bare LF behind a size", (begin + size + b"\n" + BODY + b"\r\n" + LAST,)),
        Broken("bare CR behind a size", (begin + size + b"\r" + BODY + b"\r\n" + LAST,)),
        Broken("bare LF behind a chunk", (begin + size + b"\r\n" + BODY + b"\n" + LAST,)),
        Broken("no last chunk", (begin + chunk(BODY),), (0, 400, 408), end=True),
        Broken("half a last chunk", (begin + chunk(BODY) + b"0\r\n",), (0, 400, 408), end=True),
        Broken("a body that is not in chunks", (begin + BODY,)),
        Broken("an empty chunked body", (begin + LAST,), (400,)),
        Broken("an extension with NUL", (begin + chunk(BODY, more=b";a=\0") + LAST,)),
        Broken("an extension with a line end", (begin + chunk(BODY, more=b";a=\n") + LAST,)),
        Broken("a trailer with NUL", (begin + chunk(BODY) + b"0\r\nx: \0\r\n\r\n",)),
        Broken("a trailer without a colon", (begin + chunk(BODY) + b"0\r\nx y\r\n\r\n",)),
        Broken("more than is taken, in chunks", (begin, *[chunk(bytes(1_000_000))] * 40), (413,)),
    ]  # fmt: skip


def _both(known: Known) -> list[Broken]:
    whole = chunk(BODY) + LAST
    codings = [
        b"xchunked",
        b"chunkedx",
        b"chunked, identity",
        b"identity, chunked, identity",
        b"gzip",
        b"identity",
        b"deflate, gzip",
        b"chunked;q=1",
        b"'chunked'",
        b'"chunked"',
        b"chunk",
        b"\x0bchunked",
        b"chunked\x0b",
        b"\0chunked",
        b"chunked\0",
        b"chu nked",
        b"chunked,",
        b"",
        b"chunked, ",
        b"\xc2\xa0chunked",
        b"chunked gzip",
        b"chunked chunked",
    ]
    return [
        *(Broken(f"transfer coding {one!r}", (head(known, b"transfer-encoding: " + one) + whole,)) for one in codings if one != b"chunked, "),
        Broken("both", (head(known, CHUNKED, LENGTH) + whole,)),
        Broken("both, the length first", (head(known, LENGTH, CHUNKED) + whole,)),
        Broken("both, and the length's body", (head(known, CHUNKED, LENGTH) + BODY,)),
        Broken("both, 0", (head(known, b"content-length: 0", CHUNKED) + whole,)),
        Broken("chunked with HTTP/1.0 and a length", (head(known, CHUNKED, LENGTH, first=b"POST /webservice/mailsender/send HTTP/1.0") + whole,)),
        Broken("a blank before the colon", (head(known, b"transfer-encoding : chunked") + whole,)),
        Broken("a tab before the colon", (head(known, b"transfer-encoding\t: chunked") + whole,)),
        Broken("a folded coding", (head(known, b"transfer-encoding:\r\n chunked") + whole,)),
        Broken("a smuggled request", (head(known, LENGTH, CHUNKED) + LAST + b"GET /dashboard/ HTTP/1.1\r\nhost: x\r\n\r\n",)),
        Broken("a coding behind a bare LF", (head(known, b"x: y\ntransfer-encoding: chunked") + whole,)),
        Broken("a coding behind a bare CR", (head(known, b"x: y\rtransfer-encoding: chunked") + whole,)),
    ]  # fmt: skip


def _first_lines(known: Known) -> list[Broken]:
    lines = [
        b"", b"x", b"GET", b"GET /", b"GET / ", b"GET / HTTP", b"GET / HTTP/", b"GET / HTTP/1", b"GET / HTTP/1.1x", b"GET / HTTP/1.2", b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET / HTTP/9.9", b"GET / HTTP/1.1 x", b"GET / HTTPS/1.1", b"GET / http/1.1", b"GET / HTTP/11", b"GET / HTTP/1,1", b"GET / HTTP/-1.1", b"GET / \xd9\xa1.1", b"get / HTTP/1.1", b"Get / HTTP/1.1", b"BREW / HTTP/1.1", b"G\0T / HTTP/1.1", b"G(T / HTTP/1.1", b"GE T / HTTP/1.1", b"GET/ HTTP/1.1", b" GET / HTTP/1.1", b"\tGET / HTTP/1.1",
        b"GET /a b HTTP/1.1", b"GET /a\tb HTTP/1.1", b"GET /\0 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET /\x01 HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1", b"GET / HTTP/1.1\r", b"GET *x HTTP/1.1", b"GET x HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1", b"CONNECT / HTTP/1.1", b"GET http:// HTTP/1.1", b"GET http://[ HTTP/1.1", b"GET http://x:99999/ HTTP/1.1", b"GET //[/ HTTP/1.1", b"GET /?\xff HTTP/1.1", b"GET /?a=\xc3\xa9 HTTP/1.1", b"GET /signin?a=\xff HTTP/1.1", b"GET /api/user/?a=\xff HTTP/1.1", b"GET /webservice/dashboard/?\xff HTTP/1.1", b"GET /docs?\xe9 HTTP/1.1", b"GET /nothing?\xed\xa0\x80 HTTP/1.1",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1", b"GET /?" + b"a" * 70_000 + b" HTTP/1.1", b"A" * 70_000 + b" / HTTP/1.1", b"GET / HTTP/1." + b"1" * 1_000,
    ]  # fmt: skip
    preludes = {
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512),
        "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
        "SMTP": b"EHLO evil.example\r\n",
        "NUL": bytes(100),
        "ff": b"\xff" * 100,
        "SOCKS": b"\x05\x01\x00",
        "PROXY": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "redis": b"*1\r\n$4\r\nPING\r\n",
        "words": MARK.encode() + b"\r\n\r\n",
        "an answer": b"HTTP/1.1 200 OK\r\n\r\n",
        "XML": b"<?xml version='1.0'?>",
    }
    # Absolute form with a good authority has the path it names; there is a page at "/".
    return [
        *(Broken(f"first line {line[:40]!r}", (head(known, first=line),), (0, 400, 404, 405, 414), end=True) for line in lines),
        *(Broken(f"{name} is spoken", (octets,), end=True) for name, octets in preludes.items()),
    ]  # fmt: skip


def _heads(known: Known) -> list[Broken]:
    lines = [
        b"x",
        b": y",
        b" x: y",
        b"\tx: y",
        b"x : y",
        b"x\t: y",
        b"x y: z",
        b"x\0: y",
        b"x: \0",
        b"x: a\0b",
        b"x: a\rb",
        b"x: a\nb: c\rd",
        b"x: a\r b",
        b"x:a\x7fb",
        b"x: \x01",
        b"x: \x1b[2J",
        b"x(: y",
        b"x\x80: y",
        b"\xc3\xa9: y",
        b"x/: y",
        b"x=: y",
        b"x[: y",
        b"x@: y",
        b'"x": y',
        b"x,: y",
        b"x: y\r\n folded",
        b"x: y\r\n\tfolded",
        b"{x}: y",
        b"x;: y",
        b"\x7f: y",
        b"x\x0b: y",
        b"x: y\x08",
    ]
    return [
        *(Broken(f"header {line!r}", (head(known, LENGTH, line) + BODY,)) for line in lines),
        Broken("a web socket is asked for", (head(known, b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 13", b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", first=b"GET /nothing HTTP/1.1"),), (404,)),
        Broken("bare LF as line ends", (head(known, LENGTH).replace(b"\r\n", b"\n") + BODY,)),
        Broken("bare CR as line ends", (head(known, LENGTH).replace(b"\r\n", b"\r") + BODY,), end=True),
        Broken("one bare LF", (head(known, LENGTH).replace(b"\r\n", b"\n", 1) + BODY,)),
        Broken("201 headers", (head(known, LENGTH, *(b"x-%d: y" % number for number in range(201))) + BODY,)),
        Broken("5,000 headers", (head(known, LENGTH, *(b"x-%d: y" % number for number in range(5_000))) + BODY,)),
        Broken("100,000 headers", (head(known, LENGTH, *(b"x-%d: y" % number for number in range(100_000))) + BODY,)),
        Broken("a header of 70 kB", (head(known, LENGTH, b"x: " + b"y" * 70_000) + BODY,)),
        Broken("a header of 10 MB", (head(known, LENGTH, b"x: " + b"y" * 10_000_000) + BODY,)),
        Broken("a header's name of 10 MB", (head(known, LENGTH, b"x" * 10_000_000 + b": y") + BODY,)),
        Broken("a target of 10 MB", (head(known, first=b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1"),)),
        Broken("a head that never ends", (b"GET / HTTP/1.1\r\n", *[b"x: y\r\n" * 10_000] * 100)),
        Broken("half a head", (b"GET / HTTP/1.1\r\nhost: x\r\n",), (0, 400, 408)),
        Broken("half a first line", (b"GET /",), (0, 400, 408)),
        Broken("nothing", (), (0, 400, 408)),
        Broken("empty lines", (b"\r\n" * 100,), (0, 400, 408)),
        Broken("a body that stops", (head(known, b"content-length: 5000") + BODY,), (0, 400, 408)),
        Broken("a large body that stops", (head(known, b"content-length: 5000000") + BODY,), (0, 400, 408)),
        Broken("chunks that stop", (head(known, CHUNKED) + chunk(BODY),), (0, 400, 408)),
        *(Broken(f"{target} that stops", (head(known, b"content-length: 500", first=b"POST " + target.encode() + b" HTTP/1.1").replace(b"application/json", b"application/x-www-form-urlencoded" if target == "/signin" else b"application/json").replace(known.service.encode(), known.admin.encode()) + b'{"',), (408,)) for target in ("/signin", "/api/user/", "/allowed_email_address/")),
    ]  # fmt: skip


def _hosts(known: Known) -> list[Broken]:
    def at(target: str, host: bytes) -> tuple[bytes]:
        return (head(known, first=f"GET {target} HTTP/1.1".encode(), host=host),)

    return [
        *(Broken(f"Host {short!r} at {target}", at(target, b"host: " + short.encode() + b"\r\n"), (400,)) for short in HOSTS for target in ("/signin", "/api/user/", "/webservice/dashboard/?action=ticket_html", "/nothing", SEND)),
        *(Broken(f"no Host at {target}", at(target, b""), (400,)) for target in ("/signin", "/api/user/", "/nothing", SEND)),
        *(Broken(f"two Hosts at {target}", at(target, b"host: x\r\nhost: x\r\n"), (400,)) for target in ("/signin", "/api/user/", "/nothing", SEND)),
    ]  # fmt: skip
