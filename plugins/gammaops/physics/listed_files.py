"""Whether the files that the index of an archive lists are there, asking for each folder once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gammaops.physics.archive import is_plain, lies_within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ListedFiles"]


class ListedFiles:
    """The files of the archive; each folder is listed once, and only links are followed one by one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, Mapping[str, bool] | None] = {}

    def state(self, name: str) -> str:
        """Whether the file is ``present``, ``absent``, or ``outside`` the archive."""
        if not is_plain(name):
            return "outside"
        folder, _, file = name.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._links(folder)
        links = self._folders[folder]
        if links is None or (links.get(file) and not lies_within(self._root, name)):
            return "outside"
        return "present" if file in links else "absent"

    def _links(self, folder: str) -> Mapping[str, bool] | None:
        """For each file of the folder whether it is a link; None for a folder outside the archive."""
        if not lies_within(self._root, folder):
            return None
        path = self._root / folder
        if not path.is_dir():
            return {}
        with os.scandir(path) as entries:
            return {entry.name: entry.is_symlink() for entry in entries if not entry.is_dir()}
