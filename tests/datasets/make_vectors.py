"""Write the vectors of this room (`python -m tests.datasets.make_vectors`); they are to stay."""

import shutil
from pathlib import Path

from tests.datasets.test_proofs import Case, case
from tests.datasets.world import World
from volens.datasets.model import Format

VECTORS = Path(__file__).parent / "vectors"


def main() -> None:
    made = case(9)
    (VECTORS / "proof-member.json").write_bytes(made.prove(made.world.people[0]))
    world = World(40)
    ordered = sorted(world.people, key=lambda person: person.leaf(world.raw))
    inner = Case([person.leaf(world.raw) for person in ordered[1:-1:2]], world)
    (VECTORS / "proof-absent.json").write_bytes(inner.prove(ordered[4]))
    (VECTORS / "proof-absent-first.json").write_bytes(inner.prove(ordered[0]))
    (VECTORS / "proof-absent-last.json").write_bytes(inner.prove(ordered[-1]))
    (VECTORS / "proof-empty.json").write_bytes(case(0).prove(made.world.people[0]))
    for form in Format:
        shutil.rmtree(VECTORS / form.value, ignore_errors=True)
        World().build(VECTORS / form.value, form)


if __name__ == "__main__":
    main()
