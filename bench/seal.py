"""Record seals per second on one core, by a key in a file, beside the bare signature; median of five rounds.

Run: `PYTHONPATH=src python bench/seal.py`.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sealpost.domain.records import Issuer
from sealpost.seal.jades import seal
from sealpost.seal.key_files import KeyFolder, passphrase
from sealpost.seal.pki import establish

COUNT, ROUNDS, SIZE = 3_000, 5, 3_000
ISSUER = Issuer("https://sealpost.example/evidence", "Example", "", "test", {})


def rate(work: Callable[[], object]) -> float:
    """Calls per second."""
    rates: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(COUNT):
            work()
        rates.append(COUNT / (time.perf_counter() - start))
    return statistics.median(rates)


def main() -> None:
    at, record = datetime.now(UTC), b"r" * SIZE
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "keys"
        keys = KeyFolder(place, passphrase(place, ""))
        establish(keys, ISSUER, at)
        signer = keys.signer("record-seal")
        print(f"{rate(lambda: seal(signer, record, at)):7.0f} seals/s, records of {SIZE} octets")
        print(f"{rate(lambda: signer.sign(record)):7.0f} bare signatures/s")


if __name__ == "__main__":
    main()
