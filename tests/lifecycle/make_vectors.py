"""Writes the vectors of the erasure receipt; run it only for a new version of the format."""

from pathlib import Path

from tests.lifecycle.test_receipt_pages import states

HERE = Path(__file__).parent / "vectors"

if __name__ == "__main__":
    for state, data in states().items():
        (HERE / f"{state.value}.json").write_bytes(data)
