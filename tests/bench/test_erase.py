"""The bench of erasing checks what is left, and reports what it measured."""

from collections.abc import Callable, Sequence

import pytest

pytest.importorskip("pyarrow", reason="the bench of erasing needs pyarrow (the extra parquet)")

from volens.bench import erase
from volens.core.errors import VerificationFailed


def test_a_small_run_reports_accounts_chats_and_single_requests() -> None:
    lines: list[str] = []
    figures = erase.run(
        lines.append, rounds=1, people=12, each=2, mean_bytes=200, groups={1: 2, 5: 1}
    )
    for size in (1, 5):
        for name in (
            "accounts_keys",
            "accounts_run",
            "accounts_rows",
            "chats_run",
            "chats_parquet",
        ):
            assert figures[f"{name}_{size}_per_s"] > 0
        assert figures[f"accounts_keys_beside_rows_{size}_x"] > 0
    assert figures["access_ended_beside_fdatasync_x"] > 0
    assert any("accounts_keys_beside_rows_5_x (at least)" in line for line in lines)


class Careless:
    """Keeps the last chat that it was to erase."""

    times: dict[int, int] = {}  # noqa: RUF012 - read only

    def __init__(self) -> None:
        self._there = set(range(1, 13))

    def accounts(self, numbers: Sequence[int]) -> Callable[[], object]:
        going = [2 * number - more for number in numbers for more in range(2)]
        return self.chats(going)

    def chats(self, numbers: Sequence[int]) -> Callable[[], object]:
        return lambda: self._there.difference_update(numbers[:-1])

    def left(self) -> set[int]:
        return self._there


@pytest.mark.parametrize("what", ["accounts", "chats"])
def test_a_chat_that_is_still_there_is_found(what: str) -> None:
    with pytest.raises(VerificationFailed, match="Careless"):
        erase.measure(Careless(), what, {2: [[1, 4]]}, (6, 2))
