"""What a page act leaves in a record (evidence format, section 1, ``web``): enough to judge it, no more than needed."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from sealpost.domain.canonical import digest
from sealpost.usecases.service import Service

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class WebAct:
    """A form that was sent.

    Args:
        address: the client's IP address.
        user_agent: as the browser said.
        page_sha256: over the visible text of the page that the act was made on.
        signs: signs of automation, named.
    """

    address: str
    user_agent: str
    page_sha256: bytes | None
    signs: tuple[str, ...]


def web(service: Service, act: WebAct, name: str, link_sha256: bytes) -> dict[str, Any]:
    """The record's ``web`` extension: the address truncated to its network, plus a keyed MAC of the whole."""
    members: dict[str, Any] = {
        "act": name,
        "link": digest(link_sha256),
        "address": _network(act.address),
        "addressMac": hmac.digest(service.mac_key, act.address.encode(), "sha256").hex(),
        "userAgent": CONTROLS.sub("", act.user_agent)[:300],
        "automation": list(act.signs),
    }
    if act.page_sha256:
        members["page"] = digest(act.page_sha256)
    return {"web": members}


def _network(address: str) -> str:
    try:
        prefix = 24 if ip_address(address).version == 4 else 48
    except ValueError:
        return "unknown"
    return str(ip_network(f"{address}/{prefix}", strict=False))
