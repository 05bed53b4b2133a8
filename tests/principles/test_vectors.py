"""The vectors of docs/formats/principles.md are what the code computes."""

from tests.docs.pages import vectors
from volens.principles.constitution import open_constitution
from volens.principles.generating import seed_of
from volens.principles.judging import open_labelled


def test_digests_and_seeds_are_as_the_page_says() -> None:
    page = vectors("principles")
    assert open_constitution("neutral").digest == page["neutral.digest"]
    assert open_labelled(None).digest == page["pairs.digest"]
    seed, prompt, step = page["seed.of"].split()
    assert seed_of(int(seed), prompt, step) == int(page["seed.value"])
