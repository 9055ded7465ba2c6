"""What the runner makes beside products with numbers is made again as well: several outputs, chunks, nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import gammaops
from gammaops.care.reproducing import IDENTICAL, reproduce
from gammaops.config import parse_config
from gammaops.lineage import Lineage
from gammaops.products import ProductStore

pytestmark = pytest.mark.usefixtures("toys")
SUM = """
steps:
  - {name: a, tag: count}
  - {name: b, tag: count, config: {count: {number: 2}}}
  - {name: c, tag: total, required_products: [a, b]}
"""
CHUNKS = """
toy: {words: [aa, b, truncated, aa]}
dag: {observations_per_task: 2}
steps: [{name: reduce, tag: toy-reduce}]
"""
NOTHING = "steps: [{name: reduce, tag: toy-reduce}]"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (SUM, {"value": 3, "log": 1, "outputs": 1}),
        (CHUNKS, {"word": 4, "outcomes": 2, "words": 1, "words_table": 1}),
        (NOTHING, {"word": 1, "words_table": 1}),
    ],
)
def test_several_outputs_chunks_and_nothing_are_made_again(tmp_path: Path, text: str, kinds: dict[str, int]) -> None:
    gammaops.run(parse_config(text, name="toy", source="toy.yaml"), tmp_path)
    store = ProductStore(tmp_path)
    names = list(store.sidecars())
    found = [Path(name).parts[1] for name in names]
    assert {kind: found.count(kind) for kind in found} == kinds
    results = [reproduce(Lineage(store), name) for name in names]
    assert {(one.result, one.notes) for one in results} == {(IDENTICAL, ())}
