"""The certificate that STARTTLS shows to servers that bring mail: read at the start, and again when its files change."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from sealpost.domain.canonical import sha256
from sealpost.settings import Settings, SettingsError

log = structlog.get_logger()


class InboundCertificate:
    """The files of the two settings, as they were last looked at.

    Args:
        settings: names them.

    Raises:
        SettingsError: the certificate or its key cannot be used; the sentence names the variable and the file.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: list[bytes | None] = self._octets()
        self.context = loaded(settings)

    def renewed(self) -> ssl.SSLContext | None:
        """What new connections shall show from now on, if the files are others than at the last look and can be used.

        Reads files: not for the event loop. Files that cannot be used are told once for each change, and what was shown
        before stays. Whoever renews writes two files, one after the other: a pair that does not fit (yet) is no pair.
        """
        octets = self._octets()
        if octets == self._seen:
            return None
        try:
            context = loaded(self._settings)
        except SettingsError as error:
            self._seen = octets
            log.warning("the renewed certificate for mail that comes in cannot be used", why=str(error))
            return None
        if octets != self._octets():  # changed while it was read: the next look sees which of them it is
            return None
        self._seen, self.context = octets, context
        log.info("a renewed certificate for mail that comes in is shown")
        return context

    def _octets(self) -> list[bytes | None]:
        """Fingerprints of what stands in the files; None where one cannot be read."""
        return [_fingerprint(name) for name in (self._settings.inbound_certificate, self._settings.inbound_key)]


def loaded(settings: Settings) -> ssl.SSLContext:
    """A new context with certificate and key from their files.

    Raises:
        SettingsError: one of them, or the two together, cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A passphrase in any case: for a key that has one, OpenSSL would ask at the terminal.
        context.load_cert_chain(settings.inbound_certificate, settings.inbound_key, password="")
    except OSError as error:  # SSLError as well; neither says which of the two files it is about
        raise _unusable(settings, error) from error
    return context


def _fingerprint(name: str) -> bytes | None:
    try:
        return sha256(Path(name).read_bytes())
    except OSError:
        return None


def _unusable(settings: Settings, error: OSError) -> SettingsError:
    certificate, key = settings.inbound_certificate, settings.inbound_key
    if why := _fault(certificate, load_pem_x509_certificates, "certificate"):
        return SettingsError(f"SEALPOST_INBOUND_CERTIFICATE: {certificate} {why}")
    if why := _fault(key, lambda octets: load_pem_private_key(octets, None), "key"):
        return SettingsError(f"SEALPOST_INBOUND_KEY: {key} {why}")
    why = (isinstance(error, ssl.SSLError) and error.reason) or error.strerror or str(error)
    return SettingsError(
        f"SEALPOST_INBOUND_CERTIFICATE and SEALPOST_INBOUND_KEY: {certificate} and {key} cannot be used together ({why})"
    )


def _fault(file: str, load: Callable[[bytes], object], what: str) -> str:
    """What is wrong with a file by itself, or nothing."""
    try:
        load(Path(file).read_bytes())
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except TypeError:
        return "has a passphrase, which a service cannot be asked for"
    except (ValueError, UnsupportedAlgorithm):
        return f"has no PEM {what} that can be used"
    return ""
