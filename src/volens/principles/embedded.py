"""A model that runs in this process: a folder, a GGUF file or an installed package.

The same bytes in give the same answer on one machine and one set of libraries. It is slow: one
token after the other, in 32-bit numbers on the processor. It takes the extra ``training``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from volens.principles.writer import (
    Completion,
    Message,
    Sampling,
    Speaker,
    WriterKind,
    WriterLabel,
    check_asked,
    completed,
)
from volens.training.base import Base, open_base
from volens.training.profile import the_torch


class Embedded:
    """A base model that is asked for completions."""

    def __init__(self, base: Base, *, name: str) -> None:
        """Ask `base`, which records call `name`."""
        self._base = base
        self._name = name

    @classmethod
    def open(cls, where: str) -> Embedded:
        """Open a model as `open_base` does; records call it by its last word.

        Raises:
            NotFound: ``no_base``.
            InvalidInput: ``base_form``.
            Unavailable: ``training_missing``.
        """
        return cls(open_base(where), name=where.rstrip("/").rpartition("/")[2][:200])

    @property
    def label(self) -> WriterLabel:
        """What names the model: its name here, and the digest of its files."""
        return WriterLabel(
            kind=WriterKind.EMBEDDED, model=self._name, digest=self._base.digest.hex()
        )

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Draw tokens until the model ends its message; what does not fit into it is cut off.

        Raises:
            InvalidInput: ``asked_form``.
        """
        check_asked(messages, sampling)
        words = self._base.words
        asked: list[int] = []
        for one in messages:
            asked += words.opening(one.speaker.value) + words.message(one.text)
        asked += words.opening(Speaker.ASSISTANT.value)
        room = int(self._base.model.config.max_position_embeddings) - len(asked)
        if room <= 0:
            return completed("", finished=False)
        end = words.message("")[0]
        drawn = self._draw(asked, end, min(room, sampling.most_tokens), sampling)
        finished = bool(drawn) and drawn[-1] == end
        return completed(words.text(drawn[:-1] if finished else drawn), finished=finished)

    def _draw(self, asked: list[int], end: int, most: int, sampling: Sampling) -> list[int]:
        torch = the_torch()
        generator = torch.Generator()
        generator.manual_seed(sampling.seed)
        drawn: list[int] = []
        following, past = torch.tensor([asked], dtype=torch.int64), None
        with torch.no_grad():
            while len(drawn) < most:
                out = self._base.model(input_ids=following, past_key_values=past, use_cache=True)
                past = out.past_key_values
                token = _pick(torch, out.logits[0, -1], sampling.thousandths, generator)
                drawn.append(token)
                if token == end:
                    break
                following = torch.tensor([[token]], dtype=torch.int64)
        return drawn


def _pick(torch: Any, logits: Any, thousandths: int, generator: Any) -> int:  # noqa: ANN401 - an extra
    if thousandths == 0:
        return int(torch.argmax(logits))
    chances = torch.softmax(logits * (1000 / thousandths), dim=-1)
    return int(torch.multinomial(chances, 1, generator=generator))
