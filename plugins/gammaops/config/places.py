"""Where things are: project, store, data and models; paths of a config resolved, and kept inside the allowed roots."""

from __future__ import annotations

import os
from pathlib import Path

from gammaops.config.blocks import home_of
from gammaops.errors import ConfigError, Problem
from gammaops.schema.quantities import DATA_VARIABLES

__all__ = [
    "allowed_roots",
    "include_folder",
    "is_allowed",
    "is_elsewhere",
    "pools_file",
    "project_root",
    "resolve_data_path",
    "sites_folder",
    "store_root",
]


def project_root() -> Path:
    """The folder with ``include/`` and ``dags/``: ``GAMMAOPS_PROJECT``, or where this package's ``plugins/`` is."""
    given = os.environ.get("GAMMAOPS_PROJECT")
    return Path(given) if given else Path(__file__).resolve().parents[3]


def store_root() -> str:
    """Where products go: ``GAMMAOPS_STORE``, or ``store/`` in the project."""
    return os.environ.get("GAMMAOPS_STORE") or str(project_root() / "store")


def include_folder() -> Path:
    """What belongs to the project's analyses: configs, models, sites, people's decisions, published numbers."""
    return project_root() / "include"


def sites_folder() -> Path:
    """Where sites are."""
    return include_folder() / "sites"


def pools_file() -> Path:
    """Where the pools are that steps may name."""
    return include_folder() / "pools.json"


def _data_folders() -> list[Path]:
    return [Path(os.environ[name]) for name in DATA_VARIABLES if os.environ.get(name)]


def allowed_roots() -> list[Path]:
    """Folders that a config may name files in, symbolic links resolved."""
    more = [Path(text) for text in os.environ.get("GAMMAOPS_ROOTS", "").split(os.pathsep) if text]
    store = [] if "://" in store_root() else [Path(store_root())]
    return [root.resolve() for root in (include_folder(), *_data_folders(), *store, *more)]


def resolve_data_path(text: str, key: str) -> Path:
    """A file or folder of a config as an absolute path.

    Parameters
    ----------
    text : str
        As in the config: absolute, ``$GAMMAPY_DATA/…``, ``$GAMMAOPS_DATA/…``, or relative; then it is looked for in
        the key's own folder of ``include/`` (models, say), ``GAMMAOPS_DATA`` and ``GAMMAPY_DATA``, in this order.
    key : str
        Dotted config key that it stands under.

    Raises
    ------
    ConfigError
        If it is in none of these, or outside the allowed roots once symbolic links are resolved.
    OSError
        If a data folder itself is not there: that is the file system's fault, not the config's.
    """
    tried = _candidates(text, key)
    if Path(text).is_absolute() and not is_allowed(Path(text)):
        raise _outside(text, key)
    found = next((path for path in tried if path.exists()), None)
    if found is None:
        _check_mounted(tried)
        raise _problem(key, f"{text!r} does not exist", f"one of: {', '.join(map(str, tried))}")
    if not is_allowed(found):
        raise _outside(text, key)
    return found.resolve()


def is_allowed(path: Path) -> bool:
    """Whether a path lies in the allowed folders once symbolic links are resolved; nothing need be there."""
    return any(path.resolve().is_relative_to(root) for root in allowed_roots())


def is_elsewhere(text: str, key: str) -> bool:
    """Whether a path of a config begins in a data folder that is not named here, so that nothing can be said of it."""
    if text.startswith("$"):
        return not os.environ.get(text[1:].partition("/")[0])
    return not (Path(text).is_absolute() or home_of(key) or _data_folders())


def _candidates(text: str, key: str) -> list[Path]:
    if text.startswith("$"):
        name, _, rest = text[1:].partition("/")
        if name not in DATA_VARIABLES:
            raise _problem(key, f"the variable ${name} is not expanded", f"${' or $'.join(DATA_VARIABLES)}")
        if not os.environ.get(name):
            raise _problem(key, f"{name} is not set in the environment", f"the data folder in {name}")
        return [Path(os.environ[name], rest)]
    if Path(text).is_absolute():
        return [Path(text)]
    home = home_of(key)
    folders = [*([include_folder() / home] if home else []), *_data_folders()]
    if not folders:
        raise _problem(key, f"{text!r} is relative, and no data folder is set", "GAMMAOPS_DATA or GAMMAPY_DATA")
    return [folder / text for folder in folders]


def _check_mounted(tried: list[Path]) -> None:
    for folder in _data_folders():
        if any(path.is_relative_to(folder) for path in tried) and not folder.exists():
            raise FileNotFoundError(f"the data folder {folder} is not there")


def _outside(text: str, key: str) -> ConfigError:
    expected = "a path in the data folders or in GAMMAOPS_ROOTS"
    return _problem(key, f"{text!r} is outside the allowed folders", expected)


def _problem(key: str, message: str, expected: str) -> ConfigError:
    return ConfigError([Problem("config", 0, 0, key, message, expected)])
