"""A store that cannot be opened is named, with what to do, by every command."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from gammaops.cli import main
from gammaops.products.spoken import REMEDIES, in_our_words

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("toys"), pytest.mark.requirement("A2.3")]
CONFIG = "steps:\n  - {name: a, tag: count}\n"
URI = "s3://nobody/st"
COMMANDS = [
    ["status", "--store", URI],
    ["report", "crab", "--store", URI],
    ["quarantine", "--store", URI],
    ["products", "ls", "--store", URI],
    ["products", "show", f"{URI}/products/fit/ab/{'ab' * 16}.json", "--store", URI],
    ["products", "verify", "--store", URI],
    ["products", "gc", "--store", URI],
    ["releases", "ls", "--store", URI],
    ["releases", "freeze", "a", "--runs", "crab", "--store", URI],
    ["diff", "a", "b", "--store", URI],
    ["plan", "--filename", "toy.yaml", "--out", URI],
    ["run", "--filename", "toy.yaml", "--out", URI],
]


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody without keys, files of keys, or a cloud around."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GAMMAOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(CONFIG)
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_without_credentials_it_says_so_and_which_are_asked_for(command: list[str], capsys):
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.splitlines()[-1] == (
        f"cannot read or write: there are no credentials for the store {URI} (Unable to locate credentials); "
        f"{REMEDIES['s3']}"
    )
    assert "Traceback" not in told


def test_a_server_that_does_not_listen_is_infrastructure(monkeypatch, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert main(["status", "--store", URI]) == 1
    told = capsys.readouterr().err
    start = f"cannot read or write: the store {URI} cannot be reached or does not answer: "
    assert told.startswith(start)
    assert address in told
    assert told.strip().endswith("check AWS_ENDPOINT_URL for a server of your own; else the network")


def test_a_bucket_that_is_not_there_is_named():
    told = in_our_words(FileNotFoundError("The specified bucket does not exist"), URI)
    assert isinstance(told, FileNotFoundError)
    assert str(told) == f"the store {URI} is not there: The specified bucket does not exist; create it, or name another"


def test_a_refusal_stays_a_permission_error_and_other_errors_stay_what_they_are():
    told = in_our_words(PermissionError("Access Denied"), URI)
    assert isinstance(told, PermissionError)
    assert str(told) == f"the store {URI} refuses: Access Denied; ask for the right to it, or {REMEDIES['s3']}"
    for error in (FileNotFoundError("x"), ValueError("x"), FileExistsError("x")):
        assert in_our_words(error, URI) is error
