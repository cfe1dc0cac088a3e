"""Mails that two readers could read differently, or that are too much: each must be refused. And those that must not.

``B`` stands for the boundary line ``--b`` with its line ends; every other LF becomes CRLF, except where ``raw`` says so.
"""

from __future__ import annotations

BASE = "From: Alice <alice@example.org>\nTo: bob@example.com\nSubject: Notice\nMessage-ID: <1@example.org>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n"
MIME = BASE + "MIME-Version: 1.0\n"
MIXED = MIME + "Content-Type: multipart/mixed; boundary=b\n\n"
TEXT = "Content-Type: text/plain\n\nHello Bob\n"
FILE = 'Content-Type: application/pdf\nContent-Disposition: attachment; filename="a.pdf"\nContent-Transfer-Encoding: base64\n\n'
PDF = "JVBERi0x\n"
WHOLE = f"{MIXED}--b\n{TEXT}--b\n{FILE}{PDF}--b--\n"


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def header(line: str) -> bytes:
    """The plain mail with another header field in front."""
    return crlf(f"{line}\n{BASE}\nHello Bob\n")


def instead(name: str, line: str) -> bytes:
    """The plain mail with one field replaced."""
    kept = [known for known in BASE.splitlines() if not known.startswith(name + ":")]
    return crlf("\n".join([*kept, line]) + "\n\nHello Bob\n")


def typed(content: str, body: str = "Hello Bob\n", more: str = "") -> bytes:
    return crlf(f"{MIME}Content-Type: {content}\n{more}\n{body}")


def encoded(encoding: str, body: str, content: str = "text/plain; charset=utf-8") -> bytes:
    return typed(content, body, f"Content-Transfer-Encoding: {encoding}\n")


def attached(fields: str, body: str = PDF) -> bytes:
    return crlf(f"{MIXED}--b\n{TEXT}--b\n{fields}\n{body}--b--\n")


def named(disposition: str, content: str = "application/pdf") -> bytes:
    return attached(f"Content-Type: {content}\nContent-Disposition: {disposition}\nContent-Transfer-Encoding: base64\n")


def mixed(body: str) -> bytes:
    return crlf(MIXED + body)


HOSTILE: dict[str, bytes] = {
    # lines
    "empty": b"",
    "only a line end": b"\r\n",
    "no body": crlf(BASE),
    "no header": crlf("\nHello Bob\n"),
    "bare LF": crlf(BASE + "\nHello") + b"\nBob\r\n",
    "bare CR": crlf(BASE + "\nHello") + b"\rBob\r\n",
    "bare LF in the header": crlf(BASE).replace(b"Notice\r\n", b"Notice\nX-A: b\r\n") + b"\r\nHello\r\n",
    "NUL": crlf(BASE + "\nHello\x00Bob\n"),
    "NUL in the header": header("X-A: b\x00c"),
    "no line end at the end": crlf(BASE + "\nHello Bob"),
    "a line of 999 octets": crlf(BASE + "\n" + "x" * 999 + "\n"),
    "a header of 65 KiB": crlf(("X-A: " + "b" * 900 + "\n") * 73 + BASE + "\nHello\n"),
    "201 fields": crlf("X-A: b\n" * 196 + BASE + "\nHello\n"),
    # fields
    "a field without a colon": header("X-A"),
    "a blank before the colon": header("X-A : b"),
    "a blank before the colon of From": instead("From", "From : alice@example.org"),
    "an mbox line": header("From alice@example.org Mon Nov 23 10:00:00 2026"),
    "a continuation first": header(" folded"),
    "a blank folded line": header("X-A: b\n \n c"),
    "a folded line of blanks at the end": header("X-A: b\n\t"),
    "a vertical tab": header("X-A: b\x0bFrom: charlie@example.net"),
    "a line separator": header("X-A: b\u2028c"),
    "not UTF-8": header("X-A: b\udcff"),
    "C1": header("X-A: b\u0085c"),
    "an empty name": header(": b"),
    "two From": header("From: charlie@example.net"),
    "two From in other letters": header("fROM: charlie@example.net"),
    "two Subject": header("Subject: Other"),
    "two To": header("To: charlie@example.net"),
    "two Date": header("Date: Mon, 23 Nov 2026 10:00:00 +0000"),
    "two Message-ID": header("Message-ID: <2@example.org>"),
    "two Cc": header("Cc: bob@example.com\nCc: bob@example.com"),
    "two Content-Type": typed("text/plain\nContent-Type: text/html"),
    "two encodings": encoded("7bit\nContent-Transfer-Encoding: base64", "SGk=\n"),
    "two MIME-Version": header("MIME-Version: 1.0\nMIME-Version: 1.0"),
    "MIME-Version 2": header("MIME-Version: 2.0"),
    "no MIME-Version": header("Content-Type: text/plain"),
    # addresses
    "no From": instead("From", "X-A: b"),
    "an empty From": instead("From", "From:"),
    "From with only a name": instead("From", "From: Alice"),
    "From with two mailboxes": instead("From", "From: alice@example.org, charlie@example.net"),
    "From with an empty place": instead("From", "From: alice@example.org,"),
    "a group": instead("From", "From: us: alice@example.org;"),
    "an empty group as From": instead("From", "From: us:;"),
    "a group as To": instead("To", "To: us: bob@example.com;"),
    "an empty group beside an address": instead("To", "To: us:;, bob@example.com"),
    "an empty group without a name": instead("To", "To: :;"),
    "two empty groups": instead("To", "To: us:;, them:;"),
    "an empty group with something behind": instead("To", "To: us:; bob@example.com"),
    "an empty group with a comment": instead("To", "To: us:(bob@example.com);"),
    "a comment": instead("From", "From: alice@example.org (Alice)"),
    "a comment in the address": instead("From", "From: alice(x)@example.org"),
    "a route": instead("From", "From: <@charlie.example.net:alice@example.org>"),
    "something behind": instead("From", "From: Alice <alice@example.org> charlie@example.net"),
    "two angles": instead("From", "From: <alice@example.org><charlie@example.net>"),
    "an address as name": instead("From", "From: charlie@example.net <alice@example.org>"),
    "a quoted local part": instead("From", 'From: "alice x"@example.org'),
    "an address that parseaddr cuts": instead("From", "From: alice@example.org)charlie@example.net"),
    "an address literal": instead("From", "From: alice@[192.0.2.1]"),
    "two ats": instead("From", "From: alice@charlie@example.net"),
    "an encoded word in quotes": instead("From", 'From: "=?utf-8?q?Alice?=" <alice@example.org>'),
    "an encoded word without end": instead("From", "From: =?utf-8?q?Alice <alice@example.org>"),
    "an encoded word for an address": instead("From", "From: =?utf-8?q?alice=40example.org?="),
    "an open quote": instead("From", 'From: "Alice <alice@example.org>'),
    # other values
    "no Message-ID": instead("Message-ID", "X-A: b"),
    "a Message-ID without brackets": instead("Message-ID", "Message-ID: 1@example.org"),
    "two in Message-ID": instead("Message-ID", "Message-ID: <1@example.org> <2@example.org>"),
    "no such day": instead("Date", "Date: Mon, 31 Feb 2026 10:00:00 +0000"),
    "a date in words": instead("Date", "Date: yesterday"),
    "an encoded word in a word": instead("Subject", "Subject: a=?utf-8?q?b?="),
    "base64 junk in an encoded word": instead("Subject", "Subject: =?utf-8?b?S!Gk=?="),
    "early padding in an encoded word": instead("Subject", "Subject: =?utf-8?b?SG==aQ==?="),
    "UTF-7 in an encoded word": instead("Subject", "Subject: =?utf-7?q?+ADw-?="),
    "half a character in an encoded word": instead("Subject", "Subject: =?utf-8?q?=c3?= =?utf-8?q?=a9?="),
    # content types
    "no subtype": typed("text"),
    "a comment in the type": typed("text/plain (really text/html)"),
    "a parameter twice": typed("text/plain; charset=utf-8; charset=us-ascii"),
    "a parameter twice in other letters": typed("text/plain; charset=utf-8; CHARSET=us-ascii"),
    "a parameter in two forms": typed("text/plain; charset=utf-8; charset*=us-ascii''utf-8"),
    "an open quote in a parameter": typed('text/plain; charset="utf-8'),
    "a parameter with a blank": typed("text/plain; charset=utf 8"),
    "two types": typed("text/plain, text/html"),
    "UTF-7": typed("text/plain; charset=utf-7"),
    "UTF-16": typed("text/plain; charset=utf-16"),
    "an unknown charset": typed("text/plain; charset=x-bob"),
    "8 bits in ASCII": encoded("8bit", "Héllo\n", "text/plain"),
    "8 bits said to be 7": encoded("7bit", "Héllo\n"),
    "UTF-8 that is none": encoded("8bit", "H\udcff\n"),
    "Windows-1250 has no 81": encoded("quoted-printable", "=81\n", "text/plain; charset=windows-1250"),
    "Japanese that does not end in ASCII": encoded("quoted-printable", "=1B$B%F\n", "text/plain; charset=iso-2022-jp"),
    "Japanese of 1978": encoded("quoted-printable", "=1B$@%F=1B(B\n", "text/plain; charset=iso-2022-jp"),
    "Japanese with a yen or a backslash": encoded("quoted-printable", "=1B(J\\=1B(B\n", "text/plain; charset=iso-2022-jp"),
    "Japanese in half width": encoded("quoted-printable", "=1B(I1=1B(B\n", "text/plain; charset=iso-2022-jp"),
    "Japanese with half a character": encoded("quoted-printable", "=1B$B%=1B(B\n", "text/plain; charset=iso-2022-jp"),
    "Japanese with a shift": encoded("quoted-printable", "=0E1=0F\n", "text/plain; charset=iso-2022-jp"),
    "Japanese with octets above": encoded("quoted-printable", "=A5=C6\n", "text/plain; charset=iso-2022-jp"),
    "Windows-1252 has no 81": encoded("quoted-printable", "=81\n", "text/plain; charset=windows-1252"),
    # encodings
    "an unknown encoding": encoded("x-uuencode", "begin\n"),
    "binary": encoded("binary", "Hello\n"),
    "an encoding with a comment": encoded("base64 (no)", "SGk=\n"),
    "base64 on a multipart": crlf(
        WHOLE.replace("boundary=b\n", "boundary=b\nContent-Transfer-Encoding: base64\n")
    ),
    "base64 with junk": encoded("base64", "SG!k=\n"),
    "base64 with a blank": encoded("base64", "SGVs bG8=\n"),
    "base64 with early padding": encoded("base64", "SGk=SGk=\n"),
    "base64 without padding": encoded("base64", "SGk\n"),
    "base64 with stray bits": encoded("base64", "SGl=\n"),
    "base64 with something behind": encoded("base64", "SGk=\n\nHello\n"),
    "quoted-printable with a bad escape": encoded("quoted-printable", "a=GG\n"),
    "quoted-printable with a lone =": encoded("quoted-printable", "a=b\n"),
    "quoted-printable with a trailing blank": encoded("quoted-printable", "a \n"),
    "quoted-printable with 8 bits": encoded("quoted-printable", "é\n"),
    "a bare CR within quoted-printable": encoded("quoted-printable", "a=0Db\n"),
    # boundaries
    "no boundary": typed("multipart/mixed", "--b\n\nHello\n--b--\n"),
    "an empty boundary": typed('multipart/mixed; boundary=""', "--\n\nHello\n----\n"),
    "a boundary with a blank at its end": typed('multipart/mixed; boundary="b "', "--b \n\nHello\n--b --\n"),
    "a boundary of 71 characters": typed(
        f"multipart/mixed; boundary={'b' * 71}", f"--{'b' * 71}\n\nHello\n--{'b' * 71}--\n"
    ),
    "two boundaries": typed("multipart/mixed; boundary=b; boundary=c", "--b\n\nHello\n--b--\n"),
    "a boundary in two forms": typed("multipart/mixed; boundary=b; boundary*=us-ascii''c", "--b\n\nHello\n--b--\n"),
    "a boundary in sections": typed("multipart/mixed; boundary*0=b; boundary*1=c", "--bc\n\nHello\n--bc--\n"),
    "no end": mixed(f"--b\n{TEXT}--b\n{FILE}{PDF}"),
    "no beginning": mixed("Hello\n--b--\n"),
    "no part at all": mixed("Hello\n"),
    "an empty part": mixed(f"--b\n{TEXT}--b\n--b--\n"),
    "a part without a blank line": mixed(f"--b\n{TEXT}--b\nContent-Type: text/plain\n--b--\n"),
    "something behind the end": mixed(f"--b\n{TEXT}--b--\nHello Charlie\n"),
    "a part behind the end": mixed(f"--b\n{TEXT}--b--\n--b\n{TEXT}--b--\n"),
    "two ends": mixed(f"--b\n{TEXT}--b--\n--b--\n"),
    "blanks behind a boundary": mixed(f"--b \n{TEXT}--b--\n"),
    "a tab behind the end": mixed(f"--b\n{TEXT}--b--\t\n"),
    "a boundary with more behind": mixed(f"--b\n{TEXT}--bc\n{TEXT}--b--\n"),
    "an end with more behind": mixed(f"--b\n{TEXT}--b--x\n"),
    "a line before the first part": mixed(f"Dear Bob, I agree.\n\n--b\n{TEXT}--b--\n"),
    "a line behind what programs write": mixed(f"This is a multi-part message in MIME format.\nI agree.\n--b\n{TEXT}--b--\n"),
    "a text before the first part": mixed("x" * 70 + "\n" + ("y" * 70 + "\n") * 40 + f"--b\n{TEXT}--b--\n"),
    "the same boundary within": mixed(
        f"--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n{TEXT}--b--\n--b--\n"
    ),
    "a boundary within that begins alike": mixed(
        f"--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n{TEXT}--bb--\n--b--\n"
    ),
    "an inner one without end": mixed(
        f"--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n{TEXT}--b--\n"
    ),
    "too deep": mixed(
        "".join(f"--{'b' if n == 0 else f'c{n}x'}\nContent-Type: multipart/mixed; boundary=c{n + 1}x\n\n" for n in range(6))
        + f"--c6x\n{TEXT}--c6x--\n" + "".join(f"--c{n}x--\n" for n in range(5, 0, -1)) + "--b--\n"
    ),
    "too many parts": mixed(f"--b\n{TEXT}" + f"--b\n{FILE}{PDF}" * 200 + "--b--\n"),
    # shapes
    "signed": typed("multipart/signed; boundary=b", f"--b\n{TEXT}--b\n{FILE}{PDF}--b--\n"),
    "S/MIME": encoded("base64", PDF, "application/pkcs7-mime; name=smime.p7m"),
    "encrypted": typed("multipart/encrypted; boundary=b", f"--b\n{TEXT}--b--\n"),
    "a report": typed("multipart/report; boundary=b; report-type=delivery-status", f"--b\n{TEXT}--b--\n"),
    "a digest": typed("multipart/digest; boundary=b", f"--b\n{TEXT}--b--\n"),
    "no text": encoded("base64", PDF, "application/pdf"),
    "a file first": mixed(f"--b\n{FILE}{PDF}--b--\n"),
    "a text with a file name": typed('text/plain; name="a.txt"'),
    "a second text": mixed(f"--b\n{TEXT}--b\n{TEXT}--b--\n"),
    "a nested mixed": mixed(
        f"--b\n{TEXT}--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n{TEXT}--c--\n--b--\n"
    ),
    "HTML before plain text": typed(
        "multipart/alternative; boundary=b", f"--b\nContent-Type: text/html\n\n<p>a</p>\n--b\n{TEXT}--b--\n"
    ),
    "three alternatives": typed("multipart/alternative; boundary=b", f"--b\n{TEXT}--b\n{TEXT}--b\n{TEXT}--b--\n"),
    "an appointment as alternative": typed(
        "multipart/alternative; boundary=b", f"--b\n{TEXT}--b\nContent-Type: text/calendar\n\nBEGIN\n--b--\n"
    ),
    "an external body": attached("Content-Type: message/external-body; access-type=URL\n", "Hello\n"),
    "an enclosed mail in base64": attached(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n", "SGk=\n"
    ),
    # names of files
    "two names": named('attachment; filename="a.pdf"', 'application/pdf; name="b.pdf"'),
    "a name in two forms": named("attachment; filename=\"a.pdf\"; filename*=utf-8''b.pdf"),
    "a name twice": named('attachment; filename="a.pdf"; FileName="b.pdf"'),
    "a name in pieces, one missing": named('attachment; filename*0="a"; filename*2=".pdf"'),
    "a name in pieces, one twice": named("attachment; filename*0=\"a\"; filename*0*=utf-8''b"),
    "a piece with a leading zero": named('attachment; filename*0="a"; filename*01=".pdf"'),
    "a name in a strange charset": named("attachment; filename*=utf-7''a.pdf"),
    "a name without a charset": named("attachment; filename*=a.pdf"),
    "a name with a bad escape": named("attachment; filename*=utf-8''a%G0.pdf"),
    "a name with half a character": named("attachment; filename*=utf-8''a%C3.pdf"),
    "an encoded word in a part of a name": named('attachment; filename="a=?utf-8?q?b?=.pdf"'),
    "a broken encoded word as a name": named('attachment; filename="=?utf-8?b?!?="'),
    "a name without quotes": named("attachment; filename=a b.pdf"),
    "no name": attached("Content-Type: application/pdf\nContent-Disposition: attachment\n"),
    "a comment in the disposition": named('attachment (inline); filename="a.pdf"'),
    "a strange quoted pair": named('attachment; filename="a\\b.pdf"'),
    # machines
    "an answer of a machine": header("Auto-Submitted: auto-replied"),
    "of a machine": header("Auto-Submitted: auto-generated"),
    "of a list": header("List-Id: <x.example.org>"),
    "an old answer": header("Precedence: auto_reply"),
}  # fmt: skip

TAKEN: dict[str, tuple[bytes, str, list[tuple[str, str, bytes]]]] = {
    "plain": (crlf(BASE + "\nHello Bob\n"), "Hello Bob\n", []),
    "UTF-8": (encoded("8bit", "Héllo\n"), "Héllo\n", []),
    "Latin 1": (encoded("quoted-printable", "H=E9llo\n", "text/plain; charset=ISO-8859-1"), "Héllo\n", []),
    "Windows": (encoded("quoted-printable", "=80 5\n", "text/plain; charset=windows-1252"), "€ 5\n", []),
    "Windows in the middle of Europe": (
        encoded("quoted-printable", "=8Alu=9Dou=E8k=FD\n", "text/plain; charset=Windows-1250"),
        "Šluťoučký\n",
        [],
    ),
    "Latin 2": (encoded("quoted-printable", "=A9lu=BBou=E8k=FD\n", "text/plain; charset=iso-8859-2"), "Šluťoučký\n", []),
    "KOI8-R": (encoded("quoted-printable", "=F0=D2=C9=D7=C5=D4\n", "text/plain; charset=koi8-r"), "Привет\n", []),
    "Japanese": (encoded("7bit", "\x1b$B%F%9%H\x1b(J 1\x1b(B\n", "text/plain; charset=iso-2022-jp"), "テスト 1\n", []),
    "soft line ends": (encoded("quoted-printable", "Hello=\n Bob=20\n"), "Hello Bob \n", []),
    "base64 in lines": (encoded("base64", "SGVs\nbG8N\nCg==\n"), "Hello\n", []),
    "HTML": (typed("text/html; charset=utf-8", "<p>Hello</p>\n"), "<p>Hello</p>\n", []),
    "a file": (crlf(WHOLE), "Hello Bob", [("a.pdf", "application/pdf", b"%PDF-1")]),
    "a preamble": (
        mixed(f"This is a multi-part message in MIME format.\n\n--b\n{TEXT}--b--\n"),
        "Hello Bob",
        [],
    ),
    "what other programs write before": (
        mixed(f"\nThis message is in MIME format. Since your mail reader does not understand\nthis format, some or all of this "
              f"message may not be legible.\n\n--b\n{TEXT}--b--\n"),
        "Hello Bob",
        [],
    ),
    "blank lines behind the end": (mixed(f"--b\n{TEXT}--b--\n\n\n"), "Hello Bob", []),
    "both names alike": (
        named('attachment; filename="a.pdf"', 'application/pdf; name="a.pdf"'),
        "Hello Bob",
        [("a.pdf", "application/pdf", b"%PDF-1")],
    ),
    "names as some programs write them": (
        named("attachment; filename*=UTF-8''fa%C3%A7ade.pdf", 'application/pdf; name="=?UTF-8?B?ZmHDp2FkZS5wZGY=?="'),
        "Hello Bob",
        [("façade.pdf", "application/pdf", b"%PDF-1")],
    ),
    "a name in pieces": (
        named("attachment; filename*0*=UTF-8''fa%C3%A7; filename*1=ade.pdf"),
        "Hello Bob",
        [("façade.pdf", "application/pdf", b"%PDF-1")],
    ),
    "alternatives": (
        typed(
            "multipart/alternative; boundary=b",
            f"--b\n{TEXT}--b\nContent-Type: text/html\n\n<p>Hello <img src=x></p>\n--b--\n",
        ),
        "Hello Bob",
        [],
    ),
    "an empty plain text beside HTML": (
        typed(
            "multipart/alternative; boundary=b",
            "--b\nContent-Type: text/plain\n\n\n\n--b\nContent-Type: text/html\n\n<p>Hello</p>\n--b--\n",
        ),
        "<p>Hello</p>",
        [],
    ),
    "an enclosed mail": (
        attached("Content-Type: message/rfc822\n", "From: charlie@example.net\nSubject:x\n\n--c\nHi  \n"),
        "Hello Bob",
        [("message-1.eml", "application/octet-stream", b"From: charlie@example.net\r\nSubject:x\r\n\r\n--c\r\nHi  ")],
    ),
    "a picture in HTML": (
        typed(
            "multipart/related; boundary=b",
            "--b\nContent-Type: text/html\n\n<p>Hello</p>\n--b\nContent-Type: image/png\nContent-ID: <1@x>\n"
            "Content-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n",
        ),
        "<p>Hello</p>",
        [("image-1.png", "image/png", b"\x89PNG\r\n\x1a\n")],
    ),
    "MIME-Version as Apple writes it": (
        header(r"Mime-Version: 1.0 (Mac OS X Mail 16.0 \(3731.700.6\))"),
        "Hello Bob\n",
        [],
    ),
    "a large file in quoted-printable": (
        attached(
            'Content-Type: text/csv\nContent-Disposition: attachment; filename="a.csv"\nContent-Transfer-Encoding: quoted-printable\n',
            "a;=C3=A9\n" * 2000,
        ),
        "Hello Bob",
        [("a.csv", "text/csv", ("a;é\r\n" * 2000).encode()[:-2])],
    ),
    "a large text with dashes": (typed("text/plain", "-- \nAlice\n" * 600), "-- \nAlice\n" * 600, []),
}  # fmt: skip
