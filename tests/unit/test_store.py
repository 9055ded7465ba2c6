from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammaops.errors import ProductCorrupt, ProductError, ProductMissing
from gammaops.products import Member, ProductStore, atomic, canonical_json, content_key, rows_of, set_aside, with_rows

KEY = content_key({"of": "a test"})
SIDECAR = {"run": "runs/a/b/v001", "metrics": {"counts": 3}}


@pytest.fixture
def store(tmp_path: Path) -> ProductStore:
    return ProductStore(tmp_path / "store")


def publish(store: ProductStore, content: bytes, key: str = KEY):
    with store.scratch() as folder:
        path = folder / "payload.fits"
        path.write_bytes(content)
        return store.publish("fit", key, path, SIDECAR)


def files_of(store: ProductStore) -> list[str]:
    return sorted(path.name for path in (store.root / "products").rglob("*") if path.is_file())


@pytest.mark.requirement("A2.4", "A6.2")
def test_published_product_reads_back_with_its_metrics(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    again = store.open(made.uri)
    assert again == made
    assert again.path is not None
    assert again.path.read_bytes() == b"numbers"
    assert again.metrics == {"counts": 3}
    assert again.path.relative_to(store.root).as_posix() == f"products/fit/{KEY[:2]}/{KEY}.{made.digest}.fits"


@pytest.mark.requirement("A2.7")
def test_second_publisher_of_a_key_publishes_nothing(store: ProductStore) -> None:
    first, second = publish(store, b"first"), publish(store, b"second")
    assert second == first
    assert files_of(store) == sorted([f"{KEY}.json", f"{KEY}.{first.digest}.fits"])


def test_republishing_equal_bytes_keeps_the_payload(store: ProductStore) -> None:
    assert publish(store, b"same") == publish(store, b"same")
    assert store.open(publish(store, b"same").uri).status == "ok"


def test_scratch_is_gone_after_publishing(store: ProductStore) -> None:
    publish(store, b"x")
    assert list((store.root / "scratch").iterdir()) == []


@pytest.mark.parametrize("damage", [b"numberz", b"number", b""])
@pytest.mark.requirement("A2.11")
def test_damaged_payload_is_refused_and_set_aside(store: ProductStore, damage: bytes) -> None:
    made = publish(store, b"numbers")
    assert made.path is not None
    made.path.write_bytes(damage)
    with pytest.raises(ProductCorrupt, match="sidecar says"):
        store.open(made.uri)
    assert store.find("fit", KEY) is None
    assert list(store.sidecars()) == []
    assert [path.read_bytes() for path in (store.root / "damaged").rglob("*.fits")] == [damage]
    assert publish(store, b"numbers").digest == made.digest
    assert made.path.read_bytes() == b"numbers"


def test_what_was_repaired_meanwhile_is_not_set_aside(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    name = f"products/fit/{KEY[:2]}/{KEY}.json"
    good = store.files.read(name)
    set_aside(store.files, name, b"what somebody has judged before", "has other bytes")
    assert store.files.read(name) == good
    assert store.open(made.uri).path.read_bytes() == b"numbers"
    assert not (store.root / "damaged").exists()


def test_a_payload_that_another_try_has_put_back_stays(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    name = f"products/fit/{KEY[:2]}/{KEY}.json"
    set_aside(store.files, name, store.files.read(name), "had other bytes")
    assert made.path.read_bytes() == b"numbers"
    assert store.find("fit", KEY) is None


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b"null", b'{"kind": "fit", "key": 1, "status": "ok"}', b"not json",
     b'{"kind": "fit", "key": "k", "status": "ok", "payload": {"name": "../x", "sha256": "a", "size": 1}}'],
)  # fmt: skip
def test_a_sidecar_that_is_none_is_set_aside_and_made_again(store: ProductStore, content: bytes) -> None:
    made = publish(store, b"numbers")
    (store.root / f"products/fit/{KEY[:2]}/{KEY}.json").write_bytes(content)
    with pytest.raises(ProductCorrupt, match="run the step that makes it again"):
        store.open(made.uri)
    assert publish(store, b"numbers") == made


def test_a_path_names_its_bytes_for_ever(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    made.path.unlink()
    other = publish(store, b"other numbers")
    assert other.uri != made.uri
    with pytest.raises(ProductMissing, match="was made again in its place has other bytes"):
        store.open(made.uri)


def test_payload_that_is_gone_is_made_again(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    assert made.path is not None
    made.path.unlink()
    with pytest.raises(ProductMissing, match="is gone"):
        store.open(made.uri)
    assert store.find("fit", KEY) is None


def test_payload_without_sidecar_is_no_product(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    (made.path.with_name(f"{KEY}.json")).unlink()
    assert store.find("fit", KEY) is None
    with pytest.raises(ProductMissing, match="run the step that makes it"):
        store.open(made.uri)


def test_outcome_without_payload_has_a_path_and_a_reason(store: ProductStore) -> None:
    made = store.publish_outcome(
        "dataset", KEY, "quarantined", {**SIDECAR, "reason_class": "truncated", "reason": "cut"}
    )
    again = store.open(made.uri)
    assert (again.status, again.path, again.sidecar["reason"]) == ("quarantined", None, "cut")
    assert made.uri.endswith(f"{KEY}.json")


@pytest.mark.requirement("A2.1", "A2.8", "A3.10")
def test_index_lists_members_relative_to_the_root(store: ProductStore) -> None:
    members = [Member({"name": str(n)}, product=publish(store, bytes([n]), content_key({"n": n}))) for n in (2, 1)]
    index = store.publish_index("datasets", KEY, members, {**SIDECAR, "index": True})
    assert [member.row["name"] for member in store.open(index.uri).members] == ["2", "1"]
    assert index.path is not None
    assert str(store.root) not in index.path.read_text()


def test_index_of_a_damaged_member_is_refused(store: ProductStore) -> None:
    member = publish(store, b"member", content_key({"n": 1}))
    index = store.publish_index("datasets", KEY, [Member({"name": "a"}, product=member)], {**SIDECAR, "index": True})
    member.path.write_bytes(b"mexber")
    with pytest.raises(ProductCorrupt, match="SHA-256 differs"):
        store.open(index.uri)


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "/etc/passwd"])
def test_path_out_of_the_store_is_refused(store: ProductStore, uri: str) -> None:
    with pytest.raises(ProductError, match="is not in the store"):
        store.open(uri)


def test_path_that_climbs_out_of_the_store_is_refused(store: ProductStore) -> None:
    with pytest.raises(ProductError, match="is not in the store"):
        store.open(f"{store.uri}/products/../../secret.json")


def test_root_that_nobody_can_write_to_is_refused_in_words() -> None:
    with pytest.raises(ProductError, match="give a folder or a URI that begins with file://, s3://"):
        ProductStore("ftp://host/store")


def _race(root: Path, number: int) -> None:
    publish(ProductStore(root), f"try {number}".encode())


@pytest.mark.requirement("R6")
def test_of_racing_publishers_one_wins_and_the_store_is_valid(store: ProductStore) -> None:
    context = multiprocessing.get_context("fork")
    tries = [context.Process(target=_race, args=(store.root, number)) for number in range(8)]
    for process in tries:
        process.start()
    for process in tries:
        process.join()
    assert [process.exitcode for process in tries] == [0] * 8
    assert len(files_of(store)) == 2
    assert store.find("fit", KEY) is not None


def _killed_before_the_sidecar(root: Path) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    atomic.create = die
    publish(ProductStore(root), b"numbers")


@pytest.mark.requirement("R6")
def test_try_killed_before_the_sidecar_leaves_no_product_and_is_repaired(store: ProductStore) -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed_before_the_sidecar, args=(store.root,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert store.find("fit", KEY) is None
    assert publish(store, b"numbers").status == "ok"
    assert len(files_of(store)) == 2


def test_sidecar_is_canonical_json(store: ProductStore) -> None:
    made = publish(store, b"numbers")
    text = made.path.with_name(f"{KEY}.json").read_bytes()
    assert canonical_json(json.loads(text)) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
@pytest.mark.requirement("A2.5")
def test_key_ignores_the_order_of_keys(document: dict[str, object]) -> None:
    assert content_key(document) == content_key(dict(reversed(document.items())))


@pytest.mark.requirement("A2.6")
def test_key_differs_where_a_value_does() -> None:
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key({"a": [1, 2]}) != content_key({"a": [2, 1]})


def test_key_of_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        content_key({"a": float("nan")})


@given(st.integers(0, 10**6), st.integers(0, 10**4))
def test_rows_of_a_path_are_read_back(first: int, length: int) -> None:
    rows = range(first, first + length)
    uri, again = rows_of(with_rows("file:///store/table.ecsv", rows))
    assert uri == "file:///store/table.ecsv"
    assert list(again) == list(rows)


def test_path_of_more_than_256_bytes_is_refused() -> None:
    with pytest.raises(ProductError, match="shorter root"):
        with_rows("file:///" + "x" * 250, range(1))


@pytest.mark.parametrize("path", ["file:///a", "file:///a#row=x", "file:///a#cells=1"])
def test_path_without_rows_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="names no rows"):
        rows_of(path)
