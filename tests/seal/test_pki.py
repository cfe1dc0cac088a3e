"""Roots, certificates and lists, as openssl sees them; first starts, crashes and rotations."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sealpost.bootstrap import examine
from sealpost.domain.suites import EVIDENCE_PURPOSE
from sealpost.seal import pki
from sealpost.seal.bundle.cms import CmsSigner
from sealpost.seal.jades import seal
from sealpost.seal.key_files import KeyFolder, KeysRefused, passphrase
from sealpost.seal.pki import SEALING, establish, is_outdated, revocation_lists, roots, rotate
from sealpost.seal.signer import SigningFailed
from tests.seal.conftest import (  # pyright: ignore[reportMissingImports] - pytest adds the root
    AT,
    LEGAL_NAME,
    RECORD,
    SECRET,
    issuer,
    openssl,
    stored,
)

LEAF_EXTENSIONS = pki._leaf_extensions
THREE_YEARS = timedelta(days=1096)
USAGES = {
    "record-seal": "Digital Signature, Non Repudiation",
    "pdf-seal": "Digital Signature, Non Repudiation",
    "tsa": "Digital Signature",
    "root": "Certificate Sign, CRL Sign",
}


def trusted(keys: KeyFolder, folder: Path, number: int = 1) -> str:
    return stored(folder, f"root-{number}.pem", keys.certificates("root", number)[0].public_bytes(Encoding.PEM))


def verify(keys: KeyFolder, folder: Path, purpose: str, *more: str, at: datetime = AT, ok: bool = True) -> str:
    signer = keys.signer(purpose)
    leaf = stored(folder, "leaf.pem", x509.load_der_x509_certificate(signer.certificates[0]).public_bytes(Encoding.PEM))
    when = ("-attime", str(int(at.timestamp())))
    return openssl("verify", "-x509_strict", *when, *more, leaf, ok=ok)


@pytest.mark.parametrize("purpose", ["record-seal", "pdf-seal", "tsa"])
def test_openssl_verifies_each_certificate(keys: KeyFolder, tmp_path: Path, purpose: str) -> None:
    root = trusted(keys, tmp_path)
    assert verify(keys, tmp_path, purpose, "-CAfile", root).strip().endswith("OK")
    verify(keys, tmp_path, purpose, ok=False)
    for late in (AT + THREE_YEARS, AT - timedelta(hours=1)):
        verify(keys, tmp_path, purpose, "-CAfile", root, at=late, ok=False)
    verify(keys, tmp_path, purpose, "-CAfile", root, "-purpose", "timestampsign", ok=purpose == "tsa")


def test_openssl_takes_the_list_of_revocations(keys: KeyFolder, tmp_path: Path) -> None:
    (der,) = revocation_lists(keys, AT)
    path = stored(tmp_path, "crl.der", der)
    pem = str(tmp_path / "crl.pem")
    root = trusted(keys, tmp_path)
    openssl("crl", "-inform", "DER", "-in", path, "-out", pem)
    assert "verify OK" in openssl("crl", "-in", pem, "-CAfile", root, "-noout")
    assert "No Revoked Certificates" in openssl("crl", "-in", pem, "-noout", "-text")
    verify(keys, tmp_path, "record-seal", "-CAfile", root, "-crl_check", ok=False)
    verify(keys, tmp_path, "record-seal", "-CAfile", root, "-crl_check", "-CRLfile", pem)


@pytest.mark.parametrize("purpose", USAGES)
def test_a_certificate_says_what_it_is_for(keys: KeyFolder, purpose: str) -> None:
    path = str(keys.folder / f"{purpose}-1.cert.pem")
    shown = [line.strip() for line in openssl("x509", "-in", path, "-noout", "-text").splitlines()]
    assert shown[shown.index("X509v3 Key Usage: critical") + 1] == USAGES[purpose]
    assert "NIST CURVE: P-256" in shown
    constraints = shown[shown.index("X509v3 Basic Constraints: critical") + 1]
    assert constraints == ("CA:TRUE, pathlen:0" if purpose == "root" else "CA:FALSE")
    assert ("X509v3 Extended Key Usage: critical" in shown) == (purpose == "tsa")
    assert ("Time Stamping" in shown) == (purpose == "tsa")


def test_seals_last_three_years_at_most(keys: KeyFolder) -> None:
    for purpose in ("record-seal", "pdf-seal", "tsa"):
        (found,) = keys.certificates(purpose, 1)
        assert found.not_valid_before_utc <= AT
        assert found.not_valid_after_utc - found.not_valid_before_utc < THREE_YEARS
        assert keys.signer(purpose).valid == (found.not_valid_before_utc, found.not_valid_after_utc)


def subject(certificate: x509.Certificate) -> dict[str, str]:
    return {one.rfc4514_attribute_name: str(one.value) for one in certificate.subject}


def test_names_are_the_operators_and_say_test(keys: KeyFolder) -> None:
    (found,), (root,) = keys.certificates("record-seal", 1), roots(keys)
    expected = {"C": "NL", "O": LEGAL_NAME, "2.5.4.97": "NTRNL-12345678", "CN": f"{LEGAL_NAME} record seal 1 (test)"}
    assert subject(found) == expected
    assert subject(root) == expected | {"CN": f"{LEGAL_NAME} root 1 (test)"}


def test_a_live_installation_has_a_root_of_its_own_and_no_tsa(own_keys: KeyFolder) -> None:
    establish(own_keys, issuer("live", legal_id=""), AT)
    (root,) = roots(own_keys)
    assert subject(root) == {"O": LEGAL_NAME, "CN": f"{LEGAL_NAME} root 1 (own root)"}
    assert own_keys.numbers("tsa") == []
    assert own_keys.signer("record-seal").certificates


@pytest.mark.parametrize("name", ["É" * 200, "Ltd. " * 40, 'a,b+c=d"<>;#\\', "公司", "x"])
def test_any_legal_name_fits(own_keys: KeyFolder, tmp_path: Path, name: str) -> None:
    establish(own_keys, issuer(legal_name=name), AT)
    (found,) = own_keys.certificates("record-seal", 1)
    common_name = str(found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    assert common_name.startswith(name[:20])
    assert common_name.endswith(" record seal 1 (test)")
    verify(own_keys, tmp_path, "record-seal", "-CAfile", trusted(own_keys, tmp_path))


@pytest.mark.parametrize(("first", "then"), [("test", "live"), ("live", "test")])
def test_test_and_live_do_not_share_keys(own_keys: KeyFolder, first: str, then: str) -> None:
    establish(own_keys, issuer(first), AT)
    with pytest.raises(KeysRefused, match="another environment"):
        establish(own_keys, issuer(then), AT)
    with pytest.raises(KeysRefused, match="another environment"):
        rotate(own_keys, "record-seal", issuer(then), AT)


def content(keys: KeyFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in keys.folder.iterdir()}


def test_a_second_start_changes_nothing(own_keys: KeyFolder) -> None:
    establish(own_keys, issuer(), AT)
    before = content(own_keys)
    establish(own_keys, issuer(legal_name="A New Name"), AT + timedelta(days=1))
    assert content(own_keys) == before


STEPS = ["root-1.key.pem", "root-1.cert.pem", "record-seal-1.key.pem", "record-seal-1.cert.pem", "tsa-1.cert.pem"]


@pytest.mark.parametrize("lost", STEPS[1::2] + STEPS[4:])
def test_a_start_completes_what_a_crash_left(own_keys: KeyFolder, tmp_path: Path, lost: str) -> None:
    """A crash leaves a key without its certificate; the certificates that are there stay good."""
    establish(own_keys, issuer(), AT)
    before = content(own_keys)
    (own_keys.folder / lost).rename(tmp_path / "lost")
    establish(own_keys, issuer(), AT)
    if lost == "root-1.cert.pem":  # nothing asks for it before the next certificate does
        assert rotate(own_keys, "record-seal", issuer(), AT) == 2
    after = content(own_keys)
    assert lost in after
    assert {name: after[name] for name in before if name != lost} == {n: o for n, o in before.items() if n != lost}
    for purpose in ("record-seal", "pdf-seal", "tsa"):
        verify(own_keys, tmp_path, purpose, "-CAfile", trusted(own_keys, tmp_path))


def test_processes_that_start_at_once_have_one_set_of_keys(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    code = (
        "import sys; from datetime import datetime; from pathlib import Path\n"
        "from sealpost.domain.records import Issuer; from sealpost.seal.pki import establish\n"
        "from sealpost.seal.key_files import KeyFolder, PURPOSES, passphrase\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "folder = Path(sys.argv[1]); keys = KeyFolder(folder, passphrase(folder, ''))\n"
        "establish(keys, Issuer('https://x', 'Example', '', 'test', {}), datetime.fromisoformat(sys.argv[2]))\n"
        "signers = [keys.signer(one) for one in PURPOSES]\n"
        "print([(one.public_key.hex(), [der.hex() for der in one.certificates]) for one in signers])"
    )
    command = [sys.executable, "-c", code, str(folder), AT.isoformat()]
    source = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    started = [
        subprocess.Popen(command, env=source, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    assert len({one.communicate()[0] for one in started}) == 1
    assert [one.returncode for one in started] == [0] * 4
    made = KeyFolder(folder, passphrase(folder, ""))
    verify(made, tmp_path, "record-seal", "-CAfile", trusted(made, tmp_path))
    assert not [path.name for path in folder.iterdir() if path.name.endswith(".new")]


@pytest.mark.parametrize("purpose", ["record-seal", "pdf-seal", "tsa", "log-ed25519", "log-mldsa44"])
def test_rotation_adds_a_key_and_keeps_the_old(own_keys: KeyFolder, tmp_path: Path, purpose: str) -> None:
    establish(own_keys, issuer(), AT)
    before = content(own_keys)
    old = own_keys.signer(purpose)
    assert rotate(own_keys, purpose, issuer(), AT + timedelta(days=900)) == 2
    assert rotate(own_keys, purpose, issuer(), AT + timedelta(days=901)) == 3
    new = own_keys.signer(purpose)
    assert new.number == 3
    assert new.public_key != old.public_key
    assert content(own_keys).items() >= before.items()
    assert own_keys.signer(purpose, 1) == old or own_keys.signer(purpose, 1).public_key == old.public_key
    if old.certificates:
        at = AT + timedelta(days=1500)
        verify(own_keys, tmp_path, purpose, "-CAfile", trusted(own_keys, tmp_path), at=at)


def test_a_new_root_issues_from_then_on(own_keys: KeyFolder, tmp_path: Path) -> None:
    establish(own_keys, issuer(), AT)
    assert rotate(own_keys, "root", issuer(), AT) == 2
    verify(own_keys, tmp_path, "record-seal", "-CAfile", trusted(own_keys, tmp_path, 1))
    rotate(own_keys, "record-seal", issuer(), AT)
    verify(own_keys, tmp_path, "record-seal", "-CAfile", trusted(own_keys, tmp_path, 2))
    verify(own_keys, tmp_path, "record-seal", "-CAfile", trusted(own_keys, tmp_path, 1), ok=False)
    assert [subject(one)["CN"] for one in roots(own_keys)] == [f"{LEGAL_NAME} root {n} (test)" for n in (1, 2)]
    lists = [x509.load_der_x509_crl(one) for one in revocation_lists(own_keys, AT)]
    assert [one.issuer for one in lists] == [one.subject for one in roots(own_keys)]


def test_a_certificate_does_not_outlive_its_root(own_keys: KeyFolder) -> None:
    establish(own_keys, issuer(), AT)
    (root,) = roots(own_keys)
    end = root.not_valid_after_utc
    rotate(own_keys, "record-seal", issuer(), end - timedelta(days=10))
    assert own_keys.certificates("record-seal", 2)[0].not_valid_after_utc == end
    with pytest.raises(KeysRefused, match="root-1 has ended"):
        rotate(own_keys, "record-seal", issuer(), end)


def test_an_operator_with_all_certificates_needs_no_root(own_keys: KeyFolder, tmp_path: Path) -> None:
    elsewhere = KeyFolder(tmp_path / "elsewhere", SECRET)
    establish(elsewhere, issuer("live"), AT)
    for path in elsewhere.folder.iterdir():
        if not path.name.startswith("root"):
            path.rename(own_keys.folder / path.name)
    establish(own_keys, issuer("live"), AT)
    assert own_keys.numbers("root") == []
    assert (roots(own_keys), revocation_lists(own_keys, AT)) == ((), ())


def former(purpose: str) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """What certificates had before evidence had a purpose of its own."""
    return (
        one for one in LEAF_EXTENSIONS(purpose) if purpose == "tsa" or not isinstance(one[0], x509.ExtendedKeyUsage)
    )


@pytest.mark.parametrize("purpose", SEALING)
def test_certificates_that_seal_are_for_evidence(keys: KeyFolder, purpose: str) -> None:
    (certificate,) = keys.certificates(purpose, 1)
    found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert [one.dotted_string for one in found.value] == [EVIDENCE_PURPOSE]
    assert not found.critical  # so that tools that do not know it go on
    assert uuid.UUID(int=int(EVIDENCE_PURPOSE.removeprefix("2.25."))).version == 4


def test_certificates_of_former_times_are_outdated(own_keys: KeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pki, "_leaf_extensions", former)
        establish(own_keys, issuer(), AT)
    assert [one for one in SEALING if is_outdated(own_keys, one, issuer(), AT)] == list(SEALING)
    rotate(own_keys, "record-seal", issuer(), AT)
    assert [one for one in SEALING if is_outdated(own_keys, one, issuer(), AT)] == ["pdf-seal"]


def test_certificates_of_another_name_are_outdated(own_keys: KeyFolder) -> None:
    long = "Vereniging tot Behoud van het Aangetekende Bericht in Súdwest-Fryslân U.A."
    establish(own_keys, issuer(legal_name=long), AT)
    assert not is_outdated(own_keys, "record-seal", issuer(legal_name=long), AT)
    assert is_outdated(own_keys, "record-seal", issuer(), AT)
    assert is_outdated(own_keys, "record-seal", issuer(legal_name=long, legal_id="NTRNL-87654321"), AT)
    rotate(own_keys, "record-seal", issuer(), AT)
    assert not is_outdated(own_keys, "record-seal", issuer(), AT)


def test_certificates_that_end_soon_are_outdated_as_long_as_the_root_lasts(own_keys: KeyFolder) -> None:
    establish(own_keys, issuer(), AT)
    end, root_end = AT + pki.LIFE, AT + pki.ROOT_LIFE
    assert not is_outdated(own_keys, "record-seal", issuer(), end - pki.BEFORE_THE_END - timedelta(seconds=1))
    assert is_outdated(own_keys, "record-seal", issuer(), end - pki.BEFORE_THE_END + timedelta(seconds=1))
    assert is_outdated(own_keys, "record-seal", issuer(), end + timedelta(days=1))
    rotate(own_keys, "record-seal", issuer(), end)
    assert not is_outdated(own_keys, "record-seal", issuer(), end)
    last = root_end - timedelta(days=10)
    rotate(own_keys, "record-seal", issuer(), last)
    assert not is_outdated(own_keys, "record-seal", issuer(), last), "another one would last no longer"


def test_an_operators_own_certificate_is_left_alone(own_keys: KeyFolder, keys: KeyFolder, tmp_path: Path) -> None:
    establish(own_keys, issuer(), AT)
    other = KeyFolder(tmp_path / "authority", SECRET)
    establish(other, issuer(legal_name="An Authority"), AT)
    for name in ("record-seal-1.cert.pem", "record-seal-1.key.pem"):
        (own_keys.folder / name).write_bytes((other.folder / name).read_bytes())
    assert not is_outdated(own_keys, "record-seal", issuer(), AT)
    assert not is_outdated(keys, "log-ed25519", issuer(), AT)


def test_nothing_is_sealed_that_would_not_count(
    own_keys: KeyFolder, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pki, "_leaf_extensions", former)
        establish(own_keys, issuer(), AT)
    before, day = datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
    old, new = own_keys.signer("record-seal"), keys.signer("record-seal")
    seal(old, RECORD, before)
    CmsSigner(own_keys.signer("pdf-seal"), before)
    for at in (day, day + timedelta(days=30)):
        seal(new, RECORD, at)
        CmsSigner(keys.signer("pdf-seal"), at)
        with pytest.raises(SigningFailed, match="not for evidence"):
            seal(old, RECORD, at)
        with pytest.raises(SigningFailed, match="not for evidence"):
            CmsSigner(own_keys.signer("pdf-seal"), at)


def test_doctor_says_so_before_the_day(own_keys: KeyFolder, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pki, "_leaf_extensions", former)
        establish(own_keys, issuer(), AT)
    today = datetime.now(UTC).date()
    for days, fails in ((40, False), (29, True), (-1, True)):
        monkeypatch.setattr(examine, "EVIDENCE_PURPOSE_SINCE", today + timedelta(days=days))
        examine.require_purpose(keys.signer("pdf-seal"))
        if fails:
            with pytest.raises(RuntimeError, match="not for evidence"):
                examine.require_purpose(own_keys.signer("pdf-seal"))
        else:
            examine.require_purpose(own_keys.signer("pdf-seal"))


def test_doctor_says_whose_certificate_it_is(keys: KeyFolder) -> None:
    examine.require_name(LEGAL_NAME, keys.signer("pdf-seal"))
    with pytest.raises(RuntimeError, match=LEGAL_NAME):
        examine.require_name("Another B.V.", keys.signer("pdf-seal"))
