"""Base models: where they come from, what names them, and how a record becomes tokens."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from volens.core.errors import InvalidInput, NotFound
from volens.training.profile import the_torch

TINY: Final = "tiny:"
PACKAGE: Final = "package:"
_ROLES: Final = {"system": 256, "user": 257, "assistant": 258}
_END: Final = 259
_TINY_WORDS: Final = 260


class Words(Protocol):
    """Turns one message into tokens."""

    def opening(self, role: str) -> list[int]:
        """Return what stands before a message."""

    def message(self, text: str) -> list[int]:
        """Return a message and what ends it."""

    def text(self, tokens: Sequence[int]) -> str:
        """Return what tokens spell, without marks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base model, as it is before anything is trained.

    Attributes:
        digest: SHA-256 over what it was read from; 32 bytes.
        model: the model in 32-bit numbers, on the processor; its weights are never changed.
        words: its tokens.
    """

    digest: bytes
    model: Any = field(repr=False)
    words: Words = field(repr=False)

    def tokens(
        self, messages: Sequence[tuple[str, str]], length: int
    ) -> tuple[list[int], list[int]]:
        """Return `length` tokens and the weight (0 or 1) of predicting each of them.

        Only what the assistant said is learned. What is longer is cut; what is shorter is filled up
        with zeros of no weight, which no earlier token sees.
        """
        ids: list[int] = []
        weights: list[int] = []
        for role, text in messages:
            opening, said = self.words.opening(role), self.words.message(text)
            ids += opening + said
            weights += [0] * len(opening) + [int(role == "assistant")] * len(said)
        missing = [0] * max(0, length - len(ids))
        return (ids + missing)[:length], (weights + missing)[:length]


def open_base(where: str) -> Base:
    """Open a base model.

    Args:
        where: a folder in the layout of `transformers`, a ``.gguf`` file, ``package:NAME`` for the
            one in an installed package, or ``tiny:SEED`` for a model of random weights that is only
            good for trying out.

    Raises:
        NotFound: ``no_base``.
        InvalidInput: ``base_form`` if the seed is no number.
        Unavailable: ``training_missing``.
    """
    the_torch()
    if where.startswith(TINY):
        return _tiny(where.removeprefix(TINY))
    path = _packaged(where.removeprefix(PACKAGE)) if where.startswith(PACKAGE) else Path(where)
    if path.is_file() and path.suffix == ".gguf":
        return _loaded(path.parent, [path], gguf=path.name)
    if path.is_dir() and (path / "config.json").exists():
        return _loaded(path, sorted(one for one in path.iterdir() if one.is_file()))
    hint = "a folder with config.json, a .gguf file, package:NAME, or tiny:SEED"
    raise NotFound("no_base", f"no base model at {where}", hint=hint)


class _Bytes:
    """The tokens of the tiny model: bytes, a mark for each role, and an end."""

    def opening(self, role: str) -> list[int]:
        return [_ROLES[role]]

    def message(self, text: str) -> list[int]:
        return [*text.encode("utf-8"), _END]

    def text(self, tokens: Sequence[int]) -> str:
        return bytes(one for one in tokens if one < _ROLES["system"]).decode("utf-8", "replace")


class _ChatMl:
    """Another model's tokens, with turns marked as ChatML does."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - a class of an optional library
        self._encode = tokenizer

    def opening(self, role: str) -> list[int]:
        return self._ids(f"<|im_start|>{role}\n")

    def message(self, text: str) -> list[int]:
        # Nobody's text can spell a mark: it is read as the letters it is made of.
        return self._ids(text, split_special_tokens=True) + self._ids("<|im_end|>\n")

    def text(self, tokens: Sequence[int]) -> str:
        found: str = self._encode.decode(list(tokens), skip_special_tokens=True)
        return found

    def _ids(self, text: str, **options: bool) -> list[int]:
        found: list[int] = self._encode(text, add_special_tokens=False, **options)["input_ids"]
        return found


def _tiny(seed: str) -> Base:
    if not seed.isascii() or not seed.isdigit():
        raise InvalidInput("base_form", f"not a seed: {seed[:40]!r}", hint="for example tiny:1")
    torch = the_torch()
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415 - slow to load

    config = LlamaConfig(
        vocab_size=_TINY_WORDS,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        attn_implementation="eager",  # type: ignore[call-arg]  # passed on to its base class
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weights in sorted(model.named_parameters()):
            if weights.ndim > 1:  # the others are scales of norms, which are one
                drawn = draw(
                    b"volens/tiny/v1\x00" + f"{seed} {name}".encode(), tuple(weights.shape)
                )
                weights.copy_(torch.from_numpy(drawn * np.float32(0.1)))
    digest = hashlib.sha256(f"volens/tiny/v1 {seed}".encode()).digest()
    return Base(digest=digest, model=_frozen(model), words=_Bytes())


def draw(label: bytes, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return normal numbers that depend on `label` only.

    The generator is Philox, keyed with a hash of the label: no library's global state reaches it.
    How it makes normal numbers belongs to the version of NumPy, which the profile names.
    """
    key = int.from_bytes(hashlib.sha256(label).digest()[:16], "big")
    generator = np.random.Generator(np.random.Philox(key=key))
    return generator.standard_normal(shape, dtype=np.float32)


def _loaded(folder: Path, files: Sequence[Path], gguf: str | None = None) -> Base:
    torch = the_torch()
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - slow to load

    options: dict[str, Any] = {"local_files_only": True}
    if gguf is not None:
        options["gguf_file"] = gguf
    with redirect_stderr(io.StringIO()):  # their bars; what goes wrong is raised
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", **options
        )
    made = hashlib.sha256(b"volens/base/v1\x00")
    for path in files:
        name = path.name.encode("utf-8")
        made.update(len(name).to_bytes(4, "big") + name + _file_digest(path))
    return Base(digest=made.digest(), model=_frozen(model), words=_ChatMl(tokenizer))


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _frozen(model: Any) -> Any:  # noqa: ANN401 - a class of an optional library
    model.eval()
    model.requires_grad_(requires_grad=False)
    return model


def _packaged(name: str) -> Path:
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    for place in (found.submodule_search_locations or []) if found else []:
        for path in sorted(Path(place).rglob("*.gguf")):
            return path
    raise NotFound("no_base", f"no package {name} that brings a .gguf file")
