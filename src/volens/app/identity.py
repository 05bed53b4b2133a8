"""Which home this is, and where its keys are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from volens.core.canonical import canonical_json, read_canonical
from volens.core.errors import InvalidInput, Unavailable
from volens.core.ids import IdKind, TenantId, parse_id
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.log.note import Signer
from volens.storage.files import read_private
from volens.storage.stamps import Stamp

IDENTITY = "volens.json"
SEED_FILE = "log.seed"
LOOKUP_FILE = "lookup.key"
REGISTER_KEY_FILE = "register.key"
REGISTER_FILE = "taken-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which home this is."""

    tenant: TenantId
    origin: str
    region: Region
    realm: Realm
    created: str

    def encode(self) -> bytes:
        """Write the identity file."""
        return canonical_json(
            {
                "v": 1,
                "tenant": self.tenant,
                "origin": self.origin,
                "region": self.region.value,
                "realm": self.realm.value,
                "created": self.created,
            }
        )

    @classmethod
    def decode(cls, data: bytes, path: Path) -> Identity:
        """Read the identity file strictly.

        Raises:
            InvalidInput: ``home_form``.
        """
        try:
            body = read_canonical(data)
            if isinstance(body, dict):
                found = cls(
                    tenant=TenantId(body["tenant"]),
                    origin=body["origin"],
                    region=Region(body["region"]),
                    realm=Realm(body["realm"]),
                    created=body["created"],
                )
                parse_id(IdKind.TENANT, found.tenant)
                if found.encode() == data:  # no other version, no unknown members
                    return found
        except (InvalidInput, ValueError, KeyError, TypeError):
            pass
        hint = "restore it from a backup; nothing else in the home needs changing"
        raise InvalidInput("home_form", f"{path} is not a home's identity file", hint=hint)


def custody_folder(tenant: TenantId, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a home's keys are kept: ``VOLENS_KEK_DIR``, else a per-user data folder."""
    base = environment.get("VOLENS_KEK_DIR")
    if base is None:
        data = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        base = str(Path(data) / "volens" / "keys")
    return Path(base) / tenant


def load_signer(identity: Identity, custody: Path) -> Signer:
    """Return the key that signs this home's checkpoints, statements and receipts.

    Raises:
        Unavailable: ``custody_missing``.
    """
    return Signer(name=identity.origin, seed=load_secret(custody, SEED_FILE))


def stamps_of(custody: Path, main: Engine, keys: Engine) -> tuple[Stamp, Stamp]:
    """Return the stamps of a home's two databases; what they remember lies in custody."""
    return (
        Stamp("main.db", main, custody / "main.stamp"),
        Stamp("keys/keys.db", keys, custody / "keys.stamp"),
    )


def load_secret(custody: Path, name: str) -> bytes:
    """Return one secret of the custody folder.

    Raises:
        Unavailable: ``custody_missing``.
    """
    secret = read_private(custody / name)
    if secret is None:
        raise Unavailable(
            "custody_missing",
            f"{name} of this home is not in {custody}",
            hint="set VOLENS_KEK_DIR to the folder that keeps this home's keys",
        )
    return secret
