"""What holds for every test: nothing touches the clone or the home folder, and real data are used or not by name.

`GAMMAOPS_TEST_DATA` names the folder that holds ``hess-dl3-dr1/`` and ``exclusion/``. Without it the tests marked
``requires_data`` are deselected and the summary says so. With it every test runs, and one that skips itself fails the
session, so that tests on real data cannot rot unseen.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = Path(tempfile.mkdtemp(prefix="gammaops-tests-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)

# Airflow reads these when it is first imported, so they are set before any test module is.
os.environ["AIRFLOW_HOME"] = str(SCRATCH / "airflow")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["GAMMAOPS_STORE"] = str(SCRATCH / "store")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("GAMMAOPS_DATA", "GAMMAOPS_ROOTS", "GAMMAPY_DATA"):
    os.environ.pop(name, None)

DATA = os.environ.get("GAMMAOPS_TEST_DATA", "")
if DATA:
    os.environ["GAMMAPY_DATA"] = DATA

# Nothing here is a benchmark: a slow machine must not fail a property.
settings.register_profile("gammaops", deadline=None)
settings.load_profile("gammaops")

WITHOUT_DATA = "without_data"
_without_data = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_without_data] = 0
    if DATA and not (Path(DATA) / "hess-dl3-dr1").is_dir():
        raise pytest.UsageError(f"GAMMAOPS_TEST_DATA is {DATA}, which has no folder hess-dl3-dr1; mend or unset it")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if DATA:
        return
    left_out = [item for item in items if item.get_closest_marker("requires_data")]
    if left_out:
        config.stash[_without_data] = len(left_out)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("requires_data")]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    workeroutput = getattr(session.config, "workeroutput", None)
    if workeroutput is not None:
        workeroutput[WITHOUT_DATA] = session.config.stash[_without_data]
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash[_without_data]:
        # All that was asked for needs real data: that is said below, and is no failure.
        session.exitstatus = pytest.ExitCode.OK
    if DATA and exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every worker of a parallel session collects all tests, so that each knows how many were left out."""
    node.config.stash[_without_data] = node.workeroutput.get(WITHOUT_DATA, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash[_without_data]:
        line = f"deselected for want of real data: {left_out} (GAMMAOPS_TEST_DATA does not say where it is)"
        terminalreporter.write_line(line, yellow=True)
    if DATA and (skipped := _skipped(config)):
        line = f"skipped: {skipped}, which fails the session since GAMMAOPS_TEST_DATA is set"
        terminalreporter.write_line(line, red=True)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The clone."""
    return ROOT


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with ``hess-dl3-dr1/`` and ``exclusion/``, for tests marked ``requires_data``."""
    return Path(DATA)


@pytest.fixture(scope="session")
def sum_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of examples/sum-step, built and installed without any network."""
    folder = tmp_path_factory.mktemp("outside")
    source, target = folder / "source", folder / "installed"
    shutil.copytree(ROOT / "examples" / "sum-step", source)
    options = ["--offline", "--no-deps", "--no-build-isolation", "--python", sys.executable, "--target", str(target)]
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


class WebReceiver(ThreadingHTTPServer):
    """A web server on loopback that keeps what is posted to it: path, headers and body of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        super().__init__(("127.0.0.1", 0), _Posts)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Posts(BaseHTTPRequestHandler):
    server: WebReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.posts.append((self.path, dict(self.headers), body))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        raise AssertionError(f"{self.path} was asked for, and not told")

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class MailReceiver(ThreadingTCPServer):
    """A mail server on loopback that keeps sender, receivers and text of each mail."""

    daemon_threads = True

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], str]] = []
        super().__init__(("127.0.0.1", 0), _Mails)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Mails(StreamRequestHandler):
    server: MailReceiver

    def handle(self) -> None:
        sender, receivers = "", []
        self.wfile.write(b"220 loopback\r\n")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "MAIL":
                sender = line.partition(":")[2]
            elif verb == "RCPT":
                receivers.append(line.partition(":")[2])
            elif verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append((sender, receivers, b"".join(lines).decode()))
            self.wfile.write(b"250 loopback\r\n")
            if verb == "QUIT":
                return


def _served(server: Any) -> Iterator[Any]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    with server:
        yield server
        server.shutdown()
    thread.join()


@pytest.fixture
def web() -> Iterator[WebReceiver]:
    """A receiver of webhooks."""
    yield from _served(WebReceiver())


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    """A receiver of mail."""
    yield from _served(MailReceiver())


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Step types of another package, found by their entry points."""
    from gammaops import steps
    from gammaops.config import blocks

    cached_blocks = [value for value in vars(blocks).values() if hasattr(value, "cache_clear")]

    def forget() -> None:
        for cached in (steps._packages, steps.step_specs, *cached_blocks):
            cached.cache_clear()

    monkeypatch.syspath_prepend(str(ROOT / "tests" / "toys"))
    forget()
    yield
    forget()
    for name in [name for name in sys.modules if name.startswith("gammaops_toys")]:
        del sys.modules[name]
