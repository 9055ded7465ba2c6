"""The store in an object store does what it does on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from gammaops.errors import ProductCorrupt, ProductError, ProductMissing
from gammaops.physics.lineage import inputs_of
from gammaops.products import Member, ProductStore, content_key
from gammaops.products.files import OBJECT_STORES
from gammaops.products.objects import PROTOCOLS

pytestmark = [pytest.mark.s3, pytest.mark.requirement("A2.3", "R28")]
KEY = content_key({"of": "a test"})
SIDECAR = {"run": "runs/a/b/v001", "metrics": {"counts": 3}}


def publish(store: ProductStore, content: bytes, key: str = KEY):
    with store.scratch() as folder:
        path = folder / "payload.fits"
        path.write_bytes(content)
        return store.publish("fit", key, path, SIDECAR)


def names(store: ProductStore) -> list[str]:
    return [Path(name).name for name in store.files.names("products")]


def overwrite(store: ProductStore, uri: str, content: bytes) -> None:
    store.files.replace(store.relative(uri), content)


def test_known_protocols_are_listed_once():
    assert set(OBJECT_STORES) == set(PROTOCOLS)


def test_published_product_reads_back_on_another_machine(store, bucket, tmp_path):
    made = publish(store, b"numbers")
    assert made.uri == f"{bucket}/products/fit/{KEY[:2]}/{KEY}.{made.digest}.fits"
    elsewhere = ProductStore(bucket, tmp_path / "other-cache").open(made.uri)
    assert elsewhere == made
    assert elsewhere.path.read_bytes() == b"numbers"
    assert elsewhere.path.suffix == ".fits"
    assert elsewhere.path.is_relative_to(tmp_path / "other-cache")


def test_second_publisher_of_a_key_publishes_nothing(store):
    first, second = publish(store, b"first"), publish(store, b"second")
    assert second == first
    assert names(store) == sorted([f"{KEY}.json", f"{KEY}.{first.digest}.fits"])


def test_of_two_sidecars_the_first_stays(store):
    store.files.create("a", b"first")
    with pytest.raises(FileExistsError):
        store.files.create("a", b"second")
    assert store.files.read("a") == b"first"


@pytest.mark.parametrize("damage", [b"numberz", b"number", b""])
def test_damaged_payload_is_refused_set_aside_and_made_again(store, damage):
    made = publish(store, b"numbers")
    overwrite(store, made.uri, damage)
    with pytest.raises(ProductCorrupt, match="sidecar says"):
        store.open(made.uri)
    assert store.find("fit", KEY) is None
    assert list(store.sidecars()) == []
    (kept,) = (name for name in store.files.names("damaged") if name.endswith(".fits"))
    assert store.files.read(kept) == damage
    assert publish(store, b"numbers") == made
    assert store.open(made.uri).path.read_bytes() == b"numbers"


def test_damaged_copy_in_the_cache_is_fetched_again(store):
    made = publish(store, b"numbers")
    made.path.write_bytes(b"numberz")
    assert store.open(made.uri).path.read_bytes() == b"numbers"


def test_payload_that_is_gone_is_made_again(store):
    made = publish(store, b"numbers")
    store.files.remove(store.relative(made.uri))
    with pytest.raises(ProductMissing, match="is gone"):
        store.open(made.uri)
    assert store.find("fit", KEY) is None


def test_index_lists_its_members(store):
    members = [Member({"name": str(n)}, product=publish(store, bytes([n]), content_key({"n": n}))) for n in (2, 1)]
    index = store.publish_index("datasets", KEY, members, {**SIDECAR, "index": True})
    assert [member.path.read_bytes() for member in store.open(index.uri).members] == [b"\2", b"\1"]


def test_inputs_of_a_product_are_found_for_its_picture(store):
    fit = publish(store, b"models", content_key({"of": "a fit"}))
    named = {"fit": [{"path": store.relative(fit.uri), "digest": fit.digest}]}
    with store.scratch() as folder:
        (folder / "points.fits").write_bytes(b"points")
        points = store.publish("flux_points", KEY, folder / "points.fits", {**SIDECAR, "inputs": named})
    assert [path.read_bytes() for path in inputs_of(points, "fit")] == [b"models"]
    store.files.remove(store.relative(fit.uri))
    assert inputs_of(points, "fit") == []


def test_path_out_of_the_store_is_refused(store, bucket):
    for uri in ("s3://elsewhere/st/products/fit/a.json", f"{bucket}/../secret.json", "file:///etc/passwd"):
        with pytest.raises(ProductError, match="is not in the store"):
            store.open(uri)
