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
    if running_pid(HOME) is None:
        _start_in_background()
    click.echo(f"Airflow: {json.loads(READY.read_text(encoding='utf-8'))['url']}")
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
    READY.unlink(missing_ok=True)
    with LocalAirflow(HOME) as airflow:
        READY.write_text(json.dumps({"url": airflow.url}), encoding="utf-8")
        try:
            while True:
                time.sleep(1)
                airflow.check()
        finally:
            READY.unlink(missing_ok=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Treat a SIGTERM like Ctrl-C, so that everything gets stopped on the way out."""
    raise KeyboardInterrupt


def _start_in_background() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    READY.unlink(missing_ok=True)
    with (HOME / "up.log").open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gammaops.orchestration.local", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )

    def ready() -> bool:
        if process.poll() is not None:
            raise click.ClickException(f"Airflow did not start; see {HOME / 'up.log'}")
        return READY.exists()

    _wait_until(ready, START_SECONDS, f"Airflow is not ready after {START_SECONDS} s; see {HOME / 'up.log'}")


def _wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise click.ClickException(complaint)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
