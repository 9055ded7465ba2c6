"""Step types: the folders beside this file, and those of the entry-point group ``gammaops.steps``."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.steps.base import StepSpec

__all__ = ["load_science", "step_specs", "tag_of"]


def tag_of(text: str) -> str:
    """The tag as specs spell it: ``excess_map`` and ``excess-map`` are the same."""
    return text.replace("_", "-")


@cache
def _packages() -> Mapping[str, str]:
    """Tag to the dotted name of the package that defines it."""
    here = Path(__file__).parent
    names = [f"{__name__}.{spec.parent.name}" for spec in sorted(here.glob("*/spec.py"))]
    names += [entry.value for entry in sorted(entry_points(group="gammaops.steps"), key=lambda entry: entry.name)]
    packages: dict[str, str] = {}
    for name in names:
        tag = importlib.import_module(f"{name}.spec").SPEC.tag
        if tag in packages:
            raise ValueError(
                f"two step types have the tag {tag!r}: {packages[tag]} and {name}; uninstall or rename one"
            )
        packages[tag] = name
    return MappingProxyType(packages)


@cache
def step_specs() -> Mapping[str, StepSpec]:
    """Every known step type, by tag; reading them imports no science."""
    specs = {tag: importlib.import_module(f"{name}.spec").SPEC for tag, name in _packages().items()}
    return MappingProxyType(specs)


def load_science(tag: str) -> ModuleType:
    """The science of a step type; this is where gammapy gets imported."""
    return importlib.import_module(f"{_packages()[tag]}.science")
