"""Being a witness for other people's logs, and asking one: the two halves of cosigning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from volens.core.errors import InvalidInput
from volens.log.checkpoint import SignedCheckpoint
from volens.log.files import DirectoryFiles
from volens.log.note import SEED_BYTES, KeyType, Signer, parse_vkey
from volens.log.store import TransparencyLog
from volens.log.witness import Witness
from volens.log.witness_http import submit, witness_server
from volens.storage.files import read_private, write_private
from volens.storage.system import SystemClock, SystemEntropy

SEED = "witness.seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessOptions:
    """What a witness is set up with."""

    folder: Path
    name: str
    log_keys: tuple[str, ...]


def load_witness(options: WitnessOptions) -> tuple[Witness, str]:
    """Return a witness and its verifier key; its own key is made on the first start.

    Raises:
        InvalidInput: ``key_missing`` if no log is named.
    """
    if not options.log_keys:
        hint = "volens log show prints a log's key"
        raise InvalidInput("key_missing", "a witness needs a log to watch: --log-key", hint=hint)
    keys = [parse_vkey(text) for text in options.log_keys]
    seeds = options.folder / "key"
    seeds.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = read_private(seeds / SEED)
    if seed is None:
        seed = SystemEntropy().draw(SEED_BYTES)
        write_private(seeds / SEED, seed)
    signer = Signer(name=options.name, seed=seed, key_type=KeyType.COSIGNATURE)
    witness = Witness(
        DirectoryFiles(options.folder / "seen"),
        signer=signer,
        logs={key.name: [key] for key in keys},
        clock=SystemClock(),
    )
    return witness, signer.verifier.vkey


def serve(witness: Witness, host: str, port: int, started: Callable[[str], None]) -> str:
    """Answer for a witness until interrupted; tell the address once it listens."""
    server = witness_server(witness, host=host, port=port)
    address = f"http://{server.server_address[0]!s}:{server.server_address[1]}"
    started(address)
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return address


def submit_to(log: TransparencyLog, url: str, vkey: str) -> SignedCheckpoint:
    """Have the latest checkpoint of a log cosigned by the witness at `url`."""
    log.publish()
    return submit(log, url, parse_vkey(vkey))
