"""Where the command line logs to, after ``general.log``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gammaops.errors import ConfigError, Problem
from gammaops.products import ProductStore

if TYPE_CHECKING:
    from pathlib import Path

    from gammaops.config import AnalysisConfig

__all__ = ["log_as_configured"]

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_as_configured(config: AnalysisConfig, store: str | Path) -> None:
    """Set the level, and write to the log file too where one is named.

    Parameters
    ----------
    config : AnalysisConfig
        Its ``general.log`` is followed.
    store : str or Path
        Root of the product store; log files go below its ``logs/``.

    Raises
    ------
    ConfigError
        If the format is none.
    ProductError
        If a log file is named and the store is not on a disk.
    """
    wanted = config.document["general"]["log"]
    root = logging.getLogger()
    if wanted["level"]:
        root.setLevel(wanted["level"].upper())
    if not wanted["filename"]:
        return
    try:
        formatter = logging.Formatter(wanted["format"] or FORMAT, wanted["datefmt"])
    except ValueError as error:
        line, column = config.position("general", "log", "format")
        problem = Problem(config.source, line, column, "general.log.format", str(error), f"such as {FORMAT}")
        raise ConfigError([problem]) from None
    target = ProductStore(store).root / "logs" / wanted["filename"]
    target.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(target, mode=wanted["filemode"], encoding="utf-8")
    handler.setFormatter(formatter)
    root.addHandler(handler)
