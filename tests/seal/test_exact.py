"""Values keep their octets, and a length that ends with 0x80 costs no time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asn1crypto import cms

from sealpost.seal.exact import ExactContentInfo, octets_of

CMS: Any = cms


def wrapped(size: int) -> bytes:
    """A ContentInfo whose own header ends with the lowest octet of its length."""
    return CMS.ContentInfo({"content_type": "data", "content": bytes(size)}).dump()


@pytest.mark.parametrize("ends", [0x80, 0x81])
def test_octets_are_kept(ends: int) -> None:
    octets = next(one for one in map(wrapped, range(300, 900)) if one[3] == ends)
    assert ExactContentInfo.load(octets).dump() == octets
    assert octets_of(CMS.ContentInfo.load(octets)) == octets


def test_a_token_whose_length_ends_with_80_is_put_in_quickly() -> None:
    octets = next(one for one in map(wrapped, range(300, 900)) if one[3] == 0x80)
    token = ExactContentInfo.load(octets)
    attribute = CMS.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})
    began = time.process_time()
    for _ in range(200):
        assert octets in CMS.CMSAttributes([attribute]).dump()
    assert time.process_time() - began < 1
