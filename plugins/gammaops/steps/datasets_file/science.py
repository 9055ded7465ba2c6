"""Datasets file: datasets that gammapy has written, read by gammapy and published as products."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets import DATASET_REGISTRY
from gammapy.maps import Map

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError, DataError, NoWorkFound
from gammaops.physics.archive import lies_within
from gammaops.physics.dataset_metrics import good_times, livetime_seconds
from gammaops.physics.datasets_io import write_dataset
from gammaops.physics.datasets_section import datasets_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.datasets import MapDataset

    from gammaops.products.base import IndexDraft, Product
    from gammaops.steps.base import Scope, Section

__all__ = ["collect", "prepare", "report", "run", "sources", "split"]

TYPES = ("MapDataset", "MapDatasetOnOff", "SpectrumDataset", "SpectrumDatasetOnOff")
# Keywords of an OGIP spectrum that name further files.
OGIP = ("RESPFILE", "ANCRFILE", "BACKFILE")


def prepare(config: Mapping[str, Any]) -> Path:
    """The file; it is not opened."""
    return Path(config["datasets_file"]["path"])


def split(prepared: Path, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per dataset of the file."""
    try:
        entries = yaml.safe_load(prepared.read_text(encoding="utf-8"))["datasets"]
        rows = [(entry["name"], entry["type"], entry["filename"], entry.get("format", "")) for entry in entries]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        message = f"{prepared.name} is not what Datasets.write makes: {type(error).__name__}: {error}"
        raise AlgorithmError(message) from error
    states = [_state(prepared.parent, kind, str(filename)) for _, kind, filename, _ in rows]
    texts = {
        "label": [name for name, *_ in rows],
        "status": ["rejected" if reason else "selected" for reason in states],
        "reason_class": ["not-usable" if reason else "" for reason in states],
        "reason": states,
        "entry": [json.dumps(row) for row in rows],
    }
    return Table(texts, dtype=[str] * len(texts))


def _state(folder: Path, kind: str, filename: str) -> str:
    """Why a dataset cannot be taken over; empty if it can."""
    if kind not in TYPES:
        return f"a {kind} is none of {', '.join(TYPES)}"
    if not lies_within(folder, filename):
        return f"{filename} is not in the folder of the datasets file"
    outside = [name for name in _named(folder / filename) if not _is_below(folder, Path(filename).parent / name)]
    if outside:
        return (
            f"{filename} names {', '.join(outside)}, which is not in the folder of the datasets file; bring the files"
            " there and name them relative to it"
        )
    return ""


def _is_below(folder: Path, name: Path) -> bool:
    """Whether gammapy reads this file from the folder: it replaces variables of the environment in names."""
    return lies_within(folder, str(name)) and "$" not in str(name)


def _named(path: Path) -> list[str]:
    """Further files that a spectrum in OGIP format names; none of a file that is absent or damaged, as `run` says."""
    try:
        header = fits.getheader(path, 1)
    except (OSError, IndexError):
        return []
    found = [str(header.get(key) or "").strip() for key in OGIP]
    return [name for name in found if name.lower() not in ("", "none")]


def sources(prepared: Path, row: Mapping[str, Any]) -> list[Path]:
    """The dataset's files."""
    _, _, filename, _ = json.loads(row["entry"])
    first = prepared.parent / filename
    return [first, *(first.parent / name for name in _named(first))]


def run(
    prepared: Path, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Read one dataset with gammapy, and write it as every dataset here is written."""
    name, kind, filename, form = json.loads(row["entry"])
    entry = {"name": name, "type": kind, "filename": str(prepared.parent / filename)} | (
        {"format": form} if form else {}
    )
    _refuse_namesakes(prepared.parent / filename)
    try:
        dataset = DATASET_REGISTRY.get_cls(kind).from_dict(entry)
    except (KeyError, ValueError, TypeError, IndexError, OSError) as error:
        raise DataError("unreadable", f"gammapy cannot read {filename}: {type(error).__name__}: {error}") from error
    if dataset.counts is None:
        raise DataError("not-usable", f"{filename} holds no counts")
    if dataset.mask_safe is None:
        # As gammapy takes a dataset without one; here every step asks for it.
        dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=np.ones(dataset.counts.data.shape, dtype=bool))
    metrics = _metrics(dataset)
    write_dataset(dataset, out["dataset"])
    return metrics


def _refuse_namesakes(path: Path) -> None:
    """Gammapy looks for the further files of a spectrum in the working directory first."""
    for name in _named(path):
        if Path(name).exists() and not Path(name).samefile(path.parent / name):
            raise DataError("not-usable", f"gammapy would read {Path(name).resolve()} as the {name} of {path.name}")


def _metrics(dataset: MapDataset) -> dict[str, Any]:
    meta, livetime = dataset.meta_table, livetime_seconds(dataset)
    told = {} if meta is None else {key: meta[key][0] for key in ("OBS_ID", "TELESCOP") if key in meta.colnames}
    return {
        "name": dataset.name,
        "obs_ids": _numbers(told.get("OBS_ID")),
        "livetime_s": livetime if np.isfinite(livetime) else 0.0,
        "gti": good_times(dataset.gti),
        "instrument": str(told.get("TELESCOP", "")),
    }


def _numbers(obs_id: Any) -> list[int]:
    """Numbers of the observations; a stack lists several."""
    if obs_id is None:
        return []
    found = obs_id if hasattr(obs_id, "__len__") and not isinstance(obs_id, str) else [obs_id]
    return [int(one) for one in found if str(one).isdigit()]


def collect(
    prepared: Path,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, IndexDraft],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """List the datasets in the order of the file."""
    if not parts:
        raise NoWorkFound("no dataset can be taken over")
    for part in parts:
        out["datasets"].add(part, dict(part.metrics))
    return {"datasets": len(parts), "livetime_s": sum(part.metrics["livetime_s"] for part in parts)}


def report(product: Product) -> Section:
    """What the datasets hold."""
    return datasets_section(product)
