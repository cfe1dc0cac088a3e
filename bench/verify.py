"""How fast evidence is verified on one core: a log's entries against pure hashing, seals against bare ECDSA, bundles.

Run: `PYTHONPATH=src:. python bench/verify.py [ENTRIES [SEALS]]`; a million entries and 20,000 seals unless told otherwise.
Aims: a log within twice its pure hashing, seals within 1.3 times bare verification.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sealpost.domain.seals import read, signing_input
from sealpost.seal import jades
from sealpost.verifier.audit import audit_log
from sealpost.verifier.bulk import audit_records
from sealpost.verifier.case import parsed
from sealpost.verifier.certificates import Certificates
from sealpost.verifier.verify import verify
from tests.verifier.lives import START, World, entries, whole_bundle

ROUNDS = 3
PER_SECOND = 1_000  # seals made in one second: as many share a header


def seconds(work: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def written_log(folder: Path, count: int) -> None:
    """A log's folder with all of its tiles, without a checkpoint."""
    raw = [sha256(number.to_bytes(8)).digest() for number in range(count)]
    row, level = [sha256(b"\0" + one).digest() for one in raw], 0
    put(folder, "entries", [b"\0\x20" + one for one in raw])
    while row:
        put(folder, str(level), row)
        for _ in range(8):
            row = [sha256(b"\1" + a + b).digest() for a, b in zip(row[::2], row[1::2], strict=False)]
        level += 1


def put(folder: Path, level: str, values: list[bytes]) -> None:
    for number in range(-(-len(values) // 256)):
        tile = values[number * 256 : (number + 1) * 256]
        digits = f"{number:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{one}" for one in groups[:-1]), groups[-1]])
        path = folder / "tile" / level / (name + (f".p/{len(tile)}" if len(tile) < 256 else ""))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(tile))


def pure_hashing(count: int) -> float:
    """As many hashes of the same lengths as the tree has, and nothing else."""
    leaf, node = b"\0" + bytes(32), b"\1" + bytes(64)

    def work() -> None:
        for _ in range(count):
            sha256(leaf).digest()
        for _ in range(count - 1):
            sha256(node).digest()

    return seconds(work)


def logs(folder: Path, count: int) -> None:
    written_log(folder, count)
    pure, whole = pure_hashing(count), seconds(lambda: audit_log(folder, count))
    print(f"log of {count}: {whole:.2f} s, pure hashing {pure:.2f} s, ratio {whole / pure:.2f} (aim 2)")


def seals(world: World, count: int) -> None:
    record = entries(world)[2].octets
    made = [
        (record, jades.seal(world.record_seal, record, START + timedelta(seconds=number // PER_SECOND)), bytes(32), -1)
        for number in range(count)
    ]
    parts = [read(one[1]) for one in made]
    key = Certificates(None).signatory("seal", parts[0].certificates).key
    raw = [(int.from_bytes(one.signature[:32]), int.from_bytes(one.signature[32:])) for one in parts]
    ready = [
        (encode_dss_signature(r, s), signing_input(one.protected, record))
        for (r, s), one in zip(raw, parts, strict=True)
    ]
    algorithm = ECDSA(SHA256())

    def bare() -> None:
        for signature, octets in ready:
            key.verify(signature, octets, algorithm)

    def whole() -> None:
        assert audit_records(made, world.trust()) == (count, [])

    one, other = seconds(bare), seconds(whole)
    print(f"seals: {count / other:.0f}/s, bare ECDSA {count / one:.0f}/s, ratio {other / one:.2f} (aim 1.3)")
    canonical = seconds(lambda: [rfc8785.dumps(parsed(record)) for _ in range(2_000)])
    print(f"canonical bytes of a record of {len(record)} octets: {2_000 / canonical:.0f}/s, apart")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    sealed = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "keys")
        octets, trust = whole_bundle(world), world.trust()
        taken = seconds(lambda: [verify(octets, trust) for _ in range(20)]) / 20
        print(f"a bundle of 7 records: {1000 * taken:.0f} ms")
        seals(world, sealed)
        logs(Path(folder) / "log", count)


if __name__ == "__main__":
    main()
