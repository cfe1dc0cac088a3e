"""Signatures as two other programs see them: dkimpy, and OpenDKIM of Debian, which is unpacked and never installed."""

import re
import subprocess
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.mail.build import build
from sealpost.mail.dkim import (
    SIGNED,
    DkimKey,
    new_key,
    private_der,
    public_der,
    public_txt,
    read_private,
    signed,
    strings,
)
from sealpost.mail.letter import File, Letter, Mailbox, UnsafeMail
from tests.debian import CannotUnpack, environment, unpack_program

AT = datetime(2026, 11, 23, 8, 0, 7, tzinfo=UTC)
RSA, OURS, ED = new_key(), new_key(), Ed25519PrivateKey.generate()
SENDERS = DkimKey("example.org", "sp2k7xq4ab", RSA)
SERVICES = DkimKey("sealpost.test", "s2026", OURS)
CURVE = DkimKey("curve.test", "e1", ED)
KEYS = (SENDERS, SERVICES)
PDF = File("notice.pdf", "application/pdf", bytes(range(256)) * 40)

Make = Callable[..., Letter]


def zone(*keys: DkimKey) -> dict[str, str]:
    return {f"{key.selector}._domainkey.{key.domain}": public_txt(key.key) for key in keys}


def verified(mail: bytes, keys: tuple[DkimKey, ...] = KEYS) -> list[bool]:
    """What dkimpy says of each signature, topmost first; what it cannot read, it does not accept."""
    known = zone(*keys)

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return known[name.decode().rstrip(".")].encode()

    verdicts = list[bool]()
    for index in range(len(keys)):
        try:
            verdicts.append(bool(dkim.DKIM(mail, minkey=2048).verify(index, dnsfunc=look_up)))
        except (dkim.DKIMException, KeyError):
            verdicts.append(False)
    return verdicts


def value_of(mail: bytes, tag: str) -> str:
    """A tag of the first signature, without blanks."""
    field = mail.partition(b"\r\nFrom:")[0].decode()
    first = re.sub(r"\s", "", field.split("DKIM-Signature:")[1])
    return dict(part.split("=", 1) for part in first.split(";"))[tag]


def test_both_signatures_are_accepted(letter: Make) -> None:
    mail = build(letter(files=(PDF,)))
    done = signed(mail, KEYS, AT)
    assert done.endswith(mail)
    assert verified(done) == [True, True]
    assert done.count(b"DKIM-Signature:") == 2
    assert signed(mail, KEYS, AT) == done


class _Curve:
    """What dkimpy wants of PyNaCl, which need not be here."""

    class BadSignatureError(Exception):
        pass

    def __init__(self, text: bytes, encoder: object) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(b64decode(text, validate=True))

    def verify(self, octets: bytes, signature: bytes) -> bytes:
        try:
            self._key.verify(signature, octets)
        except InvalidSignature:
            raise _Curve.BadSignatureError from None
        return octets


def test_a_curve_is_accepted(letter: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=_Curve),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(BadSignatureError=_Curve.BadSignatureError, ValueError=ValueError),
    )
    monkeypatch.setattr(dkim, "nacl", nacl, raising=False)
    done = signed(build(letter()), (CURVE, SENDERS), AT)
    assert value_of(done, "a") == "ed25519-sha256"
    assert verified(done, (CURVE, SENDERS)) == [True, True]
    assert verified(done.replace(b"Hello", b"Hallo", 1), (CURVE, SENDERS)) == [False, False]
    assert verified(done.replace(b"bob@", b"rob@", 1), (CURVE, SENDERS)) == [False, False]


def test_the_field_is_as_the_standard_wants_it(letter: Make) -> None:
    mail = build(letter())
    field = signed(mail, (SENDERS,), AT).removesuffix(mail)
    assert field.count(b"\r") == field.count(b"\n") == field.count(b"\r\n")
    assert max(map(len, field.split(b"\r\n"))) <= 76
    assert all(line[:1] == b" " for line in field.split(b"\r\n")[1:-1])
    read = dict(part.split("=", 1) for part in re.sub(r"\s", "", field.decode().partition(":")[2]).split(";"))
    assert list(read) == ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]
    assert (read["d"], read["s"], read["t"]) == ("example.org", "sp2k7xq4ab", str(int(AT.timestamp())))
    names = [name.lower() for name in read["h"].split(":")]
    there = [line.split(b":")[0].decode().lower() for line in mail.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    for name in (one.decode().lower() for one in SIGNED):
        assert names.count(name) == there.count(name) + 1


def test_without_keys_nothing_changes(letter: Make) -> None:
    mail = build(letter())
    assert signed(mail, (), AT) == mail


def test_no_byte_can_be_changed(letter: Make) -> None:
    """Blanks and line ends aside: one in place of another may be the same in the relaxed form, and dkimpy reads the
    head's line ends as it likes before it looks; in the body they become letters."""
    mail = build(letter(text="Hello Bob,\n\nread this.\n"))
    done = signed(mail, (SENDERS,), AT)
    start, body = len(done) - len(mail), done.index(b"\r\n\r\n") + 4
    assert verified(done, (SENDERS,)) == [True]
    for place in range(start, len(done)):
        changed = bytearray(done)
        if done[place] in b"\r\n":
            changed[place : place + 2] = b"xx" if place >= body else changed[place : place + 2]
        else:
            changed[place] ^= 1
        if bytes(changed) != done:
            assert verified(bytes(changed), (SENDERS,)) == [False], (place, done[place - 5 : place + 5])


@pytest.mark.parametrize("tag", ["d", "s", "t", "h", "bh", "b", "c", "a"])
def test_no_tag_can_be_changed(tag: str, letter: Make) -> None:
    done = signed(build(letter()), (SENDERS,), AT)
    place = re.search(rb"[ ;]%b=" % tag.encode(), done)
    assert place
    changed = bytearray(done)
    changed[place.end() + 1] ^= 3
    assert verified(bytes(changed), (SENDERS,)) == [False]


@pytest.mark.parametrize("where", ["above", "below"])
@pytest.mark.parametrize("name", SIGNED)
def test_no_second_field_can_be_added(name: bytes, where: str, letter: Make) -> None:
    done = signed(build(letter()), (SENDERS,), AT)
    added = name + b": charlie@example.com\r\n"
    changed = added + done if where == "above" else done.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1)
    assert verified(changed, (SENDERS,)) == [False]


def test_a_tail_cannot_be_added(letter: Make) -> None:
    done = signed(build(letter()), (SENDERS,), AT)
    assert verified(done + b"One line more.\r\n", (SENDERS,)) == [False]
    assert verified(done + b"\r\n\r\n", (SENDERS,)) == [True]  # empty lines at the end do not count (RFC 6376 3.4.3)


def test_what_servers_do_on_the_way_is_allowed(letter: Make) -> None:
    done = signed(build(letter()), KEYS, AT)
    handled = b"Received: from a by b; Mon, 23 Nov 2026 08:00:00 +0000\r\nReturn-Path: <x@sealpost.test>\r\n" + done
    handled = handled.replace(b"\r\nSubject: ", b"\r\nSUBJECT:   ").replace(b"\r\n <bob@", b"\r\n\t  <bob@")
    assert verified(handled) == [True, True]


def test_blanks_in_a_body_may_be_stripped_and_added(letter: Make) -> None:
    head, blank, body = signed(build(letter(text="Hello  Bob,\n \n\nread\tthis. \n")), KEYS, AT).partition(b"\r\n\r\n")
    assert b"Hello  Bob" in body
    for handled in (
        body.replace(b"Hello  Bob", b"Hello \t Bob"), body.replace(b"Hello  Bob", b"Hello Bob"),
        body.replace(b"Bob,\r\n", b"Bob, \t\r\n"), body + b" \r\n\t\r\n",
    ):  # fmt: skip
        assert handled != body
        assert verified(head + blank + handled) == [True, True]
    assert verified(head + blank + body.replace(b"Hello  Bob", b"HelloBob")) == [False, False]


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=400), st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_letter_is_signed_well(subject: str, name: str, text: str, content: bytes) -> None:
    files = (File("a.bin", "application/octet-stream", content),) if content else ()
    sender = Mailbox("a@example.org", name)
    letter = Letter(sender, Mailbox("b@example.com"), None, subject, text, text, files, "<1@x.test>", AT, "nl")
    try:
        mail = build(letter)
    except (UnsafeMail, UnicodeEncodeError):
        return
    assert verified(signed(mail, KEYS, AT)) == [True, True]


FIELDS = (
    b"From: <a@example.org>\r\nTo: <b@example.com>\r\nSubject: x\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n"
    b"Message-ID: <1@x>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
)


@given(st.lists(st.sampled_from([b"\r\n", b"a", b" ", b"\t", b".", b"--", "é".encode(), b"\r\n\r\n"]), max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_body_is_signed_well(parts: list[bytes]) -> None:
    body = b"".join(parts)
    mail = FIELDS + b"\r\n" + (body if body.endswith(b"\r\n") or not body else body + b"\r\n")
    assert verified(signed(mail, (SENDERS,), AT), (SENDERS,)) == [True]


@given(
    st.lists(
        st.sampled_from([b" ", b"  ", b"\t", b"x", b":", b"\r\n ", b"=?utf-8?B?eA==?=", "é".encode()]), max_size=12
    )
)
@settings(max_examples=200, deadline=None)
def test_any_field_is_signed_well(parts: list[bytes]) -> None:
    # A line of blanks alone is obsolete syntax (RFC 5322 4.2), which build never writes and readers differ on.
    value = re.sub(rb"\r\n[ \t]*(?=\r\n|\Z)", b"", b"x" + b"".join(parts))
    mail = FIELDS.replace(b"Subject: x", b"Subject:" + value) + b"\r\nbody\r\n"
    assert verified(signed(mail, (SENDERS,), AT), (SENDERS,)) == [True]


REFUSED = {
    "no fields": b"\r\n\r\nbody\r\n",
    "no body": FIELDS,
    "no end": FIELDS + b"\r\nbody",
    "nothing": b"",
    "a bare newline": FIELDS.replace(b"Subject: x", b"Subject: x\nBcc: c@example.com") + b"\r\nb\r\n",
    "a bare return": FIELDS.replace(b"Subject: x", b"Subject: x\rBcc: c@example.com") + b"\r\nb\r\n",
    "a zero": FIELDS.replace(b"Subject: x", b"Subject: \0") + b"\r\nb\r\n",
    "two From": b"From: <c@example.com>\r\n" + FIELDS + b"\r\nb\r\n",
    "two of one that is not signed": b"X-A: 1\r\nx-a: 2\r\n" + FIELDS + b"\r\nb\r\n",
    "no From": FIELDS.replace(b"From:", b"Sender:") + b"\r\nb\r\n",
    "no Date": FIELDS.replace(b"Date:", b"X-Date:") + b"\r\nb\r\n",
    "a blank before the colon": FIELDS.replace(b"From:", b"From :") + b"\r\nb\r\n",
    "no colon": FIELDS.replace(b"Subject: x", b"Subject x") + b"\r\nb\r\n",
    "a fold first": b" folded\r\n" + FIELDS + b"\r\nb\r\n",
    "a name that is none": "Sübject: x\r\n".encode() + FIELDS + b"\r\nb\r\n",
    "a signature already": b"DKIM-Signature: v=1\r\n" + FIELDS + b"\r\nb\r\n",
    "a head without end": FIELDS.replace(b"Subject: x", b"Subject: " + b"x" * 70_000) + b"\r\nb\r\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_build_never_makes_is_not_signed(what: str) -> None:
    with pytest.raises(UnsafeMail):
        signed(REFUSED[what], (SENDERS,), AT)


@pytest.mark.parametrize(
    ("domain", "selector"),
    [
        ("example.org; l=0", "s"), ("Example.org", "s"), ("localhost", "s"), ("", "s"), ("example.org\r\n", "s"),
        ("x" * 64 + ".org", "s"), ("a." * 130 + "org", "s"), ("example.org", ""), ("example.org", "s;"),
        ("example.org", "s.t"), ("example.org", "-s"), ("example.org", "s" * 64), ("exämple.org", "s"),
    ],
)  # fmt: skip
def test_a_name_that_would_not_fit_into_the_field_is_no_key(domain: str, selector: str) -> None:
    with pytest.raises(ValueError, match="domain and a selector"):
        DkimKey(domain, selector, RSA)


def test_keys_are_read_as_they_were_written() -> None:
    for key in (RSA, ED):
        again = read_private(private_der(key))
        assert public_der(again) == public_der(key)
        assert public_txt(public_der(key)) == public_txt(key)
    assert RSA.key_size == 2048
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ValueError, match="DKIM"):
        read_private(other.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="DKIM"):
        public_txt(other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_long_texts_are_cut_for_the_zone() -> None:
    text = public_txt(rsa.generate_private_key(65537, 4096))
    assert "".join(strings(text)) == text
    assert max(map(len, strings(text))) == 255
    assert strings("") == ("",)


@pytest.fixture(scope="session")
def opendkim(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[bytes], dict[str, str]], list[str]]:
    """Runs OpenDKIM's verifier over mails, with the keys of a zone; its verdicts, one for each signature."""
    folder = tmp_path_factory.mktemp("opendkim")
    try:
        root = unpack_program(folder, "opendkim", "usr/sbin/opendkim")
    except CannotUnpack as why:
        pytest.skip(f"OpenDKIM: {why}")
    loads = environment(root, "opendkim")

    def run(mails: list[bytes], names: dict[str, str]) -> list[str]:
        (folder / "keys").write_text("".join(f"{name} {text}\n" for name, text in names.items()))
        (folder / "conf").write_text(f"Mode v\nTestPublicKeys {folder}/keys\nSyslog no\nAlwaysAddARHeader yes\n")
        paths = [folder / f"{number}.eml" for number in range(len(mails))]
        for path, mail in zip(paths, mails, strict=True):
            path.write_bytes(mail)
        command = [root / "usr/sbin/opendkim", "-x", folder / "conf", "-f", "-vvv", "-t", ",".join(map(str, paths))]
        done = subprocess.run(command, env=loads, capture_output=True, text=True, timeout=60, check=True)
        return re.findall(r"dkim=(\w+)", done.stdout)

    return run


@pytest.mark.slow
def test_opendkim_accepts_them_too(letter: Make, opendkim: Callable[[list[bytes], dict[str, str]], list[str]]) -> None:
    names = zone(SENDERS, SERVICES, CURVE)
    letters = [
        letter(), letter(files=(PDF,)), letter(reply_to=None, automatic=False), letter(subject="é" * 300),
        letter(sender=Mailbox("post@sealpost.test", "Alíce 💌 " * 9)), letter(text="", html=""),
        letter(recipient=Mailbox("bób@example.com", "Bób")),
    ]  # fmt: skip
    for one in letters:
        good = signed(build(one), (SENDERS, SERVICES), AT)
        assert opendkim([good], names) == ["pass", "pass"]
    good = signed(build(letter()), (SENDERS,), AT)
    bad = [
        good.replace(b"Hello", b"Hallo", 1),
        good.replace(b"bob@", b"rob@", 1),
        b"From: <charlie@example.com>\r\n" + good,
        good.replace(b"\r\n\r\n", b"\r\nSubject: x\r\n\r\n", 1),
        good + b"more\r\n",
    ]
    assert [opendkim([mail], names) for mail in bad] == [["fail"]] * len(bad)
    assert opendkim([signed(build(letter()), (CURVE,), AT)], names) == ["pass"]
