"""From the adapters of all shards to one: the exact mean of what they add to the base.

What a shard adds to a layer is B A. The mean over N shards is (1/N) sum of B_i A_i, which is one
product again: the A's under one another, the B's over N side by side. Its rank is N times as high.
The mean of the A's times the mean of the B's is something else.
"""

from __future__ import annotations

from collections.abc import Sequence

from volens.core.errors import InvalidInput
from volens.training.profile import the_torch
from volens.training.stage import load, save


def merge(adapters: Sequence[bytes]) -> bytes:
    """Return the adapter that adds the mean of what `adapters` add.

    A shard without records has no adapter and does not count.

    Raises:
        InvalidInput: ``nothing_to_merge`` if there is none; ``other_layers`` if they are not of the
            same layers.
    """
    torch = the_torch()
    if not adapters:
        raise InvalidInput("nothing_to_merge", "no shard has an adapter")
    loaded = [load(one) for one in adapters]
    names = set(loaded[0])
    if any(set(one) != names for one in loaded):
        raise InvalidInput("other_layers", "the adapters are not of the same layers")
    merged = {
        name: torch.cat([one[name] for one in loaded], dim=0)
        if name.endswith(".a")
        else torch.cat([one[name] for one in loaded], dim=1) / len(loaded)
        for name in names
    }
    return save(merged)
