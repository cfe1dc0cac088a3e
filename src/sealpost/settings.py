"""Settings: one frozen object, each field with type, default and a line of help. Read by cli and bootstrap alone.

Every field can be set by an environment variable: ``SEALPOST_`` and its name in capitals; the database also by
``DATABASE_URL``.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

SYSTEM_FOLDER = Path("/var/lib/sealpost")
# It stands in every record, as the beginning of URIs that verifiers read strictly.
_BASE_URL = re.compile(r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,39}\])(?::[0-9]{1,5})?")
# It stands in headers of every mail: no controls, no separators of lines, nothing that turns the direction of reading.
_SERVICE_NAME = re.compile("[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{1,100}")
# Words by which services with a legal status are known, in the languages of the service: French law fines others that
# use "lettre recommandée électronique" or a confusing name (contract 8.1). Refused in the noun; `doctor` tells of all.
_STATUS = re.compile(
    r"\b(?:qualifi|gekwalific|certifi|gecertific|zertifi|recommand|einschreib|lrar\b|lre\b|eidas|\w*zustell|rechtsg"
    r"|rechtsv|juridi)"
)
_DOUBTFUL = re.compile(r"\b(?:registered|aangetekend|eingeschrieben|enregistr|legal)")
LONGEST_NOUN = 60
_OUR_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f.:IPv]{1,60}\]")
_DOMAIN = re.compile(r"(?=.{4,200}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


class SettingsError(ValueError):
    """A setting that cannot be; the sentence names its variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this installation runs."""

    data: Path = _setting(  # noqa: RUF009 - a field specifier; the default is immutable
        SYSTEM_FOLDER, "folder for content, keys and, without DATABASE_URL, the database"
    )
    database_url: str = _setting("", "PostgreSQL 15 or newer; empty: an embedded server in the data folder")
    base_url: str = _setting("http://127.0.0.1:8025", "public address, without a slash at the end")
    bind: str = _setting("127.0.0.1", "address to listen on; behind a proxy that ends TLS")
    port: int = _setting(8025, "port to listen on")
    proxies: str = _setting("", "addresses of trusted proxies whose X-Forwarded-For is believed, comma-separated")
    pool: int = _setting(20, "database connections of each process at most")
    smtp_host: str = _setting(
        "", "relay that all mail is handed to; empty: it goes directly to the recipients' own servers"
    )
    smtp_port: int = _setting(25, "its port, or that of the recipients' servers")
    smtp_tls: str = _setting("opportunistic", "with a relay: none, opportunistic or required")
    smtp_user: str = _setting("", "name for AUTH; empty: none")
    smtp_password: str = _setting("", "password for AUTH")
    smtp_private: str = _setting("no", "yes: mail may also go directly to addresses that are not public")
    dns: str = _setting(
        "",
        "addresses of DNS resolvers, comma-separated; empty: the system's. DANE needs a validating one on this machine",
    )
    dns_port: int = _setting(53, "their port")
    our_name: str = _setting("localhost", "name that EHLO gives")
    mail_domain: str = _setting("localhost", "domain of our own addresses, Message-IDs and return paths")
    inbound_bind: str = _setting("127.0.0.1", "address on which bounces, replies and the gateway's mail are taken in")
    inbound_port: int = _setting(8026, "its port; 0: no mail is taken in")
    inbound_certificate: str = _setting(
        "", "PEM file with the chain that STARTTLS shows; empty: no TLS, and no gateway"
    )
    inbound_key: str = _setting("", "PEM file with its key")
    gateway: str = _setting("", "domain of gateway addresses, bob@example.com.CUSTOMER.DOMAIN; empty: no gateway")
    service_name: str = _setting("Sealpost", "name on pages and mails")
    noun_nl: str = _setting("", "what a message is called on Dutch pages and mails; empty: E-mail met vastlegging")
    noun_en: str = _setting("", "the same in English; empty: Recorded e-mail")
    noun_de: str = _setting("", "the same in German; empty: Dokumentierte E-Mail")
    noun_fr: str = _setting("", "the same in French; empty: E-mail documenté")
    legal_name: str = _setting("", "legal name of the operator, as evidence states it")
    legal_id: str = _setting("", "its identifier, as NTRNL-12345678")
    environment: str = _setting("live", "live or test; stands in every record")
    commit: str = _setting("unknown", "commit of the running software, as evidence states it")
    keys_passphrase: str = _setting(
        "", "passphrase of the evidence keys, 20 characters or more; empty: a file beside them has it"
    )
    tsa_url: str = _setting(
        "", "RFC 3161 time stamp authority; own: the built-in one, environment test only; empty: no time is proven"
    )
    tsa_roots: str = _setting("", "PEM file with the roots of the authority's certificates")
    second_source: str = _setting("none", "what the system's clock is held against: none, tsa, or ntp:HOST")
    evidence_grace: int = _setting(
        3600, "seconds that the log or the authority may be out of order before submissions get 503"
    )
    policy: str = _setting("", "C2SP tlog-policy file that names the log's witnesses")
    backup_days: int = _setting(30, "days that backups are kept: so long after it an erasure is complete")
    max_request: int = _setting(36_000_000, "octets of a send request at most")
    max_decoded: int = _setting(25_000_000, "decoded octets of a message at most")
    odd_dots: str = _setting(
        "no", "yes: recipients' addresses may have dots at the start, at the end or in a row before the @"
    )
    quota: int = _setting(60_000, "API calls of a client in each interval at most; a client may have its own number")
    quota_unit: str = _setting("hour", "the interval: minute, hour or day, of UTC")

    @property
    def nouns(self) -> dict[str, str]:
        """What a message is called, per language, where the operator said so."""
        nouns = {"nl": self.noun_nl, "en": self.noun_en, "de": self.noun_de, "fr": self.noun_fr}
        return {language: noun for language, noun in nouns.items() if noun}

    @property
    def doubtful_names(self) -> list[str]:
        """Variables whose value may be taken for a legal status in some country; allowed, but `doctor` says so."""
        names = ("service_name", "noun_nl", "noun_en", "noun_de", "noun_fr")
        return [f"SEALPOST_{name.upper()}" for name in names if any(promises(getattr(self, name)))]

    @property
    def content(self) -> Path:
        return self.data / "content"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def evidence_keys(self) -> Path:
        return self.keys / "evidence"

    @property
    def adoptions(self) -> Path:
        return self.keys / "adopted-records"

    @property
    def logs(self) -> Path:
        return self.data / "log"

    @property
    def spool(self) -> Path:
        return self.data / "spool"


def read_settings(variables: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """The settings of this process.

    Args:
        variables: environment variables; empty ones count as unset.
        given: values from the command line, which win.

    Raises:
        SettingsError: a number that is none, an unknown choice.
    """
    values: dict[str, Any] = {}
    for one in fields(Settings):
        text = variables.get(f"SEALPOST_{one.name.upper()}", "")
        if one.name == "database_url":
            text = text or variables.get("DATABASE_URL", "")
        if text:
            values[one.name] = _value(one.name, text, one.default)
    settings = Settings(**{**values, **given})
    _check_evidence(settings)
    _check_mail(settings)
    if settings.environment not in {"live", "test"}:
        raise SettingsError("SEALPOST_ENVIRONMENT must be live or test")
    if settings.quota_unit not in {"minute", "hour", "day"}:
        raise SettingsError("SEALPOST_QUOTA_UNIT must be minute, hour or day")
    if not 1 <= settings.quota <= 1_000_000_000:
        raise SettingsError("SEALPOST_QUOTA must be between 1 and 1000000000")
    if not _BASE_URL.fullmatch(settings.base_url):
        raise SettingsError(
            "SEALPOST_BASE_URL must be http(s)://HOST or http(s)://HOST:PORT in ASCII (a host name beyond it as xn--…), "
            "without a slash at the end"
        )
    return settings


def _check_mail(settings: Settings) -> None:
    if settings.smtp_tls not in {"none", "opportunistic", "required"}:
        raise SettingsError("SEALPOST_SMTP_TLS must be none, opportunistic or required")
    if settings.smtp_private not in {"no", "yes"}:
        raise SettingsError("SEALPOST_SMTP_PRIVATE must be no or yes")
    if settings.odd_dots not in {"no", "yes"}:
        raise SettingsError("SEALPOST_ODD_DOTS must be no or yes")
    for resolver in filter(None, settings.dns.split(",")):
        if not _is_address(resolver.strip()):
            raise SettingsError("SEALPOST_DNS must be addresses of resolvers, with a comma between them")
    _check_names(settings)
    _check_nouns(settings)
    if bool(settings.inbound_certificate) != bool(settings.inbound_key):
        raise SettingsError("SEALPOST_INBOUND_CERTIFICATE and SEALPOST_INBOUND_KEY belong together")
    if settings.gateway and not settings.inbound_certificate:
        raise SettingsError("SEALPOST_GATEWAY needs SEALPOST_INBOUND_CERTIFICATE: its senders give credentials")


def _check_names(settings: Settings) -> None:
    for name in ("port", "smtp_port", "dns_port", "inbound_port"):
        least = 0 if name == "inbound_port" else 1
        if not least <= getattr(settings, name) <= 65_535:
            raise SettingsError(f"SEALPOST_{name.upper()} must be a port, {least} to 65535")
    if not _OUR_NAME.fullmatch(settings.our_name):
        raise SettingsError("SEALPOST_OUR_NAME must be a host name, or an address in brackets")
    if not _SERVICE_NAME.fullmatch(settings.service_name) or "=?" in settings.service_name:
        raise SettingsError("SEALPOST_SERVICE_NAME must be one line of 1 to 100 characters")
    if not _OUR_NAME.fullmatch(settings.mail_domain):
        raise SettingsError("SEALPOST_MAIL_DOMAIN must be a domain, a name beyond ASCII as xn--…")
    if settings.gateway and not _DOMAIN.fullmatch(settings.gateway):
        raise SettingsError("SEALPOST_GATEWAY must be a domain in lower case, a name beyond ASCII as xn--…")
    if settings.gateway and settings.gateway == settings.mail_domain.lower():
        raise SettingsError(
            "SEALPOST_GATEWAY must be another domain than SEALPOST_MAIL_DOMAIN, to which bounces and replies come: "
            f"such as gateway.{settings.gateway}"
        )


def _check_nouns(settings: Settings) -> None:
    for language, noun in settings.nouns.items():
        variable = f"SEALPOST_NOUN_{language.upper()}"
        if not _SERVICE_NAME.fullmatch(noun) or len(noun) > LONGEST_NOUN or noun != noun.strip() or "=?" in noun:
            raise SettingsError(f"{variable} must be one line of 1 to {LONGEST_NOUN} characters")
        if promises(noun)[0]:
            raise SettingsError(f"{variable} must not promise the legal status of a qualified or a postal service")


def promises(name: str) -> tuple[bool, bool]:
    """Whether a name promises a legal status, and whether somebody may take it for that; accents and case are alike."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(letter for letter in letters if unicodedata.category(letter) not in {"Mn", "Cf"})
    return _STATUS.search(plain) is not None, _DOUBTFUL.search(plain) is not None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _check_evidence(settings: Settings) -> None:
    if settings.tsa_url == "own" and settings.environment != "test":
        raise SettingsError("SEALPOST_TSA_URL may be own only where SEALPOST_ENVIRONMENT is test")
    if settings.tsa_url not in {"", "own"} and not settings.tsa_url.startswith(("http://", "https://")):
        raise SettingsError("SEALPOST_TSA_URL must begin with http(s)://, or be own or empty")
    if settings.tsa_url not in {"", "own"} and not settings.tsa_roots:
        raise SettingsError("SEALPOST_TSA_ROOTS must name the roots of the authority at SEALPOST_TSA_URL")
    source, _, host = settings.second_source.partition(":")
    if settings.second_source not in {"none", "tsa"} and not (source == "ntp" and host):
        raise SettingsError("SEALPOST_SECOND_SOURCE must be none, tsa or ntp:HOST")
    if settings.second_source == "tsa" and not settings.tsa_url:
        raise SettingsError("SEALPOST_SECOND_SOURCE is tsa, but SEALPOST_TSA_URL is empty")


def _value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, int):
        if not text.isdigit():
            raise SettingsError(f"SEALPOST_{name.upper()} must be a number")
        return int(text)
    return text
