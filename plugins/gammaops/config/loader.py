"""The strict YAML loader: plain data, with the line and column of every key.

It reads the events of PyYAML's safe parser and builds mappings, lists and scalars itself: nothing in the text can
name a Python object, refer to another part of it, or grow beyond bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gammaops.config.scalars import Trap, plain_value
from gammaops.errors import ConfigError, Problem

__all__ = ["Document", "KeyPath", "load_yaml"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_PROBLEMS = 100
TAG_PREFIX = "tag:yaml.org,2002:"
KeyPath = tuple[str | int, ...]
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """A YAML mapping with the place of each key.

    Parameters
    ----------
    data : mapping
        Plain data.
    positions : mapping of path to (line, column)
        From 1; of the key for entries of mappings, of the item for entries of lists.
    """

    data: Mapping[str, Any]
    positions: Mapping[KeyPath, tuple[int, int]]

    def position(self, path: KeyPath) -> tuple[int, int]:
        """Place of a key, or of the nearest one above it that the text has."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))


@dataclass
class _Frame:
    """A mapping or list that is being filled; `key` is the mapping's key whose value comes next."""

    container: dict[str, Any] | list[Any]
    path: KeyPath
    key: str | None = None

    def next_path(self) -> KeyPath:
        if isinstance(self.container, list):
            return (*self.path, len(self.container))
        return (*self.path, self.key if self.key is not None else "")


@dataclass
class _Builder:
    source: str
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    root: Any = None
    documents: int = 0

    def complain(self, mark: Any, message: str, expected: str = "", path: KeyPath = ()) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            self.problems.append(Problem(self.source, line, column, dotted(path), message, expected))

    def feed(self, event: yaml.Event) -> bool:
        """Take one event; false ends the reading."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            return self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            self.complain(event.start_mark, f"alias *{event.anchor}", "the value itself", self._path())
            self._put(None, event.start_mark)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.complain(event.start_mark, "a second document in the file", "one document per file")
                return False
        return True

    def _path(self) -> KeyPath:
        return self.stack[-1].next_path() if self.stack else ()

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].container, dict) and self.stack[-1].key is None

    def _check_bare(self, event: Any) -> None:
        if event.anchor:
            self.complain(event.start_mark, f"anchor &{event.anchor}", "the value without it", self._path())
        if event.tag:
            tag = event.tag.replace(TAG_PREFIX, "!!")
            self.complain(event.start_mark, f"tag {tag}", "plain values; quote text", self._path())

    def _open(self, event: Any) -> bool:
        self._check_bare(event)
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if self._expects_key():
            self.complain(event.start_mark, "a key that is a mapping or a list", "a word as key", self.stack[-1].path)
            return False
        if len(self.stack) >= MAX_DEPTH:
            self.complain(event.start_mark, f"nested more than {MAX_DEPTH} deep", "a flatter document")
            return False
        path = self._path()
        self._put(container, event.start_mark)
        self.stack.append(_Frame(container, path))
        return True

    def _scalar(self, event: Any) -> None:
        self._check_bare(event)
        value: object = plain_value(event.value) if not event.style and not event.tag else event.value
        if self._expects_key():
            self._key(event, value)
            return
        if isinstance(value, Trap):
            self.complain(event.start_mark, value.message, value.expected, self._path())
            value = None
        self._put(value, event.start_mark)

    def _key(self, event: Any, value: object) -> None:
        frame = self.stack[-1]
        key = event.value
        frame.key = key
        path = (*frame.path, key)
        if not event.style and key == "<<":
            self.complain(event.start_mark, "merge key <<", "the keys written out", path)
        elif isinstance(value, Trap):
            self.complain(event.start_mark, f"as a key, {value.message}", "a word as key", path)
        elif not isinstance(value, str):
            self.complain(event.start_mark, f"the key {key or 'null'} is not a word", "a word as key", path)
        if path in self.positions:
            line, column = self.positions[path]
            self.complain(
                event.start_mark, f"given twice, first in line {line}, column {column}", "each key once", path
            )
        self.positions[path] = (event.start_mark.line + 1, event.start_mark.column + 1)

    def _put(self, value: object, mark: Any) -> None:
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        if isinstance(frame.container, list):
            self.positions[(*frame.path, len(frame.container))] = (mark.line + 1, mark.column + 1)
            frame.container.append(value)
            return
        if frame.key is not None:
            frame.container[frame.key] = value
            frame.key = None


def dotted(path: KeyPath) -> str:
    """A path for people: ``steps[2].config.datasets``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def load_yaml(text: str, source: str) -> Document:
    """Read a YAML mapping.

    Parameters
    ----------
    text : str
        The YAML.
    source : str
        What problems call it: the file.

    Raises
    ------
    ConfigError
        With every problem: syntax, duplicate keys, anchors, aliases, tags, values that YAML 1.1 reads in unexpected
        ways, too large or too deep documents.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError([Problem(source, 0, 0, "", f"larger than {MAX_BYTES} bytes", "a config, not data")])
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            if not builder.feed(event):
                break
    except yaml.MarkedYAMLError as error:
        words = ", ".join(part for part in (error.context, error.problem) if part)
        builder.complain(error.problem_mark or error.context_mark, f"not YAML: {words}")
    except (yaml.YAMLError, UnicodeError) as error:
        builder.complain(None, f"not YAML: {' '.join(str(error).split())}")
    if not builder.problems and not isinstance(builder.root, dict):
        what = "empty" if builder.root is None else f"not a mapping but {builder.root!r:.40}"
        builder.problems.append(Problem(source, 1, 1, "", f"the document is {what}", "keys and values"))
    if builder.problems:
        raise ConfigError(builder.problems)
    return Document(builder.root, builder.positions)
