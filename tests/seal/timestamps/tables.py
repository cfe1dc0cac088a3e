"""Tokens that must be taken and tokens that must be refused, by name: one table for client and verifier."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core, crl, tsp
from asn1crypto import x509 as ax
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.seal.timestamps.forge import (
    EKU,
    NONCE,
    NOW,
    OCTETS,
    POLICY,
    Owner,
    Recipe,
    attribute,
    authority,
    bake,
    binding,
    certify,
    ess,
    name,
    old_binding,
    root,
    sign,
    usage,
)

ROOT = root()
SIGNER = authority(ROOT)
OTHER = authority(ROOT)
FOREIGN_ROOT = root("Another root")
TWIN_ROOT = root()  # same name, another key
GOOD = Recipe(SIGNER)
RSA_KEY = rsa.generate_private_key(65537, 2048)
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Asked:
    """What a checker is given."""

    response: bytes
    octets: bytes = OCTETS
    roots: tuple[x509.Certificate, ...] = (ROOT.certificate,)
    nonce: int | None = NONCE
    policy: str | None = POLICY


def with_info(**changes: Any) -> Recipe:
    return GOOD.but(info=lambda right: {key: value for key, value in (right | changes).items() if value is not None})


def with_attributes(**changes: Any) -> Recipe:
    def change(right: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in (right | changes).items() if value is not None}

    return GOOD.but(attributes=change)


def with_signer(**changes: Any) -> Recipe:
    return GOOD.but(signer_info=lambda right: right | changes)


def with_signed(**changes: Any) -> Recipe:
    def change(right: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in (right | changes).items() if value is not None}

    return GOOD.but(signed=change)


def by(**options: Any) -> Recipe:
    """A token by an authority whose certificate is other than it should be."""
    return Recipe(authority(options.pop("issuer", ROOT), **options))


def through(**options: Any) -> Recipe:
    """A token by way of an intermediate certificate."""
    given: dict[str, Any] = {"is_ca": True, "key_usage": usage(key_cert_sign=True)}
    middle = certify("Test intermediate", options.pop("issuer", ROOT), **(given | options))
    return Recipe(authority(middle), carried=(middle,))


def at(value: datetime) -> Recipe:
    return with_info(gen_time=value)


def raw_time(text: bytes) -> Recipe:
    """A genTime in octets that asn1crypto would not write."""

    def change(content: bytes) -> bytes:
        return _regrown(content, core.GeneralizedTime(NOW).dump(), bytes([0x18, len(text)]) + text)

    return GOOD.but(content=change)


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x80 | len(octets)]) + octets


def critical_extension(*, critical: bool) -> Any:
    return tsp.Extensions([{"extn_id": "2.999.8", "critical": critical, "extn_value": b"\x05\x00"}])


def issuer_serial(owner: Owner, *, issuer: str | None = None, serial: int | None = None) -> dict[str, Any]:
    subject = ax.Name.load(name(issuer).public_bytes()) if issuer else owner.parsed.issuer
    return {
        "issuer": [ax.GeneralName("directory_name", subject)],
        "serial_number": serial or owner.certificate.serial_number,
    }


def revocations() -> Any:
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ROOT.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + YEAR)
        .sign(ROOT.key, hashes.SHA256())
    )
    parsed: Any = crl.CertificateList.load(made.public_bytes(Encoding.DER))
    return [parsed]


def choices(*owners: Owner) -> list[Any]:
    return [cms.CertificateChoices("certificate", one.parsed) for one in owners]


def swapped() -> bytes:
    """Same subject, issuer and serial number, another key: the signature no longer fits."""
    twin = authority(ROOT, serial=SIGNER.certificate.serial_number)
    return bake(with_signed(certificates=choices(twin)))


def second_signer(right: list[Any]) -> list[Any]:
    return [*right, dict(right[0])]


def other_signer(right: list[Any]) -> list[Any]:
    certificate = OTHER.parsed
    sid = cms.SignerIdentifier(
        "issuer_and_serial_number", {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    )
    return [*right, right[0] | {"sid": sid}]


def without_attributes() -> Recipe:
    def change(right: dict[str, Any]) -> dict[str, Any]:
        content = tsp.TSTInfo(GOOD.info(_right_info())).dump()
        signature, _ = sign(SIGNER.key, content, "sha256")
        return {key: value for key, value in right.items() if key != "signed_attrs"} | {"signature": signature}

    return GOOD.but(signer_info=change)


def _right_info() -> dict[str, Any]:
    parsed: Any = tsp.TimeStampResp.load(bake(GOOD))
    return parsed["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed.native


def unsorted(encoded: bytes) -> bytes:
    """The signed attributes in reverse order, and signed so."""
    parsed: Any = cms.CMSAttributes.load(encoded)
    return b"\x31" + _length(len(parsed.contents)) + b"".join(reversed([one.dump() for one in parsed]))


def longer_length(response: bytes) -> bytes:
    """The outer length with a leading zero octet."""
    return response[:1] + b"\x83\x00" + response[2:4] + response[4:]


def indefinite(response: bytes) -> bytes:
    return b"\x30\x80" + response[4:] + b"\x00\x00"


def inner_indefinite(response: bytes) -> bytes:
    """The token inside, of indefinite length (BER), with the outer length put right."""
    token: bytes = tsp.TimeStampResp.load(response)["time_stamp_token"].dump()
    head = response[4 : len(response) - len(token)]
    inside = head + b"\x30\x80" + token[4:] + b"\x00\x00"
    return b"\x30" + _length(len(inside)) + inside


def constructed_content(response: bytes) -> bytes:
    """The TSTInfo in a constructed octet string, the other lengths put right: BER, never DER."""
    content: bytes = tsp.TimeStampResp.load(response)["time_stamp_token"]["content"]["encap_content_info"][
        "content"
    ].contents
    plain = b"\x04" + _length(len(content)) + content
    return _regrown(response, plain, b"\x24" + _length(len(plain)) + plain)


def _regrown(octets: bytes, old: bytes, new: bytes) -> bytes:
    """Replaces one value and puts right the lengths of all that hold it."""
    if octets == old:
        return new
    children, start = _split(octets)
    if start is None:
        return octets
    inside = b"".join(_regrown(one, old, new) if old in one else one for one in children)
    return octets[:1] + _length(len(inside)) + inside


def _split(octets: bytes) -> tuple[list[bytes], int | None]:
    if not octets[0] & 0x20:
        return [], None
    start = 2 + (octets[1] & 0x7F if octets[1] & 0x80 else 0)
    children, rest = [], octets[start:]
    while rest:
        size = 2 + (octets_length(rest)[0]) + octets_length(rest)[1]
        children.append(rest[:size])
        rest = rest[size:]
    return children, start


def octets_length(octets: bytes) -> tuple[int, int]:
    """How many octets the length takes beyond the first, and the length."""
    if octets[1] < 0x80:
        return 0, octets[1]
    more = octets[1] & 0x7F
    return more, int.from_bytes(octets[2 : 2 + more])


def padded_number(response: bytes) -> bytes:
    """The signed data's version with a needless zero octet."""
    return _regrown(response, b"\x02\x01\x03", b"\x02\x02\x00\x03")


def negative_serial() -> bytes:
    """A carried certificate with serial number -1."""
    response = bake(GOOD.but(carried=(ROOT,)))
    number = core.Integer(ROOT.certificate.serial_number).dump()
    return _regrown(response, number, core.Integer(-1).dump())


def status(word: str, **more: Any) -> Recipe:
    return GOOD.but(status={"status": word} | more)


def part(*path: Any) -> Callable[[bytes], bytes]:
    """Flips the last bit of the last octet of a part of the good token."""

    def change(response: bytes) -> bytes:
        found: Any = tsp.TimeStampResp.load(response)
        for step in path:
            found = getattr(found, step) if step in {"chosen", "parsed"} else found[step]
        encoded = found.dump()
        where = response.index(encoded) + len(encoded) - 1
        return response[:where] + bytes([response[where] ^ 1]) + response[where + 1 :]

    return change


_TOKEN = ("time_stamp_token", "content")
_INFO = (*_TOKEN, "encap_content_info", "content", "parsed")
_SIGNER = (*_TOKEN, "signer_infos", 0)
_CERTIFICATE = (*_TOKEN, "certificates", 0, "chosen")
FLIPPED: dict[str, tuple[Any, ...]] = {
    "status": ("status", "status"),
    "content type": ("time_stamp_token", "content_type"),
    "signed data version": (*_TOKEN, "version"),
    "announced hashes": (*_TOKEN, "digest_algorithms"),
    "kind of content": (*_TOKEN, "encap_content_info", "content_type"),
    "time stamp version": (*_INFO, "version"),
    "policy": (*_INFO, "policy"),
    "imprint algorithm": (*_INFO, "message_imprint", "hash_algorithm", "algorithm"),
    "imprint": (*_INFO, "message_imprint", "hashed_message"),
    "serial number": (*_INFO, "serial_number"),
    "time": (*_INFO, "gen_time"),
    "nonce": (*_INFO, "nonce"),
    "certificate version": (*_CERTIFICATE, "tbs_certificate", "version"),
    "certificate issuer": (*_CERTIFICATE, "tbs_certificate", "issuer"),
    "certificate subject": (*_CERTIFICATE, "tbs_certificate", "subject"),
    "certificate validity": (*_CERTIFICATE, "tbs_certificate", "validity"),
    "certificate key": (*_CERTIFICATE, "tbs_certificate", "subject_public_key_info"),
    "certificate extensions": (*_CERTIFICATE, "tbs_certificate", "extensions"),
    "certificate signature": (*_CERTIFICATE, "signature_value"),
    "signer version": (*_SIGNER, "version"),
    "signer issuer and number": (*_SIGNER, "sid", "chosen"),
    "signer hash": (*_SIGNER, "digest_algorithm"),
    "first attribute": (*_SIGNER, "signed_attrs", 0),
    "second attribute": (*_SIGNER, "signed_attrs", 1),
    "third attribute": (*_SIGNER, "signed_attrs", 2),
    "signature algorithm": (*_SIGNER, "signature_algorithm"),
    "signature": (*_SIGNER, "signature"),
}


def digest_algorithms(*names: str) -> list[Any]:
    return [algos.DigestAlgorithm({"algorithm": one}) for one in names]


def _accepted() -> dict[str, Asked]:
    sha512 = GOOD.but(imprint="sha512")
    p384 = Recipe(authority(ROOT, key=ec.generate_private_key(ec.SECP384R1())), digest="sha384")
    recipes = {
        "plain": GOOD,
        "SHA-512 imprint": sha512,
        "RSA": by(key=RSA_KEY),
        "RSA by its bare name": by(key=RSA_KEY).but(
            signer_info=lambda right: (
                right | {"signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"})}
            )
        ),
        "P-384 and SHA-384": p384,
        "through an intermediate": through(),
        "root carried along": GOOD.but(carried=(ROOT,)),
        "foreign certificate carried along": GOOD.but(carried=(FOREIGN_ROOT,)),
        "both identifiers": with_attributes(old=old_binding(SIGNER)),
        "identifier by SHA-512": with_attributes(binding=binding(ess(SIGNER, hash_name="sha512"))),
        "identifier with issuer and number": with_attributes(
            binding=binding(ess(SIGNER) | {"issuer_serial": issuer_serial(SIGNER)})
        ),
        "fraction of a second": at(NOW + timedelta(milliseconds=250)),
        "accuracy": with_info(accuracy={"seconds": 1, "millis": 500}),
        "name of the authority": with_info(tsa=ax.GeneralName("directory_name", SIGNER.parsed.subject)),
        "uncritical extension": with_info(extensions=critical_extension(critical=False)),
        "a certificate that has since expired": by(until=NOW + timedelta(seconds=1)),
        "without key usage": by(key_usage=None),
    }
    taken = {name: Asked(bake(recipe)) for name, recipe in recipes.items()}
    taken["nothing particular asked"] = Asked(bake(with_info(nonce=None)), nonce=None, policy=None)
    taken["two roots given"] = Asked(bake(GOOD), roots=(FOREIGN_ROOT.certificate, ROOT.certificate))
    return taken


def _refused_recipes() -> dict[str, Recipe]:
    weak = Recipe(SIGNER, digest="sha1")
    return {
        "granted with modifications": status("granted_with_mods"),
        "rejected, with a token": status("rejection"),
        "waiting, with a token": status("waiting"),
        "revocation warning, with a token": status("revocation_warning"),
        "granted, and failed": status("granted", fail_info={"system_failure"}),
        "SHA-1 imprint": GOOD.but(imprint="sha1"),
        "SHA-384 imprint": GOOD.but(imprint="sha384"),
        "imprint cut short": with_info(
            message_imprint={
                "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "hashed_message": hashlib.sha256(OCTETS).digest()[:16],
            }
        ),
        "imprint by another hash than named": with_info(
            message_imprint={
                "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha512"}),
                "hashed_message": hashlib.sha256(OCTETS).digest(),
            }
        ),
        "over other octets": GOOD.but(octets=b"something else"),
        "another nonce": with_info(nonce=NONCE + 1),
        "negative nonce": with_info(nonce=-NONCE),
        "no nonce": with_info(nonce=None),
        "another policy": with_info(policy="2.999.9"),
        "time stamp version 2": with_info(version="v2"),
        "unknown critical extension": with_info(extensions=critical_extension(critical=True)),
        "time with a trailing zero": raw_time(b"20260506070809.50Z"),
        "time without zone": raw_time(b"20260506070809"),
        "time with an offset": raw_time(b"20260506070809+0200"),
        "time without seconds": raw_time(b"202605060708Z"),
        "time with a comma": raw_time(b"20260506070809,5Z"),
        "time of month 13": raw_time(b"20261306070809Z"),
        "signed with SHA-1": weak,
        "no content type": with_attributes(content_type=None),
        "another content type": with_attributes(content_type=attribute("content_type", "data")),
        "no digest": with_attributes(message_digest=None),
        "another digest": with_attributes(message_digest=attribute("message_digest", bytes(32))),
        "empty digest": with_attributes(message_digest=attribute("message_digest", b"")),
        "two digests": with_attributes(more=attribute("message_digest", bytes(32))),
        "a digest with two values": with_attributes(
            message_digest=attribute("message_digest", hashlib.sha256(b"").digest(), bytes(32))
        ),
        "bound to no certificate": with_attributes(binding=None),
        "bound twice, once to nothing": with_attributes(more=binding(ess(SIGNER) | {"cert_hash": bytes(32)})),
        "bound by an attribute with two values": with_attributes(
            binding=attribute("signing_certificate_v2", {"certs": [ess(SIGNER)]}, {"certs": [ess(OTHER)]})
        ),
        "bound to an empty list": with_attributes(binding=binding()),
        "bound to another certificate": with_attributes(binding=binding(ess(OTHER))),
        "bound by SHA-1 where SHA-2 is due": with_attributes(binding=binding(ess(SIGNER, hash_name="sha1"))),
        "bound to this one the older way alone, by SHA-1": with_attributes(binding=old_binding(SIGNER)),
        "bound to another certificate, the older way": with_attributes(binding=old_binding(OTHER)),
        "bound to this one and, the older way, to another": with_attributes(old=old_binding(OTHER)),
        "bound to another number": with_attributes(
            binding=binding(ess(SIGNER) | {"issuer_serial": issuer_serial(SIGNER, serial=1)})
        ),
        "bound to another issuer": with_attributes(
            binding=binding(ess(SIGNER) | {"issuer_serial": issuer_serial(SIGNER, issuer="Else")})
        ),
        "attributes out of order": GOOD.but(encoded_attributes=unsorted),
        "no signed attributes": without_attributes(),
        "signed as an implicit value": GOOD.but(message=lambda encoded: b"\xa0" + encoded[1:]),
        "signature over other attributes": GOOD.but(message=lambda encoded: encoded[:-1] + b"!"),
        "unsigned attribute": with_signer(unsigned_attrs=[attribute("message_digest", b"x")]),
        "empty signature": with_signer(signature=b""),
        "signature of zeros": with_signer(signature=bytes.fromhex("3006020100020100")),
        "signer says RSA for an elliptic key": with_signer(
            signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})
        ),
        "signer says another hash in the algorithm": with_signer(
            signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha512_ecdsa"})
        ),
        "signature algorithm with parameters": with_signer(
            signature_algorithm=algos.SignedDigestAlgorithm(
                {"algorithm": "sha256_ecdsa", "parameters": core.Integer(1)}
            )
        ),
        "signer's hash is another": with_signer(digest_algorithm=algos.DigestAlgorithm({"algorithm": "sha512"})),
        "signer of version 3": with_signer(version="v3"),
        "signer by key identifier": with_signer(
            version="v3", sid=cms.SignerIdentifier("subject_key_identifier", bytes(20))
        ),
        "signer by another number": with_signer(
            sid=cms.SignerIdentifier("issuer_and_serial_number", {"issuer": SIGNER.parsed.issuer, "serial_number": 1})
        ),
        "no signer": GOOD.but(signers=lambda _: []),
        "the signer twice": GOOD.but(signers=second_signer),
        "two signers": GOOD.but(signers=other_signer, carried=(OTHER,)),
        "signed data version 1": with_signed(version="v1"),
        "no announced hash": with_signed(digest_algorithms=[]),
        "another announced hash": with_signed(digest_algorithms=digest_algorithms("sha512")),
        "one announced hash too many": with_signed(digest_algorithms=digest_algorithms("sha256", "sha512")),
        "no certificates": with_signed(certificates=None),
        "empty certificates": with_signed(certificates=[]),
        "only another authority's certificate": with_signed(certificates=choices(OTHER)),
        "only the root's certificate": with_signed(certificates=choices(ROOT)),
        "the signer's certificate twice": GOOD.but(carried=(SIGNER,)),
        "revocation lists": with_signed(crls=revocations()),
        "another kind of content": with_signed(encap_content_info={"content_type": "data", "content": b"x"}),
        "no content": with_signed(encap_content_info={"content_type": "tst_info"}),
        "expired": by(until=NOW - timedelta(seconds=1)),
        "not yet valid": by(since=NOW + timedelta(seconds=1)),
        "no purpose": by(purposes=None),
        "purpose not critical": by(critical=False),
        "another purpose": by(purposes=[EKU.CODE_SIGNING]),
        "any purpose": by(purposes=[EKU.ANY_EXTENDED_KEY_USAGE]),
        "a second purpose": by(purposes=[EKU.TIME_STAMPING, EKU.CODE_SIGNING]),
        "a key for encryption": by(key_usage=usage(key_encipherment=True)),
        "unknown critical certificate extension": by(
            more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.5"), b"\x05\x00"), True)]
        ),
        "from another root": by(issuer=FOREIGN_ROOT),
        "from another root, carried along": by(issuer=FOREIGN_ROOT).but(carried=(FOREIGN_ROOT,)),
        "from a root of the same name": by(issuer=TWIN_ROOT),
        "signed by itself": Recipe(
            certify("Self", purposes=[EKU.TIME_STAMPING], key_usage=usage(digital_signature=True))
        ),
        "intermediate missing": through().but(carried=()),
        "intermediate expired": through(until=NOW - timedelta(seconds=1)),
        "intermediate not yet valid": through(since=NOW + timedelta(seconds=1)),
        "intermediate is no issuer": through(is_ca=False),
        "intermediate may not sign certificates": through(key_usage=usage(digital_signature=True)),
        "intermediate for other purposes": through(purposes=[EKU.SERVER_AUTH]),
        "intermediate from another root": through(issuer=FOREIGN_ROOT),
        "issued by an authority": Recipe(authority(SIGNER), carried=(SIGNER,)),
    }


def _refused_octets() -> dict[str, bytes]:
    good = bake(GOOD)
    query: bytes = tsp.TimeStampReq(
        {"version": "v1", "message_imprint": _info_imprint(), "nonce": NONCE, "cert_req": True}
    ).dump()
    made = {
        "nothing": b"",
        "one octet": b"\x30",
        "half": good[: len(good) // 2],
        "all but the last octet": good[:-1],
        "trailing zero": good + b"\x00",
        "trailing copy": good + good,
        "trailing end of content": good + b"\x00\x00",
        "indefinite length": indefinite(good),
        "indefinite length inside": inner_indefinite(good),
        "longer length than needed": longer_length(good),
        "octet string in pieces": constructed_content(good),
        "needless zero in a number": padded_number(good),
        "length beyond the end": b"\x30\x84\x7f\xff\xff\xff" + good[4:],
        "length of length": b"\x30\xff" + good[2:],
        "nested without end": b"\x30\x80" * 4000,
        "nested deeply": _nested(900),
        "a query": query,
        "text": b"<html>Not found</html>",
        "zeros": bytes(1000),
        "status only": bytes.fromhex("30053003020100"),
        "another status type": bytes.fromhex("300530030c0100"),
        "token is null": bytes.fromhex("300730030201000500"),
        "swapped certificate": swapped(),
        "negative certificate number": negative_serial(),
    }
    made |= {f"flipped: {name}": part(*path)(good) for name, path in FLIPPED.items()}
    assert good not in made.values()
    return made


def _info_imprint() -> dict[str, Any]:
    return {
        "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
        "hashed_message": hashlib.sha256(OCTETS).digest(),
    }


def _nested(depth: int) -> bytes:
    octets = b"\x05\x00"
    for _ in range(depth):
        octets = b"\x30" + _length(len(octets)) + octets
    return octets


def _refused() -> dict[str, Asked]:
    through_strict_root = root("Strict root", path_length=0)
    good = bake(GOOD)
    table = {name: Asked(bake(recipe)) for name, recipe in _refused_recipes().items()}
    table |= {name: Asked(octets) for name, octets in _refused_octets().items()}
    return table | {
        "shown with other octets": Asked(good, octets=OCTETS + b"!"),
        "shown with no octets": Asked(good, octets=b""),
        "shown with another nonce": Asked(good, nonce=NONCE ^ 1),
        "shown with another policy": Asked(good, policy="2.999.70"),
        "shown with another root": Asked(good, roots=(FOREIGN_ROOT.certificate,)),
        "shown with a root of the same name": Asked(good, roots=(TWIN_ROOT.certificate,)),
        "path longer than the root allows": Asked(
            bake(through(issuer=through_strict_root)), roots=(through_strict_root.certificate,)
        ),
        "root expired": Asked(*_under_expired_root()),
    }


def _under_expired_root() -> tuple[bytes, bytes, tuple[x509.Certificate, ...]]:
    old = root("Old root", until=NOW - timedelta(seconds=1))
    return bake(Recipe(authority(old))), OCTETS, (old.certificate,)


ACCEPTED = _accepted()
REFUSED = _refused()
