"""Command and page say the same of the same files: check, member, verdict and reason of every claim, and every sentence."""

from __future__ import annotations

import asyncio
import re
import zipfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser

from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from sealpost.store import logs
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import begin_log, extend_log
from sealpost.usecases.gather import for_recipient
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.stamp import stamp_pending
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.report import Unusable
from sealpost.verifier.tables import LANGUAGES, LIMITS, VERDICTS
from sealpost.verifier.verify import verify
from tests.path.test_evidence import octets as octets_of
from tests.path.test_evidence import proven, sender_bundle
from tests.verifier import tampering
from tests.verifier.lives import (
    LIFE,
    SPOKEN,
    Plan,
    World,
    _stamper,
    bundled,
    certified,
    closing,
    entries,
    plan,
    spoken,
    whole_bundle,
)
from tests.verifier.page.conftest import CHROMIUM, Verifier, opened
from tests.verifier.receipts import ACCUSING, handed_in
from tests.verifier.signers import chosen, forged
from tests.verifier.test_adoption import FORGED, adopted_bundle
from tests.verifier.test_earlier import LATER
from tests.verifier.test_past import FOUND
from tests.verifier.test_trust_folder import BUNDLED, pack
from tests.world import ACT
from tests.world import World as ServiceWorld

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser"),
]
UNFIT = "trust.malformed"
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
        return verify(octets, chosen(None if trust is None else dict(trust)), receipts, language).as_json()
    except Unusable as error:
        return {"exit": 3, "claims": [], "heads": [], "remarks": [], "timeLine": [], "reason": str(error)}


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
    if not unlike and command["heads"] != page["heads"]:
        left.append((command["heads"], page["heads"]))
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
    dropped = bundled(world, replace(first, certificate=certified(world, first.records), closed=LATER))
    return [
        ("before.asice", before),
        ("good.asice", good),
        ("anew.asice", anew),
        ("dropped.asice", dropped),
        ("one.tlog-proof", dict(tampering.members_of(good))["proofs/005.tlog-proof"]),
        ("anew.tlog-proof", dict(tampering.members_of(anew))["proofs/005.tlog-proof"]),
        ("other.asice", bundled(world, plan(world, entries(world, token="K.Another")))),
        ("rubbish", b"rubbish"),
        ("rubbish.tlog-proof", b"c2sp.org/tlog-proof@v1\nrubbish"),
    ]


async def test_what_was_received_before(verifier: Verifier, receipts: Named, files: Files) -> None:
    given, seen = [Receipt(*one) for one in receipts], set[str]()
    for octets in dict(receipts[:4]).values():
        for trust in (files, None):
            seen |= await agreed(verifier, octets, trust, given)
    expected = {"ok", "changed", "gone", "newer", "other", "malformed", *(["trust"] if verifier.able else [])}
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
        ({"policy": policy.replace(b"log.sealpost.example/log/2026+", b"log.sealpost.example/log/2027+")}, UNFIT),
        ({"policy": world.policy(quorum="none").encode()}, "witness.quorum"),
        ({"policy": b"".join(policy.splitlines(keepends=True)[:2]) + b"quorum none\n"}, "witness.quorum"),
        ({"policy": policy.replace(b" any bob", b" all bob")}, "witness.ok"),
        ({"policy": policy + b"quorum none\n"}, UNFIT),
        ({"policy": b"quorum none\n"}, "log.unknown"),
        ({"policy": b""}, UNFIT),
        ({"roots.pem": b"no certificate"}, UNFIT),
        ({"revoked/root-1.crl": b"no list"}, UNFIT),
        ({"certificates/pdf-seal-1.pem": b"no certificate"}, UNFIT),
        ({"revoked/root-1.crl": others["revoked/root-1.crl"]}, "seal.ok"),
    ]
    for changes, why in table:
        trust = {**files, **changes}
        whys = await agreed(verifier, good, trust)
        assert (UNFIT in whys) == (why == UNFIT), changes
        if verifier.able:
            assert why in whys, (changes.keys(), why)


async def test_who_sealed(verifier: Verifier, world: World) -> None:
    """Every seal of somebody else's: the same finding as the command's, and the same sentence."""
    for one in await asyncio.to_thread(lambda: list(forged(world))):
        command, page = told(one.octets, one.trust), await verifier.verify(one.octets, one.trust)
        assert differences(command, page, able=verifier.able) == [], one.name
        ours, theirs = (
            [words["words"] for words in report["claims"] if words["check"] == "signer"] for report in (command, page)
        )
        assert ours == theirs, one.name
        assert one.expected <= {claim["why"] for claim in page["claims"]}, one.name
        await agreed(verifier, one.octets, None)


async def test_what_an_opponent_hands_in(
    verifier: Verifier, world: World, right: Plan, good: bytes, files: Files, tmp_path: Path
) -> None:
    for one in await asyncio.to_thread(lambda: list(handed_in(world, right, good, tmp_path / "keys"))):
        whys = await agreed(verifier, one.octets, files, [one.receipt])
        assert one.expected in whys or not verifier.able, one.name
        assert not await agreed(verifier, one.octets, None, [one.receipt]) & ACCUSING, one.name


async def test_trust_folders_as_they_are_chosen(verifier: Verifier, good: bytes, files: Files) -> None:
    """A level too deep, zipped, or out of a bundle: by the paths that a browser tells."""
    right, around = dict(files), {f"trust/{name}": octets for name, octets in files.items()}
    marks = {"mimetype": b"", "records/001.json": b""}
    table: dict[str, tuple[Files, str]] = {
        "as it is": (right, ""),
        "a folder around it": (around, ""),
        "beside an unpacked bundle": ({**around, "evidence/mimetype": b""}, ""),
        "a zip": ({"trust.zip": pack(right)}, ""),
        "a zip, stored": ({"trust.zip": pack(right, zipfile.ZIP_STORED)}, ""),
        "a zip with a folder": ({"x": pack({"trust/": b"", **around, "__MACOSX/._trust": b"x"})}, ""),
        "an unpacked bundle": ({**around, **marks}, BUNDLED),
        "a folder around an unpacked bundle": (
            {f"evidence/{name}": one for name, one in {**around, **marks}.items()},
            BUNDLED,
        ),
        "in a bundle without its mark": ({**around, "META-INF/ASiCManifest001.xml": b""}, BUNDLED),
        "the bundle as a zip": ({"evidence.asice": good}, BUNDLED),
        "a zip of an unpacked bundle": ({"x.zip": pack({**around, **marks})}, BUNDLED),
        "two of them": ({f"{one}/{name}": octets for one in "ab" for name, octets in files.items()}, UNFIT),
        "nothing": ({"notes.txt": b""}, UNFIT),
        "a zip of nothing": ({"x.zip": pack({"notes.txt": b""})}, UNFIT),
        "a zip cut short": ({"x.zip": pack(right)[:-900]}, UNFIT),
        "a zip of something too large": ({"x.zip": pack({**right, "policy": bytes(LIMITS["trustOctets"] + 1)})}, UNFIT),
        "too many files": ({**right, **{f"revoked/{n}.crl": b"" for n in range(LIMITS["trustFiles"] + 1)}}, UNFIT),
    }
    for name, (given, why) in table.items():
        report = await verifier.verify(good, given)
        found = [one["why"] for one in report["claims"] if one["check"] == "trust"]
        assert found == ([why] if why else []), name
        assert report["exit"] == (2 if why or not verifier.able else 0), name
        assert "FAIL" not in report["checks"].values(), name


async def test_a_witness_next_door(verifier: Verifier, neighbour: tuple[World, bytes]) -> None:
    world, octets = neighbour
    whys = await agreed(verifier, octets, world.trust_files())
    assert whys & {"witness.dependent", "witness.unable"}


@pytest.mark.parametrize(
    ("origin", "witness", "independent"),
    [
        ("localhost:8025/log/2026", "127.0.0.1/witness", False),
        ("127.0.0.1:8025/log/2026", "[::1]:8026/witness", False),
        ("127.0.0.1:8025/log/2026", "[::ffff:127.0.0.2]/witness", False),
        ("10.0.0.1/log/2026", "10.0.0.2/witness", True),
        ("localhost/log/2026", "witness.example/w", True),
        ("log.alice.example./log/2026", "W.ALICE.example:443/w", False),
        ("[2001:db8::1]/log/2026", "[2001:DB8:0::0:1]/w", False),
        ("[::1]/log/2026", "[::1%]/w", True),
    ],
)
async def test_who_is_independent(
    verifier: Verifier, tmp_path: Path, origin: str, witness: str, *, independent: bool
) -> None:
    found = World(tmp_path / "keys", origin=origin, witness_name=witness)
    whys = await agreed(verifier, await asyncio.to_thread(whole_bundle, found), found.trust_files())
    assert whys & {"witness.ok" if independent else "witness.dependent", "witness.unable"}


async def test_what_an_upgrade_adopted(verifier: Verifier, world: World, files: Files) -> None:
    for forge in (None, *FORGED.values()):
        bundle = await asyncio.to_thread(adopted_bundle, world, forge)
        found = await agreed(verifier, bundle, files)
        assert (forge is None) != bool(found & {"chain.adopted", "chain.malformed", "structure.hash"}), found


async def test_bundles_of_past_states(verifier: Verifier) -> None:
    for path in FOUND:
        folder = path.parent / "trust"
        trust = {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        for given in (trust, None):
            assert not [why for why in await agreed(verifier, path.read_bytes(), given) if VERDICTS[why] == "FAIL"]


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


def _in(value: dict[str, Any]) -> dict[str, Any]:
    return value["Extensions"][0]["sealpost/1"]


ODD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an environment that is an object": lambda one: _in(one).update(environment={}),
    "an environment that is true": lambda one: _in(one).update(environment=True),
    "a suite that is an object": lambda one: _in(one).update(suite={"a": 1}),
    "a number that is an object": lambda one: _in(one).update(seq={"a": [1]}),
    "an event that is an object": lambda one: one.update(ERDSEventId={}),
    "an identifier that is an object": lambda one: one.update(EvidenceIdentifier={"a": 1}),
    "a clock that is a text": lambda one: _in(one).update(clock="none"),
    "a clock that is an empty list": lambda one: _in(one).update(clock=[]),
    "a shift that is an empty list": lambda one: _in(one)["clock"].update(demoShiftSeconds=[]),
    "smtp that is empty": lambda one: _in(one).update(smtp={}),
    "smtp that is a text": lambda one: _in(one).update(smtp="sent"),
    "the word of a relay": lambda one: _in(one)["smtp"].update(by="relay"),
    "the word of a list": lambda one: _in(one)["smtp"].update(by=["relay"]),
    "the word of a returned mail": lambda one: _in(one).update(bounce={}),
    "a size that is a list": lambda one: _in(one)["smtp"]["sent"].update(size=[1]),
    "a size that is a text": lambda one: _in(one)["smtp"]["sent"].update(size="[1]"),
    "no time of the event": lambda one: one.pop("EventTime"),
    "a time that is true": lambda one: one.update(EventTime=True),
    "a last line that is an empty list": lambda one: _in(one)["smtp"].update(final=[]),
    "a reason with a space that is no space": lambda one: one.update(
        EventReasons={"EventReason": [{"Code": "urn:a\u00a0b"}]}
    ),
    "an event with a space that is no space": lambda one: one.update(ERDSEventId="https://a\u00a0b/event#signed"),
    "a very long list": lambda one: one.update(TransactionLogInformation=[0] * 300_000),
    "a sender without a name": lambda one: one["SenderDetails"].update(Identity=None),
    "a sender without an address": lambda one: one["SenderDetails"]["Identifier"].pop("value"),
}


async def test_odd_values(verifier: Verifier, world: World, files: Files) -> None:
    """Right seals over records of which a member is of another kind: the same reasons, not only the same end."""
    unlike = dict[str, Any]()
    for name, change in ODD.items():
        octets = await asyncio.to_thread(tampering._changed, world, change)
        command, page = told(octets, files), await verifier.verify(octets, files)
        found = differences(command, page, able=verifier.able)
        found += [one for one in ("reference", "sender", "recipient") if command.get(one) != page.get(one)]
        if found:
            unlike[name] = found
    assert unlike == {}


async def test_whose_word_it_is(verifier: Verifier, world: World) -> None:
    octets = await asyncio.to_thread(spoken, world, SPOKEN)
    command, page = told(octets, None), await verifier.verify(octets)
    assert [one["by"] for one in page["timeLine"]] == [
        "",
        "",
        "relay",
        "bounce",
        "bounce",
        "program",
        "",
        "",
        "relay",
        "bounce",
    ]
    assert differences(command, page, able=verifier.able) == []


async def test_a_content_of_no_octets(verifier: Verifier, world: World, right: Plan, good: bytes, files: Files) -> None:
    octets = dict(tampering.cases(world, right, good))["p7s with an empty content"]()
    assert "container.malformed" in await agreed(verifier, octets, files)


@pytest.mark.parametrize("name", ["x", "20260", "2026-", "2026-x", "2026-2", "2026-02", "-2026", "٢٠٢٦"])
async def test_a_log_of_a_strange_name(verifier: Verifier, tmp_path: Path, name: str) -> None:
    found = World(tmp_path / "keys", origin=f"log.sealpost.example/log/{name}")
    whys = await agreed(verifier, await asyncio.to_thread(whole_bundle, found), found.trust_files())
    assert ("log.several" in whys) == (name not in {"2026-2", "2026-02"})


async def test_octets_behind_a_packed_stream(verifier: Verifier, world: World, right: Plan, files: Files) -> None:
    """As many PDF writers leave them: the line end before `endstream` counts as the stream's."""
    url, zone = "https://sealpost.example/verify", ZoneInfo("Europe/Amsterdam")
    pdf = certificate(right.records, right.checkpoints, language="en", verify_url=url, zone=zone, trust="5f" * 32)
    packed = rb"/Length (\d*[0-8])/Type/EmbeddedFile/Filter/FlateDecode"
    loose, count = re.subn(packed, lambda one: one[0].replace(one[1], b"%d" % (int(one[1]) + 1)), pdf)
    assert len(loose) == len(pdf)
    assert count > 3
    made = await sealed(loose, world.pdf_seal, _stamper(world), closing(right.records))
    whys = await agreed(verifier, await asyncio.to_thread(bundled, world, replace(right, certificate=made)), files)
    assert "pdf.ok" in whys


async def accepted(service: ServiceWorld) -> bytes:
    token = await service.send()
    await decide(service.service, token, [service.secret()], "accepted", "", ACT)
    await service.work_off()
    await proven(service)
    return await sender_bundle(service, token)


async def refused_with_mails(service: ServiceWorld) -> bytes:
    token = await service.send()
    await decide(service.service, token, [service.secret()], "refused", "No.", ACT)
    await service.work_off()
    service.clock.advance(days=100)
    await proven(service)
    return await sender_bundle(service, token)


async def pending(service: ServiceWorld) -> bytes:
    token = await service.send()
    await proven(service)
    await decide(service.service, token, [service.secret()], "accepted", "", ACT)
    return await sender_bundle(service, token)


async def in_two_logs(service: ServiceWorld) -> bytes:
    """Submitted in one year, refused in the next; the tokens have been renewed twice since."""
    service.clock.at = datetime(2026, 12, 30, 10, 0, tzinfo=UTC)
    token = await service.send()
    await proven(service)
    service.clock.advance(days=3)
    await decide(service.service, token, [service.secret()], "refused", "", ACT)
    await service.work_off()
    await proven(service)
    for _ in range(2):
        until = service.clock.at + timedelta(days=1)
        await service.service.pool.execute("update checkpoints set token_until = $1", until)
        await service.send(recipient_email="charlie@example.com")  # whose checkpoint shows a newer certificate
        await extend_log(service.service)
        while await stamp_pending(service.service):
            pass
        service.clock.advance(days=100)
    return await sender_bundle(service, token)


async def in_a_second_log(service: ServiceWorld) -> bytes:
    """The year's first log could not go on."""
    token = await service.send()
    await proven(service)
    first = await logs.newest(service.service.pool)
    assert first is not None
    await logs.stop(service.service.pool, first.id, "told to")
    await begin_log(service.service, f"{first.name}-2")
    await decide(service.service, token, [service.secret()], "accepted", "", ACT)
    await service.work_off()
    await proven(service)
    bundle = await sender_bundle(service, token)
    assert any(name.startswith(f"checkpoints/{first.name}-2-") for name, _ in tampering.members_of(bundle))
    return bundle


async def recipients(service: ServiceWorld) -> bytes:
    """Who refused gets no content."""
    token = await service.send()
    secret = service.secret()
    await decide(service.service, token, [secret], "refused", "", ACT)
    await service.work_off()
    await proven(service)
    async with for_recipient(service.service, token, [secret], "nl", ACT) as bundle:
        return await octets_of(bundle)


OF_A_TEST = {"witness.quorum", "environment.test", "time.own", "clock.none", "dating.none"}
"""What is not proven of any bundle of a test environment that stamps for itself and has no witness."""
SERVED: dict[Callable[[ServiceWorld], Awaitable[bytes]], set[str]] = {
    accepted: {"mail.absent"},
    refused_with_mails: set(),
    pending: {"mail.absent", "inclusion.pending", "seal.time", "time.decisive"},
    in_two_logs: set(),
    in_a_second_log: {"mail.absent"},
    recipients: {"mail.absent", "content.absent"},
}


@pytest.mark.parametrize(("made", "open_"), SERVED.items(), ids=[one.__name__ for one in SERVED])
async def test_of_the_service(
    verifier: Verifier, service: ServiceWorld, made: Callable[[ServiceWorld], Awaitable[bytes]], open_: set[str]
) -> None:
    """Bundles as the service gives them out."""
    octets, trust = await made(service), await trust_folder(service.service)
    whys = await agreed(verifier, octets, trust)
    assert {*OF_A_TEST, *open_} <= whys
    left = {one for one in whys if not one.endswith(".ok")} - {*OF_A_TEST, *open_}
    assert left == set()
    assert "seal.signer" in await agreed(verifier, octets, None)


async def test_renewals_that_are_wrong(verifier: Verifier, service: ServiceWorld) -> None:
    whole, trust = tampering.members_of(await in_two_logs(service)), await trust_folder(service.service)
    kept, stamper = dict(whole), service.service.evidence.stamper
    assert stamper is not None
    third = next(name for name in kept if name.endswith(".3.tsr"))
    second, text = third.replace(".3.", ".2."), third.replace(".3.tsr", ".txt")
    exchanged = tampering.replaced(tampering.replaced(whole, second, kept[third]), third, kept[second])
    table = [
        (tampering.replaced(whole, second, await stamper.stamp(kept[text])), "time.token"),
        (exchanged, "time.token"),
        (
            tampering.replaced(tampering.replaced(whole, second, kept[second], as_name="gone"), "gone", None),
            "time.unused",
        ),
        (tampering.replaced(whole, second, kept[third]), "time.token"),
        (tampering.replaced(whole, third, kept[third], as_name=third.replace(".3.", ".1000.")), "container.member"),
        (tampering.replaced(whole, third, kept[third], as_name=third.replace(".3.", ".1.")), "container.member"),
    ]
    for members, why in table:
        for given in (trust, None):
            assert why in await agreed(verifier, tampering.zipped(members), given), why
