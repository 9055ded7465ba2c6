"""``python -m gammaops.orchestration.local``: start and stop an Airflow on this machine, and the demonstration."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import click

from gammaops.orchestration.local.demo import run_demo
from gammaops.orchestration.local.processes import AlreadyRunning, LocalAirflow, running_pid
from gammaops.orchestration.local.settings import ADMIN, PROJECT, home_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

HOME = PROJECT / ".airflow"
READY = HOME / "ready.json"
START_SECONDS = 240
STOP_SECONDS = 60
OTHER_SECONDS = 1200


@click.group()
def main() -> None:
    """Airflow on this machine, with its home in .airflow."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)


@main.command()
def demo() -> None:
    """Simulate an archive, process its nights in Airflow and print what came out."""
    try:
        good = run_demo(HOME, click.echo)
    except AlreadyRunning as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0 if good else 2)


@main.command()
def up() -> None:
    """Start Airflow in the background and print the address of its UI."""
    pid = running_pid(HOME)
    if pid is not None and _address() is None:
        click.echo(f"waiting for process {pid}, which is using {HOME} (make demo, or another make up) …")
        complaint = f"process {pid} is still using {HOME}; stop it with: make down"
        _wait_until(lambda: _address() is not None or running_pid(HOME) is None, OTHER_SECONDS, complaint)
    if running_pid(HOME) is None:
        _start_in_background()
    click.echo(f"Airflow: {_address()}")
    click.echo(f"user {ADMIN}, password {home_secrets(HOME)['password']}")
    click.echo("stop it with: make down")


@main.command()
def down() -> None:
    """Stop what `up` started."""
    pid = running_pid(HOME)
    if pid is None:
        click.echo("no Airflow is running here")
        return
    os.kill(pid, signal.SIGTERM)
    _wait_until(lambda: running_pid(HOME) is None, STOP_SECONDS, f"process {pid} does not stop; see {HOME / 'up.log'}")
    click.echo("stopped")


@main.command(hidden=True)
def serve() -> None:
    """Run Airflow until told to stop, or until one of its components ends."""
    with LocalAirflow(HOME) as airflow:
        fresh = READY.with_suffix(".new")
        fresh.write_text(json.dumps({"url": airflow.url, "pid": os.getpid()}), encoding="utf-8")
        fresh.replace(READY)
        try:
            while True:
                time.sleep(1)
                airflow.check()
        finally:
            READY.unlink(missing_ok=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Treat a SIGTERM like Ctrl-C, so that everything gets stopped on the way out."""
    raise KeyboardInterrupt


def _address() -> str | None:
    """Where the Airflow of `up` is found, once it can be used; None for one that is not there for a browser."""
    try:
        told = json.loads(READY.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(told["url"]) if told.get("pid") == running_pid(HOME) else None


def _start_in_background() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "up.log").open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gammaops.orchestration.local", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )

    def ready() -> bool:
        if process.poll() is not None and running_pid(HOME) is None:
            raise click.ClickException(f"Airflow did not start; see {HOME / 'up.log'}")
        return _address() is not None

    _wait_until(ready, START_SECONDS, f"Airflow is not ready after {START_SECONDS} s; see {HOME / 'up.log'}")


def _wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise click.ClickException(complaint)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
