"""A store whose server ignores the condition of a put is refused before anything is written to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import make_server

from gammaops.cli import main
from gammaops.errors import ProductError
from gammaops.products import ProductStore, RunFolder, content_key
from gammaops.products.probing import PROBE
from gammaops.products.runs import CONFIG as CONFIG_FILE
from gammaops.products.runs import REQUEST

pytestmark = [pytest.mark.s3, pytest.mark.requirement("A2.7", "R6")]
KEY = content_key({"of": "a probe"})
CONFIG = "steps:\n  - {name: a, tag: count}\n"


class Server:
    """An S3 API on loopback that notes its requests.

    Asked to be careless it does not read If-None-Match; the first answer to a put of the file `unanswered` is lost.
    """

    def __init__(self) -> None:
        self.careless = False
        self.unanswered = ""
        self.puts: list[str] = []
        self._application = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] == "PUT":
            self.puts.append(environ["PATH_INFO"])
        if self.careless:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].rpartition("/")[2] == self.unanswered:
            self.unanswered = ""
            b"".join(self._application(environ, lambda *_: None))
            start("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        return self._application(environ, start)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Server, str]]:
    server = Server()
    listening = make_server("127.0.0.1", 0, server, threaded=True)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield server, f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()


@pytest.fixture
def place(running: tuple[Server, str], bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    """The server, and the URI of an empty store in it."""
    server, address = running
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    boto3.client("s3").create_bucket(Bucket=bucket.split("/")[2])
    server.careless, server.unanswered = False, ""
    server.puts.clear()
    # fsspec keeps its connections, whatever the environment says meanwhile.
    S3FileSystem.clear_instance_cache()
    yield server, bucket
    S3FileSystem.clear_instance_cache()


def publish(store: ProductStore) -> None:
    with store.scratch() as folder:
        (folder / "payload.fits").write_bytes(b"numbers")
        store.publish("fit", KEY, folder / "payload.fits", {"run": "runs/a/b/v001", "metrics": {}})


def replace(store: ProductStore) -> None:
    store.files.replace("runs/a/b/latest", b"v001\n")


def create(store: ProductStore) -> None:
    store.files.create("runs/a/b/v001/request.json", b"{}")


@pytest.mark.parametrize("write", [publish, replace, create])
def test_it_is_refused_by_name_with_a_remedy_and_nothing_is_written(place, write):
    server, uri = place
    server.careless = True
    store = ProductStore(uri)
    for _ in range(2):
        with pytest.raises(ProductError) as told:
            write(store)
        assert str(told.value) == (
            f"the object store at {uri} ignores the condition of a put (If-None-Match: *): two tries could both "
            "publish one product, and what is published could change. Nothing was written. Use a server that keeps the "
            "condition, as AWS S3 does (ask its operators, or update it), or a store in a folder"
        )
    assert list(store.files.names("")) == []
    assert {path.rpartition("/")[2] for path in server.puts} == {PROBE}


@pytest.mark.usefixtures("toys")
def test_a_run_says_so_and_ends(place, tmp_path, capsys):
    server, uri = place
    server.careless = True
    (tmp_path / "toy.yaml").write_text(CONFIG)
    assert main(["run", "--filename", str(tmp_path / "toy.yaml"), "--out", uri]) == 1
    assert f"the object store at {uri} ignores the condition of a put" in capsys.readouterr().err
    assert list(ProductStore(uri).files.names("")) == []


def test_a_store_that_keeps_it_is_asked_once_by_each_process(place):
    server, uri = place
    first, second = ProductStore(uri), ProductStore(uri)
    for write in (create, publish, replace):
        write(first)
    probes = [path for path in server.puts if path.endswith(PROBE)]
    assert len(probes) == 2, "written, and refused"
    replace(second)
    assert [path.rpartition("/")[2] for path in server.puts[-2:]] == [PROBE, "latest"], "one more request"
    assert first.files.read(PROBE).startswith(b"This object is here to be refused")


def test_reading_asks_nothing(place):
    server, uri = place
    store = ProductStore(uri)
    assert list(store.sidecars()) == []
    assert store.find("fit", KEY) is None
    assert server.puts == []


def new_run(store: ProductStore) -> RunFolder:
    request = {"name": "night", "begun": "2026-11-10T08:00:00+00:00"}
    return RunFolder.new(store, "toy", "night", request, CONFIG.encode())


@pytest.mark.parametrize("file", [CONFIG_FILE, "begun.20261110080000"])
def test_a_put_whose_answer_is_lost_leaves_no_run_that_nobody_ends(place, file):
    server, uri = place
    store = ProductStore(uri)
    server.unanswered = file
    made = new_run(store)
    assert [path.rpartition("/")[2] for path in server.puts].count(file) == 2, "the client has asked again"
    assert made.version == "v001"
    assert made.read(CONFIG_FILE) == CONFIG.encode()
    assert [folder.version for folder in RunFolder.all(store, "toy")] == ["v001"]


def test_a_claim_whose_answer_is_lost_is_left_and_is_no_version(place):
    """Whoever finds the first object there cannot know whose it is: a rival may have asked for the same."""
    server, uri = place
    store = ProductStore(uri)
    server.unanswered = REQUEST
    made = new_run(store)
    assert made.version == "v002"
    assert [folder.version for folder in RunFolder.all(store, "toy")] == ["v002"]


def test_another_config_in_a_folder_that_was_claimed_is_not_taken_for_ours(place):
    _, uri = place
    files = ProductStore(uri).files
    files.create("runs/toy/b", b"theirs")
    with pytest.raises(FileExistsError):
        files.create_folder("runs/toy", {"a": b"1", "b": b"ours"})
    with pytest.raises(FileExistsError):
        files.create_folder("runs/toy", {"a": b"1"})
