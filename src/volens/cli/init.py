"""``volens init``: make a home."""

from __future__ import annotations

from typing import Annotated

import typer

from volens.app.creation import create_home
from volens.app.home import open_home
from volens.app.identity import IDENTITY, custody_folder
from volens.app.policies import find_pack
from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, GOOD, Answer, fields, line, whole
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.purposes import Realm
from volens.core.regions import Region

GROUP = new_group("Make a home.")


@command(GROUP, "init", writes=True)
def init(
    session: Session,
    pack: Annotated[
        str, typer.Option(help="The policy: a name, NAME@VERSION, or a folder.")
    ] = "consent-first",
    region: Annotated[
        Region, typer.Option(help="The region whose people's data lives here.")
    ] = Region.EU,
    realm: Annotated[
        Realm, typer.Option(help="Civilian, or the separate government realm.")
    ] = Realm.CIVILIAN,
    origin: Annotated[
        str | None, typer.Option(help="What the log calls itself, such as example.org/volens.")
    ] = None,
) -> Answer:
    """Make a home: databases, keys, log and policy. Every choice in it starts off."""
    folder = session.folder
    if session.dry_run:
        found, _ = find_pack(pack)
        if (folder / IDENTITY).exists():
            raise InvalidInput("home_exists", f"{folder} is a home already")
        plan: dict[str, Json] = {"dry_run": True, "home": str(folder), "policy": found.name}
        text = f"would make a home at {folder} with policy {found.name} {found.version}"
        return Answer(document=plan, shown=(line(text),))
    identity = create_home(
        folder,
        pack=pack,
        region=region,
        realm=realm,
        origin=origin,
        environment=session.environment,
    )
    custody = custody_folder(identity.tenant, session.environment)
    with open_home(folder, writing=False, environment=session.environment) as home:
        ref, vkey = home.policy.ref, home.signer.verifier.vkey
    document: dict[str, Json] = {
        "home": str(folder),
        "tenant": identity.tenant,
        "region": identity.region.value,
        "realm": identity.realm.value,
        "policy": {"name": ref.name, "version": ref.version, "sha256": ref.hash},
        "keys": str(custody),
        "verifier_key": vkey,
    }
    shown = (
        line(f"Made a home at {folder}.", GOOD),
        fields(
            [
                ("region", f"{identity.region} ({identity.realm})"),
                ("policy", f"{ref.name} {ref.version}"),
                ("keys", f"{custody}  (back them up apart from the home)"),
            ]
        ),
        line("log key:"),
        whole(vkey),
        line("Publish the log key: with it anybody can check what this home says.", DIM),
        line("Next: volens import PATH, or volens subject add NAME", DIM),
    )
    return Answer(document=document, shown=shown)
