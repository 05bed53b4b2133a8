"""Nobody but the gate can open what is sealed: the imports say so, and so do the services."""

import ast
import typing
from pathlib import Path

import volens
from volens.app.home import Home
from volens.consent.store import ConsentLedger
from volens.crypto.blocks import Block
from volens.crypto.opening import Opener
from volens.crypto.sealing import SealedBlock
from volens.crypto.shredding import Shredder
from volens.gate.reading import OpenedBatch
from volens.vault.removal import Removal
from volens.vault.store import Vault
from volens.vault.subjects import SubjectStore

ROOT = Path(volens.__file__).parent


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, at any depth and in any form."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def users(module: str) -> set[str]:
    rooms = set()
    for path in ROOT.rglob("*.py"):
        if module in imported(path):
            rooms.add(path.relative_to(ROOT).as_posix())
    return rooms


def test_only_the_gate_imports_opening() -> None:
    rooms = {path.partition("/")[0] for path in users("volens.crypto.opening")}
    assert rooms == {"gate"}


def test_only_the_gate_opens_envelopes_of_content() -> None:
    assert users("volens.crypto.envelope.open_envelope") == {
        "access/secrets.py",  # names people sign in with, and secrets of second factors
        "app/register.py",  # its own entries
        "crypto/epochs.py",  # key pages, from one root to the next
        "crypto/keyservice.py",
        "crypto/keystore.py",
        "crypto/opening.py",
        "crypto/shredding.py",
        "gate/artefacts.py",  # what was trained
        "lifecycle/addresses.py",  # addresses that receipts go to
    }


def test_records_of_datasets_are_opened_by_leases_alone() -> None:
    assert users("volens.crypto.envelope.open_all_prepared") == {"crypto/opening.py"}
    assert users("volens.crypto.opening.open_prepared_records") == {"gate/leases.py"}


def test_only_the_vault_rewrites_ciphertext_and_gets_none_of_it_to_read() -> None:
    assert users("volens.crypto.shredding") == {"vault/removal.py"}
    answers = {
        name: typing.get_type_hints(getattr(Shredder, name)).get("return")
        for name in dir(Shredder)
        if not name.startswith("_")
    }
    assert answers == {
        "rewrite": list[SealedBlock | None],
        "drop": type(None),
        "keep_only": type(None),
        "drop_accounts": type(None),
    }
    assert {name for name in dir(SealedBlock) if not name.startswith("_")} == {"id", "envelope"}


def test_nothing_is_imported_by_a_name_made_at_run_time() -> None:
    for path in ROOT.rglob("*.py"):
        names = imported(path)
        assert "importlib" not in names or not any("opening" in name for name in names), path


def test_no_service_but_the_gate_has_a_way_to_plaintext() -> None:
    """Names that would give content or keys away, on what a home hands out."""
    for kind in (Vault, Removal, SubjectStore, ConsentLedger):
        public = {name for name in dir(kind) if not name.startswith("_")}
        assert not {name for name in public if "open" in name or "key" in name} - {
            "drop_account_keys"
        }, kind


def test_a_home_keeps_no_opener_and_no_key_store_of_its_own() -> None:
    source = (ROOT / "app" / "home.py").read_text("utf-8")
    kept = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    assert not kept & {"opener", "keys", "keystore", "reader", "lookup_key", "service"}
    assert not {name for name in dir(Home) if not name.startswith("_") and "open" in name} - {
        "keep_open"
    }


def test_an_opened_batch_gives_leaves_and_sealed_records_but_no_key() -> None:
    public = {name for name in dir(OpenedBatch) if not name.startswith("_")}
    assert public == {"columns", "payloads", "subjects", "numbers", "size", "leaves"} | {
        "seal_record"
    }


def test_secrets_have_no_repr() -> None:
    assert repr(Block(rows=b"secret", body=memoryview(b"words"))) == "Block()"
    assert Opener.__repr__ is object.__repr__
