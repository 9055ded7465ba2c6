"""Configs as YAML text that the strict loader reads back to the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from gammaops.config.scalars import plain_value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["compact_yaml_text", "yaml_text"]

WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Writes each value out, and quotes the text that the loader would not take for text."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if plain_value(value) == value else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def yaml_text(document: Mapping[str, Any]) -> str:
    """A document in the order of its keys, one value a line."""
    return _dumped(document, default_flow_style=False)


def compact_yaml_text(document: Mapping[str, Any]) -> str:
    """A document in the order of its keys; the innermost mappings and lists take one line each."""
    return _dumped(document, default_flow_style=None)


def _dumped(document: Mapping[str, Any], **style: Any) -> str:
    text: str = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, **style)
    return text
