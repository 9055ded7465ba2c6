"""An S3 API server on loopback, and a bucket in it for each test."""

from __future__ import annotations

import uuid

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gammaops.products import ProductStore


@pytest.fixture(scope="session")
def server():
    """Address of the server."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server, tmp_path, monkeypatch):
    """URI of an empty bucket that this process and its children may write to."""
    settings = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "GAMMAOPS_CACHE": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = uuid.uuid4().hex[:12]
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/st"


@pytest.fixture
def store(bucket) -> ProductStore:
    """A store in the bucket."""
    return ProductStore(bucket)
