"""The environment of a local Airflow: settings of the project, ports that are free, secrets of its own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ADMIN",
    "DEMO_DATA",
    "DEMO_STORE",
    "PROJECT",
    "UI_PORT",
    "airflow_environment",
    "database_settings",
    "free_port",
    "home_secrets",
    "project_settings",
]

PROJECT = Path(__file__).resolve().parents[4]
SETTINGS = PROJECT / "docker" / "settings"
DEMO_DATA = PROJECT / ".demo"
DEMO_STORE = "store"
ADMIN = "admin"
UI_PORT = 8080
# One task in three holds its slot for up to a second after it has ended (the heartbeat interval), doing nothing. With
# two slots per core, 20 short reductions on two cores take 12 s instead of 16 s.
SLOTS_PER_CORE = 2
MOST_SLOTS = 32


def project_settings() -> dict[str, str]:
    """The settings that every deployment of this project shares, as environment variables."""
    lines = (SETTINGS / "airflow.env").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {name.strip(): value.strip() for name, value in pairs}


def free_port(preferred: int = 0) -> int:
    """`preferred` if nothing listens on it, else any free port of the loopback interface."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def home_secrets(home: Path) -> Mapping[str, str]:
    """Keys and the administrator's password of this home, made at random on first use, readable by the owner only."""
    path = home / "secrets.json"
    if not path.exists():
        fresh = {
            "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "jwt_secret": secrets.token_urlsafe(64),
            "secret_key": secrets.token_urlsafe(32),
            "password": secrets.token_urlsafe(12),
        }
        _write_private(path, fresh)
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    _write_private(home / "passwords.json", {ADMIN: found["password"]})
    return found


def airflow_environment(home: Path, port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """What the processes of the Airflow in `home` need; an ``AIRFLOW__`` variable of the caller is not inherited.

    Where the caller's environment names no folder of data or products, they are those of the demonstration.
    """
    keys = home_secrets(home)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    url = f"http://localhost:{port}"
    python_path = [str(SETTINGS), str(PROJECT / "plugins"), inherited.get("PYTHONPATH", "")]
    own = {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(part for part in python_path if part),
        "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", "")]),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__PARALLELISM": str(min(SLOTS_PER_CORE * (os.cpu_count() or 1), MOST_SLOTS)),
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet_key"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt_secret"],
        "AIRFLOW__API__SECRET_KEY": keys["secret_key"],
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
    }
    folders = {"GAMMAOPS_DATA": str(DEMO_DATA), "GAMMAOPS_STORE": str(DEMO_DATA / DEMO_STORE)}
    return {**folders, **inherited, **project_settings(), **own, **extra}


def database_settings(url: str) -> dict[str, str]:
    """What another database than the SQLite file of a home needs; nothing for an empty URL."""
    if not url:
        return {}
    # Only of an SQLite file no connection is kept; see airflow.env.
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url, "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED": "True"}


def _write_private(path: Path, content: Mapping[str, str]) -> None:
    """Write JSON that only the owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(dict(content), stream)
