"""Command and page say the same of the same files: check, member, verdict and reason of every claim, and every sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser

from sealpost.verifier.earlier import Receipt
from sealpost.verifier.report import Unusable
from sealpost.verifier.tables import LANGUAGES
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.verifier import tampering
from tests.verifier.lives import LIFE, Plan, World, bundled, certified, entries, plan, whole_bundle
from tests.verifier.page.conftest import CHROMIUM, Verifier, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser"),
]
UNABLE = {"log.unable", "witness.unable"}
STEP, LEAST = 5, 120  # of the ways to make a bundle wrong, every fifth
# A browser of before ML-DSA: what it says of an algorithm that it does not know.
WITHOUT = """if (window.SubtleCrypto) {
  const known = SubtleCrypto.prototype.importKey;
  SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
    const name = algorithm.name ?? algorithm;
    if (name === "ML-DSA-44") return Promise.reject(new DOMException("unrecognized name", "NotSupportedError"));
    return known.call(this, format, key, algorithm, ...rest);
  };
}"""

Files = Mapping[str, bytes]
Named = list[tuple[str, bytes]]


def told(octets: bytes, trust: Files | None, receipts: Sequence[Receipt] = (), language: str = "en") -> dict[str, Any]:
    """What the command says."""
    try:
        return verify(octets, None if trust is None else trust_of(trust), receipts, language).as_json()
    except Unusable as error:
        return {"exit": 3, "claims": [], "remarks": [], "timeLine": [], "reason": str(error)}


def claims(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(one["check"], one["about"], one["verdict"], one["why"]) for one in report["claims"]]


def differences(command: dict[str, Any], page: dict[str, Any], *, able: bool) -> list[Any]:
    """Where the two differ; only what the browser cannot compute may, and only by saying so."""
    ours, theirs = claims(command), claims(page)
    if len(ours) != len(theirs):
        return [sorted(set(ours) ^ set(theirs))]
    unlike = [(one, other) for one, other in zip(ours, theirs, strict=True) if one != other]
    left = [both for both in unlike if able or both[1][3] not in UNABLE or both[0][0] != both[1][0]]
    exits = command["exit"] == page["exit"] or (len(left) < len(unlike) and page["exit"] == 2)
    left += [] if exits else [(command["exit"], page["exit"])]
    if not unlike and [one["why"] for one in command["remarks"]] != [one["why"] for one in page["remarks"]]:
        left.append((command["remarks"], page["remarks"]))
    return left + ([] if command["timeLine"] == page["timeLine"] else [(command["timeLine"], page["timeLine"])])


async def agreed(verifier: Verifier, octets: bytes, trust: Files | None, receipts: Sequence[Receipt] = ()) -> set[str]:
    """The reasons, which are the same in both."""
    command, page = told(octets, trust, receipts), await verifier.verify(octets, trust, receipts)
    assert differences(command, page, able=verifier.able) == []
    return {one["why"] for one in command["claims"]}


@pytest.fixture(scope="session")
def files(world: World) -> Files:
    return world.trust_files()


@pytest.fixture(scope="session")
def rightful(world: World, right: Plan) -> Named:
    """Bundles in which nothing is wrong."""
    made = [("whole", bundled(world, right)), ("the recipient's", bundled(world, replace(right, contents=())))]
    made.append(("pending", whole_bundle(world, pending=2)))
    made.append(("without witness", whole_bundle(world, witnessed=False)))
    made.append(("submitted only", whole_bundle(world, ("submitted",))))
    made += [(end, whole_bundle(world, (*LIFE[:3], end))) for end in ("refused", "expired", "withdrawn")]
    made.append(("erased", whole_bundle(world, (*LIFE, "content_erased"))))
    made.append(("not stamped", bundled(world, plan(world, entries(world, stamped=False)))))
    made.append(("packed", tampering.zipped(tampering.members_of(made[0][1]), packing=8)))
    return made


@pytest.fixture(scope="session")
def wrong(world: World, right: Plan, good: bytes) -> Named:
    """Every fifth way to make a bundle wrong."""
    table = enumerate(tampering.cases(world, right, good))
    return [(name, make()) for number, (name, make) in table if number % STEP == 0]


async def test_what_is_right(verifier: Verifier, rightful: Named, files: Files) -> None:
    for name, octets in rightful:
        whys = {trust is None: await agreed(verifier, octets, trust) for trust in (files, None)}
        assert "seal.ok" in whys[False], name
        assert "seal.signer" in whys[True], name
    assert told(rightful[0][1], files)["exit"] == 0
    assert told(rightful[0][1], None)["exit"] == 2


@pytest.mark.slow
async def test_what_is_wrong(verifier: Verifier, wrong: Named, files: Files) -> None:
    unlike, reasons = dict[str, Any](), Counter[str]()
    for number, (name, octets) in enumerate(wrong):
        for trust in (files, None)[: 1 if number % 3 else 2]:
            command, page = told(octets, trust), await verifier.verify(octets, trust)
            reasons.update(one["why"] for one in command["claims"] if one["verdict"] == "FAIL")
            if found := differences(command, page, able=verifier.able):
                unlike[f"{name} ({'with' if trust else 'without'} trust)"] = found
    print(f"{len(wrong)} bundles made wrong in the browser, {len(reasons)} different reasons")
    assert unlike == {}
    assert len(wrong) >= LEAST
    assert len(reasons) >= 40


async def test_every_sentence(verifier: Verifier, rightful: Named, wrong: Named, files: Files) -> None:
    """The words of both, but for the reasons that libraries give in words of their own."""
    for number, (name, octets) in enumerate([*rightful, *wrong[::12]]):
        language = LANGUAGES[number % 4]
        command, page = told(octets, files, (), language), await verifier.verify(octets, files, (), language)
        for one, other in zip(command["claims"], page["claims"], strict=True):
            if "reason" not in one["values"] and other["why"] not in UNABLE:
                assert one["words"] == other["words"], name
        assert [one["words"] for one in command["remarks"]] == [one["words"] for one in page["remarks"]], name
        for member in ("reference", "sender", "recipient"):
            assert command.get(member) == page.get(member), name


@pytest.fixture(scope="session")
def receipts(world: World, right: Plan, good: bytes) -> list[tuple[str, bytes]]:
    first = replace(right, records=right.records[:3], checkpoints=right.checkpoints[:1])
    before = bundled(world, replace(first, certificate=certified(world, first.records)))

    def change(_seq: int, value: dict[str, Any]) -> None:
        value["EvidenceIssuerPolicyID"] = {"PolicyID": ["https://sealpost.example/evidence/policy/2"]}

    anew = bundled(world, plan(world, entries(world, change=change)))
    return [
        ("before.asice", before),
        ("good.asice", good),
        ("anew.asice", anew),
        ("one.tlog-proof", dict(tampering.members_of(good))["proofs/005.tlog-proof"]),
        ("anew.tlog-proof", dict(tampering.members_of(anew))["proofs/005.tlog-proof"]),
        ("other.asice", bundled(world, plan(world, entries(world, token="K.Another")))),
        ("rubbish", b"rubbish"),
        ("rubbish.tlog-proof", b"c2sp.org/tlog-proof@v1\nrubbish"),
    ]


async def test_what_was_received_before(verifier: Verifier, receipts: Named, files: Files) -> None:
    given, seen = [Receipt(*one) for one in receipts], set[str]()
    for octets in dict(receipts[:3]).values():
        for trust in (files, None):
            seen |= await agreed(verifier, octets, trust, given)
    expected = {"ok", "changed", "gone", "other", "malformed", *(["trust"] if verifier.able else [])}
    assert {f"earlier.{one}" for one in expected} <= seen


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("stranger") / "keys")


@pytest.fixture(scope="session")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, bytes]:
    """Whose witness has a name like the log's."""
    found = World(tmp_path_factory.mktemp("neighbour") / "keys", witness_name="witness.sealpost.example/w")
    return found, whole_bundle(found)


async def test_trust_of_many_kinds(
    verifier: Verifier, good: bytes, files: Files, world: World, stranger: World
) -> None:
    others, policy = stranger.trust_files(), files["policy"]
    table: list[tuple[dict[str, bytes], str]] = [
        ({"roots.pem": others["roots.pem"]}, "seal.chain"),
        ({"tsa-roots.pem": others["roots.pem"]}, "time.authority"),
        ({"tsa-roots.pem": b""}, "time.authority"),
        ({"roots.pem": others["roots.pem"] + files["roots.pem"]}, "seal.ok"),
        ({"policy": others["policy"]}, "log.signature"),
        ({"policy": policy.replace(b"log.sealpost.example/log/2026+", b"log.sealpost.example/log/2027+")}, ""),
        ({"policy": world.policy(quorum="none").encode()}, "witness.quorum"),
        ({"policy": b"".join(policy.splitlines(keepends=True)[:2]) + b"quorum none\n"}, "witness.quorum"),
        ({"policy": policy.replace(b" any bob", b" all bob")}, "witness.ok"),
        ({"policy": policy + b"quorum none\n"}, ""),
        ({"policy": b"quorum none\n"}, "log.unknown"),
        ({"policy": b""}, ""),
        ({"roots.pem": b"no certificate"}, ""),
        ({"revoked/root-1.crl": b"no list"}, ""),
        ({"revoked/root-1.crl": others["revoked/root-1.crl"]}, "seal.ok"),
    ]
    for changes, why in table:
        trust = {**files, **changes}
        try:
            trust_of(trust)
        except Unusable:
            assert (await verifier.verify(good, trust))["exit"] == 3, changes
            assert why == "", changes
            continue
        whys = await agreed(verifier, good, trust)
        if verifier.able:
            assert why in whys, (changes.keys(), why)


async def test_a_witness_next_door(verifier: Verifier, neighbour: tuple[World, bytes]) -> None:
    world, octets = neighbour
    whys = await agreed(verifier, octets, world.trust_files())
    assert whys & {"witness.dependent", "witness.unable"}


async def test_no_bundle_at_all(verifier: Verifier, files: Files) -> None:
    for octets in (b"", b"PK", b"%PDF-1.7", bytes(1000)):
        page = await verifier.verify(octets, files)
        assert (page["exit"], page["reason"]) == (3, told(octets, files)["reason"])


async def test_a_browser_without_ml_dsa(chromium: Browser, good: bytes, wrong: Named, files: Files) -> None:
    """It says what it cannot check, and all else as before."""
    async with opened(chromium, WITHOUT) as page:
        old = Verifier(page, able=False)
        report = await old.verify(good, files)
        assert report["exit"] == 2
        assert {one["why"] for one in report["claims"] if one["verdict"] != "PASS"} <= UNABLE
        assert "log.unable" in {one["why"] for one in report["claims"]}
        for name, octets in wrong[::10]:
            assert differences(told(octets, files), await old.verify(octets, files), able=False) == [], name


def test_the_comparison_can_fail(good: bytes, files: Files) -> None:
    command, page = told(good, files), told(good, None)
    assert differences(command, page, able=True)
    assert differences(command, {**command, "claims": command["claims"][:-1]}, able=True)
    assert differences(command, {**command, "exit": 2}, able=True)
    assert differences(command, {**command, "timeLine": []}, able=True)
    assert not differences(command, command, able=True)
