"""Files that a models file names in turn: template maps, tables of absorption or of a light curve.

They are inputs like the models file itself: kept inside the allowed folders, and by their digests in the product's key.
A fit product names them as its models file did; whoever reads it gets them only if they are still what was fitted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from gammaops.config import resolve_data_path
from gammaops.errors import ConfigError, Problem, ProductMissing
from gammaops.products import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gammaops.products import Product

__all__ = ["MODELS_KEY", "components_of", "mappings_in", "named_by", "named_key", "with_named_files"]

MODELS_KEY = "general.models_file"
_NAMED = f"{MODELS_KEY}: "


def named_key(text: str) -> str:
    """What the digest of a file that a models file names stands under."""
    return f"{_NAMED}{text}"


def named_by(models_file: Path) -> dict[str, Path]:
    """The files that a models file names, by their names in there.

    Raises
    ------
    ConfigError
        If one is absent or outside the allowed folders, or the models file is not YAML.
    """
    found = [one.get("filename") for one in mappings_in(components_of(models_file))]
    return {text: resolve_data_path(text, MODELS_KEY) for text in found if isinstance(text, str)}


def components_of(models_file: Path) -> Any:
    """What stands under ``components`` of a models file.

    Raises
    ------
    ConfigError
        If it is not YAML, or has no components, with the line of the fault.
    """
    try:
        document = yaml.safe_load(models_file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        raise _refused(models_file, f"not YAML: {words}", mark) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refused(models_file, f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or "components" not in document:
        raise _refused(models_file, "has no components")
    return document["components"]


def _refused(models_file: Path, message: str, mark: yaml.Mark | None = None) -> ConfigError:
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    expected = "a models file of gammapy: components, a list of models"
    return ConfigError([Problem(str(models_file), line, column, "", message, expected)])


def mappings_in(document: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping of a YAML document, however deep; what aliases repeat comes once."""
    queue, seen = [document], set()
    while queue:
        one = queue.pop()
        if id(one) in seen or not isinstance(one, dict | list):
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            yield one
        queue += one.values() if isinstance(one, dict) else one


def with_named_files(product: Product) -> Product:
    """The product with the files that it was made from and still names.

    Raises
    ------
    ProductMissing
        If one has changed.
    """
    files: Mapping[str, str] = product.sidecar.get("files", {})
    named = {key.removeprefix(_NAMED): digest for key, digest in files.items() if key.startswith(_NAMED)}
    paths = {text: resolve_data_path(text, MODELS_KEY) for text in named}
    for text, path in paths.items():
        if file_sha256(path) != named[text]:
            raise ProductMissing(f"{text} is not what {product.uri} was made with; run that step again")
    return replace(product, files=paths) if paths else product
