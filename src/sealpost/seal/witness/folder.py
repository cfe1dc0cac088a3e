"""The folder of a witness: its state, and its keys in ``keys/``. For `sealpost witness` and for the demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sealpost.clock import Clock
from sealpost.seal.key_files import KeyFolder, passphrase
from sealpost.seal.witness.app import Witness, check_name, read_logs
from sealpost.seal.witness.state import FILE, State, StateRefused

KEYS = "keys"
PURPOSES = ("witness-ed25519", "witness-mldsa44")


def open_witness(folder: Path, name: str, logs: Sequence[str], clock: Clock, *, given: str = "") -> Witness:
    """The witness of a folder; state and keys are made where the folder is new.

    The state is made before the keys: a crash in between leaves a state without keys, which the next call completes.
    Keys without a state are a witness that has lost its memory, which could cosign a second tree of a size.

    Args:
        folder: made with mode 0700 if missing.
        name: of the witness, a URL without scheme; it cannot change later.
        logs: verifier keys of the logs that it takes.
        clock: tells the time of cosignatures.
        given: the keys' passphrase; empty for the one in a file beside them.

    Raises:
        StateRefused: keys without state, or the state of another name.
        KeysRefused: files that cannot be used.
        NoWitness: a name or a log that cannot be.
        OSError: a file cannot be read or made.
    """
    check_name(name)
    read_logs(logs)  # both first: a mistyped name must not be written down
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = KeyFolder(folder / KEYS, passphrase(folder / KEYS, given))
    if not (folder / FILE).exists() and any(keys.numbers(one) for one in PURPOSES):
        raise StateRefused(
            f"{folder} has the keys of a witness but not its state, without which it could cosign two trees of one "
            f"size; start a new witness, in a new folder, with new keys"
        )
    state = State(folder, name)
    for purpose in PURPOSES:
        if not keys.numbers(purpose):
            keys.make(purpose, 1)
    return Witness(name, keys.signer(PURPOSES[0]), keys.signer(PURPOSES[1]), logs, state, clock)
