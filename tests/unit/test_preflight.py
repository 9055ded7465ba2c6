"""Before anything is mapped, the room that is left is compared with what the rows took before."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from gammaops.config import parse_config
from gammaops.products import ProductStore, canonical_json
from gammaops.runner import Provenance, Run, begin, run_plan, split
from gammaops.runner.failures import failure_notes
from gammaops.steps.base import Scope

pytestmark = [pytest.mark.usefixtures("toys"), pytest.mark.requirement("R34")]
HUGE = 10**18


def config(*words: str, name: str = "toy"):
    text = f"toy: {{words: [{', '.join(words)}]}}\nsteps: [{{name: reduce, tag: toy-reduce}}]"
    return parse_config(text, name=name, source=f"{name}.yaml")


def begun(store: ProductStore, *words: str, name: str = "toy", reuse: str = "use") -> Run:
    return Run.open(begin(config(*words, name=name), store, Scope(), name="next", reuse=reuse))


@pytest.fixture
def store(tmp_path: Path) -> ProductStore:
    """Three words were made before, and by their sidecars each took more than any disk has."""
    store = ProductStore(tmp_path)
    run_plan(config("a", "b", "c"), store, Scope(), name="before")
    for name in list(store.sidecars("word")):
        enlarge(store, name)
    return store


def enlarge(store: ProductStore, name: str, size: int = HUGE) -> None:
    """Let a sidecar say that its payload has so many bytes."""
    sidecar = store.sidecar(name)
    store.files.replace(name, canonical_json({**sidecar, "payload": {**sidecar["payload"], "size": size}}))


def test_too_little_room_is_told_before_anything_is_mapped(store):
    run = begun(store, "d", "e", "f")
    with pytest.raises(OSError, match="too little room for the step 'reduce': 3 of 3 words are not in the") as raised:
        split(run, "reduce", {}, Provenance())
    assert raised.value.errno == errno.ENOSPC
    words = str(raised.value)
    assert "at about 1000000000000.0 MB each as before, that is 3000000000.00 GB" in words
    assert re.search(re.escape(store.uri) + r" has [0-9.]+ GB left", words)
    (note,) = failure_notes(run, "reduce")
    assert (note["role"], note["class"]) == ("split", "OSError")


def test_the_size_is_the_median_of_what_the_step_has_made(store):
    for name in list(store.sidecars("word"))[:2]:
        enlarge(store, name, 2)
    assert len(split(begun(store, "d", "e", "f"), "reduce", {}, Provenance())) == 3


def test_nothing_is_checked_where_nothing_was_made_before(store):
    assert len(split(begun(store, "d", name="other"), "reduce", {}, Provenance())) == 1


@pytest.mark.parametrize(
    ("words", "reuse", "absent"), [("ab", "use", 0), ("ab", "rebuild", 2), ("az", "use", 1), ("yz", "use", 2)]
)
def test_only_rows_that_are_still_to_be_made_need_room(tmp_path, words, reuse, absent):
    store = ProductStore(tmp_path)
    run_plan(config(*"abcde"), store, Scope(), name="before")
    for name in list(store.sidecars("word")):
        if store.sidecar(name)["item"]["row"]["word"] in "cde":
            enlarge(store, name)
    run = begun(store, *words, reuse=reuse)
    if not absent:
        assert len(split(run, "reduce", {}, Provenance())) == 2
        return
    with pytest.raises(OSError, match=f"{absent} of 2 words"):
        split(run, "reduce", {}, Provenance())
