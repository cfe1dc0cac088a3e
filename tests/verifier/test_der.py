"""One reader of DER, with rules for our own seals and for the time tokens of others; the page's has the same two."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealpost.verifier.der import SEAL, STAMP, NotDer, Rules, length_of, require_der
from tests.verifier.page.node import run_module

BOTH, NEITHER, SEALS, TOKENS = (SEAL, STAMP), (), (SEAL,), (STAMP,)
TABLE: dict[str, tuple[bytes, tuple[Rules, ...]]] = {
    "nothing": (b"", NEITHER),
    "a tag alone": (b"\x30", NEITHER),
    "an empty sequence": (b"\x30\x00", BOTH),
    "octets behind": (b"\x30\x00\x00", NEITHER),
    "a tag of zero": (b"\x30\x02\x00\x00", TOKENS),
    "a long tag": (b"\x1f\x81\x01\x00", NEITHER),
    "no length": (b"\x30\x80\x00\x00", NEITHER),
    "a long form of a short length": (b"\x04\x81\x01a", NEITHER),
    "a length of eight octets": (b"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff", NEITHER),
    "a length beyond the end": (b"\x04\x05a", NEITHER),
    "a string in pieces": (b"\x24\x03\x04\x01a", NEITHER),
    "a sequence that is not constructed": (b"\x10\x00", NEITHER),
    "a set in order": (b"\x31\x06\x02\x01\x01\x02\x01\x02", BOTH),
    "a set out of order": (b"\x31\x06\x02\x01\x02\x02\x01\x01", TOKENS),
    "a padded number": (b"\x02\x02\x00\x01", NEITHER),
    "a number without octets": (b"\x02\x00", NEITHER),
    "true in another way": (b"\x01\x01\x01", NEITHER),
    "null with an octet": (b"\x05\x01\x00", NEITHER),
    "bits that are not zero": (b"\x03\x02\x01\x01", TOKENS),
    "bits without octets": (b"\x03\x00", TOKENS),
    "a fraction of a second": (b"\x18\x1120260304090000.5Z", BOTH),
    "a fraction with zeros": (b"\x18\x1220260304090000.50Z", SEALS),
    "a time without seconds": (b"\x18\x0d202603040900Z", NEITHER),
    "a time elsewhere": (b"\x18\x1320260304090000+0100", NEITHER),
    "nested as deep as may be": (b"".join(b"\x30%c" % (2 * left) for left in range(31, -1, -1)), BOTH),
    "nested too deep": (b"".join(b"\x30%c" % (2 * left) for left in range(32, -1, -1)), NEITHER),
    "longer than it may be": (b"\x04\x83\x04\x00\x00" + bytes(1 << 18), NEITHER),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_der(name: str) -> None:
    octets, right = TABLE[name]
    taken = tuple(rules for rules in (SEAL, STAMP) if _is_taken(octets, rules))
    assert taken == right
    if SEAL in right:
        assert length_of(octets + b"\x00\x00", SEAL) == len(octets)


def _is_taken(octets: bytes, rules: Rules) -> bool:
    try:
        require_der(octets, rules)
    except NotDer as error:
        assert str(error)
        return False
    return True


def test_the_page_takes_the_same(tmp_path: Path) -> None:
    for name, (octets, _) in TABLE.items():
        (tmp_path / name).write_bytes(octets)
    said = {one["name"]: (one["seal"], one["stamp"]) for one in run_module("read_der.mjs", tmp_path)}
    assert said == {name: (SEAL in right, STAMP in right) for name, (_, right) in TABLE.items()}
