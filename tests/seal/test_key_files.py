"""Key files: whole or not there, closed to others, encrypted, and each certificate beside its key."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP384R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from sealpost.seal.key_files import ALGORITHMS, PURPOSES, KeyFolder, KeysRefused, passphrase
from sealpost.seal.pki import establish
from sealpost.seal.signer import as_der
from tests.seal.conftest import AT, SECRET, issuer, openssl  # pyright: ignore[reportMissingImports] - pytest adds the root

CERTIFIED = {"root", "record-seal", "pdf-seal", "tsa"}


def test_every_purpose_has_a_closed_encrypted_key(keys: KeyFolder) -> None:
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    expected = {f"{purpose}-1.key.pem" for purpose in PURPOSES} | {f"{purpose}-1.cert.pem" for purpose in CERTIFIED}
    assert {path.name for path in keys.folder.iterdir()} == expected
    for path in keys.folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        if path.name.endswith(".key.pem"):
            assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_the_cipher_is_aes_256(keys: KeyFolder) -> None:
    shown = openssl("asn1parse", "-in", str(keys.folder / "record-seal-1.key.pem"))
    assert "PBES2" in shown
    assert "aes-256-cbc" in shown


def test_openssl_opens_a_key_with_the_passphrase_only(keys: KeyFolder) -> None:
    path = str(keys.folder / "record-seal-1.key.pem")
    assert "prime256v1" in openssl("pkey", "-in", path, "-passin", f"pass:{SECRET.decode()}", "-text", "-noout")
    openssl("pkey", "-in", path, "-passin", "pass:another one of Charlie", "-noout", ok=False)


def test_signatures_are_of_the_shown_public_keys(keys: KeyFolder) -> None:
    signers = {purpose: keys.signer(purpose) for purpose in PURPOSES if purpose != "root"}
    for purpose, signer in signers.items():
        signature = signer.sign(b"octets")
        if signer.algorithm == "ES256":
            key = load_der_public_key(signer.public_key)
            assert isinstance(key, EllipticCurvePublicKey)
            key.verify(as_der(signature), b"octets", ECDSA(SHA256()))
        elif signer.algorithm == "Ed25519":
            Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, b"octets")
        else:
            MLDSA44PublicKey.from_public_bytes(signer.public_key).verify(signature, b"octets")
        assert (len(signature), bool(signer.certificates)) == {
            "log-ed25519": (64, False),
            "log-mldsa44": (2420, False),
        }.get(purpose, (64, True))
        assert signer.is_fast
    assert len({signer.public_key for signer in signers.values()}) == len(signers)


def test_signatures_of_es256_keep_their_length(keys: KeyFolder) -> None:
    signer = keys.signer("record-seal")
    assert {len(signer.sign(bytes([one]))) for one in range(256)} == {64}  # one in 128 has a leading zero
    with pytest.raises(ValueError, match="64 octets"):
        as_der(bytes(63))


def test_nothing_shows_a_secret(keys: KeyFolder) -> None:
    assert SECRET.decode() not in repr(keys)
    assert "PrivateKey" not in repr(keys.signer("record-seal"))


def test_a_key_is_made_once(own_keys: KeyFolder) -> None:
    own_keys.make("record-seal", 1)
    before = (own_keys.folder / "record-seal-1.key.pem").read_bytes()
    own_keys.make("record-seal", 1)
    assert (own_keys.folder / "record-seal-1.key.pem").read_bytes() == before


def test_the_highest_number_signs(own_keys: KeyFolder) -> None:
    for number in (1, 2, 10):
        own_keys.make("log-ed25519", number)
    assert own_keys.numbers("log-ed25519") == [1, 2, 10]
    assert own_keys.signer("log-ed25519").number == 10
    assert own_keys.signer("log-ed25519", 2).public_key != own_keys.signer("log-ed25519").public_key
    for missing in (3, 11):
        with pytest.raises(KeysRefused, match=f"no key log-ed25519-{missing}"):
            own_keys.signer("log-ed25519", missing)
    with pytest.raises(KeysRefused):
        own_keys.signer("pdf-seal")


def test_other_files_are_no_keys(own_keys: KeyFolder) -> None:
    names = ("record-seal-0.key.pem", "record-seal-01.key.pem", "record-seal-1.key.pem.new", ".record-seal-1.key.pem")
    for name in (*names, "record-seal-1.cert.pem", "pdf-seal-1.key.pem", "content-1.key"):
        (own_keys.folder / name).touch(0o600)
    assert own_keys.numbers("record-seal") == []


def mode(name: str, bits: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).chmod(bits)


def text(name: str, octets: bytes) -> Callable[[Path], None]:
    return lambda folder: void((folder / name).write_bytes(octets))


def void(_: object) -> None: ...


def copied(source: str, target: str) -> Callable[[Path], None]:
    return lambda folder: void((folder / target).write_bytes((folder / source).read_bytes()))


def replaced(curve_or_none: object, encryption: KeySerializationEncryption) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        path = folder / "record-seal-1.key.pem"
        key = generate_private_key(SECP384R1()) if curve_or_none else KeyFolder(folder, SECRET).key("record-seal", 1)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))

    return replace


KEY, CERTIFICATE = "record-seal-1.key.pem", "record-seal-1.cert.pem"
FAULTS: list[tuple[str, Callable[[Path], None], str]] = [
    ("a key that its group reads", mode(KEY, 0o640), "open to others"),
    ("a key that all read", mode(KEY, 0o604), "open to others"),
    ("a certificate that all write", mode(CERTIFICATE, 0o622), "open to others"),
    ("an empty key", text(KEY, b""), "is not a key"),
    ("half a key", lambda folder: os.truncate(folder / KEY, 150), "is not a key"),
    ("a key that is a novel", text(KEY, b"a" * 100_001), "too large"),
    ("a key that is not encrypted", replaced(None, NoEncryption()), "not encrypted"),
    ("a key of another passphrase", replaced(None, BestAvailableEncryption(b"Charlie's")), "our passphrase"),
    ("a key of another curve", replaced(1, BestAvailableEncryption(SECRET)), "not a key of ES256"),
    ("a key of another kind", copied("log-ed25519-1.key.pem", KEY), "not a key of ES256"),
    ("a certificate of another key", copied("pdf-seal-1.cert.pem", CERTIFICATE), "not of the key beside it"),
    ("an empty certificate", text(CERTIFICATE, b""), "not a chain"),
    ("a certificate that is a key", copied(KEY, CERTIFICATE), "not a chain"),
]


@pytest.mark.parametrize(("break_it", "why"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_a_wrong_file_is_refused(own_keys: KeyFolder, break_it: Callable[[Path], None], why: str) -> None:
    establish(own_keys, issuer(), AT)
    assert own_keys.signer("record-seal").number == 1
    break_it(own_keys.folder)
    with pytest.raises(KeysRefused, match=why):
        own_keys.signer("record-seal")


@pytest.mark.parametrize("bits", [0o750, 0o701, 0o722])
def test_a_folder_open_to_others_is_refused(own_keys: KeyFolder, bits: int) -> None:
    own_keys.folder.chmod(bits)
    with pytest.raises(KeysRefused, match="0700"):
        KeyFolder(own_keys.folder, SECRET)
    with pytest.raises(KeysRefused, match="0700"):
        passphrase(own_keys.folder, "")


def test_a_chain_is_shown_without_its_root(own_keys: KeyFolder) -> None:
    establish(own_keys, issuer(), AT)
    (leaf,), (root,) = own_keys.certificates("record-seal", 1), own_keys.certificates("root", 1)
    path = own_keys.folder / CERTIFICATE
    path.write_bytes(leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    path.chmod(0o644)  # certificates are public
    assert own_keys.signer("record-seal").certificates == (leaf.public_bytes(Encoding.DER),)
    path.write_bytes(root.public_bytes(Encoding.PEM) + leaf.public_bytes(Encoding.PEM))
    with pytest.raises(KeysRefused, match="signer first"):
        own_keys.signer("record-seal")


def test_an_operators_key_and_certificate_take_over(own_keys: KeyFolder, tmp_path: Path) -> None:
    """As the module's docstring says, with openssl: certificate first, then the key, one number higher."""
    establish(own_keys, issuer(), AT)
    secret, folder = SECRET.decode(), own_keys.folder
    made = (tmp_path / name for name in ("ca.key", "ca.pem", "own.csr"))
    ca_key, ca, request = (str(path) for path in made)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("req", "-x509", *curve, "-noenc", "-keyout", ca_key, "-out", ca, "-subj", "/CN=Authority", "-days", "9")
    key = str(tmp_path / "own.key")
    openssl("req", *curve, "-passout", f"pass:{secret}", "-keyout", key, "-out", request, "-subj", "/CN=Operator")
    certificate = str(folder / "record-seal-2.cert.pem")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-out", certificate, "-days", "9")
    Path(key).chmod(0o600)
    Path(key).rename(folder / "record-seal-2.key.pem")
    establish(own_keys, issuer(), AT)
    signer = own_keys.signer("record-seal")
    assert (signer.number, len(signer.certificates)) == (2, 1)
    assert x509.load_der_x509_certificate(signer.certificates[0]).subject.rfc4514_string() == "CN=Operator"


def test_a_self_signed_certificate_seals_nothing(own_keys: KeyFolder) -> None:
    own_keys.make("record-seal", 1)
    key, certificate = (str(own_keys.folder / name) for name in (KEY, CERTIFICATE))
    openssl("req", "-x509", "-key", key, "-passin", f"pass:{SECRET.decode()}", "-out", certificate, "-subj", "/CN=Own")
    with pytest.raises(KeysRefused, match="self-signed"):
        own_keys.signer("record-seal")


def test_a_key_is_durable_before_it_is_used(own_keys: KeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The octets are synced before they get their name, the name before the key is read and used."""
    steps: list[str] = []
    sync, link, read = os.fsync, Path.hardlink_to, KeyFolder.key

    def on_sync(fd: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{fd}").resolve() == own_keys.folder.resolve() else "file")
        sync(fd)

    monkeypatch.setattr(os, "fsync", on_sync)
    monkeypatch.setattr(Path, "hardlink_to", lambda path, target: (steps.append("name"), link(path, target)))
    monkeypatch.setattr(KeyFolder, "key", lambda *given: (steps.append("use"), read(*given))[1])
    own_keys.make("tsa", 1)
    assert steps == ["file", "name", "folder", "use"]
    own_keys.make("tsa", 1)  # another process's name may not be durable yet either
    assert steps[4:] == ["file", "name", "folder", "use"]


@pytest.mark.parametrize("step", ["write", "fsync", "hardlink_to"])
def test_a_fault_leaves_no_half_key(own_keys: KeyFolder, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr("os.fdopen", lambda fd, _mode: (os.close(fd), fail()))
        else:
            patch.setattr(os if step == "fsync" else Path, step, fail)
        with pytest.raises(OSError, match="No space"):
            own_keys.make("record-seal", 1)
    assert list(own_keys.folder.iterdir()) == []
    establish(own_keys, issuer(), AT)
    assert own_keys.signer("record-seal").number == 1


def test_algorithms_are_of_the_suite() -> None:
    assert set(ALGORITHMS.values()) == {"ES256", "Ed25519", "ML-DSA-44"}


class TestPassphrase:
    def test_is_made_at_first_start_and_kept(self, tmp_path: Path) -> None:
        folder = tmp_path / "new" / "keys"
        made = passphrase(folder, "")
        assert (len(made), passphrase(folder, "")) == (43, made)
        assert (folder / "passphrase").stat().st_mode & 0o777 == 0o600
        assert passphrase(tmp_path / "other", "") != made

    def test_given_is_used_and_not_written_down(self, tmp_path: Path) -> None:
        folder = tmp_path / "keys"
        assert passphrase(folder, "Alice's twenty characters é") == "Alice's twenty characters é".encode()
        assert list(folder.iterdir()) == []

    def test_given_is_not_short(self, tmp_path: Path) -> None:
        with pytest.raises(KeysRefused, match="at least 20"):
            passphrase(tmp_path / "keys", "a" * 19)

    def test_once_given_is_asked_for_again(self, own_keys: KeyFolder) -> None:
        own_keys.make("tsa", 1)
        with pytest.raises(KeysRefused, match="give it again"):
            passphrase(own_keys.folder, "")
        assert not (own_keys.folder / "passphrase").exists()

    @pytest.mark.parametrize(("octets", "bits"), [(b"", 0o600), (b"short\n", 0o600), (b"x" * 43 + b"\n", 0o640)])
    def test_in_a_wrong_file_is_refused(self, own_keys: KeyFolder, octets: bytes, bits: int) -> None:
        path = own_keys.folder / "passphrase"
        path.write_bytes(octets)
        path.chmod(bits)
        with pytest.raises(KeysRefused, match="passphrase"):
            passphrase(own_keys.folder, "")

    def test_by_hand_may_end_without_a_newline(self, own_keys: KeyFolder) -> None:
        path = own_keys.folder / "passphrase"
        path.touch(0o600)
        path.write_text("written by the operator")
        assert passphrase(own_keys.folder, "") == b"written by the operator"


def test_the_umask_opens_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from sealpost.seal.key_files import KeyFolder, passphrase\n"
        "os.umask(0); folder = Path(sys.argv[1]) / 'keys'; KeyFolder(folder, passphrase(folder, '')).make('tsa', 1)"
    )
    source = str(Path(__file__).parents[2] / "src")
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, env={"PYTHONPATH": source}, check=True)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
