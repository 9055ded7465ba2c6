"""Flux points and light curves in files that say all of themselves.

The table ``FLUXPOINTS`` is gammapy's own (``likelihood``: `norm` and `ref_*`). Read by gammapy without the reference
model, such a file gives fluxes that are wrong, for one energy bin by a factor of some, because the model is then
guessed from `ref_dnde`. Therefore the HDU ``MODEL`` holds the model as lines of YAML, with which `read_flux_points`
reads it, and the table has the fluxes themselves too: ``FluxPoints.read(path, sed_type="flux")`` needs no model. A
morphology that lies in another file is left out: fluxes do not need it, and the file may not be where this is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import yaml
from astropy.io import fits
from astropy.table import Table, vstack
from gammapy.data import GTI
from gammapy.estimators import FluxMaps, FluxPoints
from gammapy.modeling.models import Models, SkyModel

from gammaops.physics.models_io import without_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["join_parts", "model_hdu", "read_flux_maps", "read_flux_points", "write_flux_maps", "write_flux_points"]

TABLE = "FLUXPOINTS"
MODEL = "MODEL"
REFERENCE = "reference"
PER_DATASET = ("counts", "npred", "npred_excess")
PLAIN_QUANTITIES = ("", "_err", "_errn", "_errp", "_ul")


def model_hdu(model: SkyModel) -> fits.BinTableHDU:
    """The reference model as a table of YAML lines, which ``Models.from_yaml`` takes."""
    text = yaml.safe_dump(_plain_model(model), sort_keys=False, width=70)
    return fits.BinTableHDU(Table({"YAML": text.splitlines()}), name=MODEL)


def read_model(hdus: fits.HDUList) -> SkyModel:
    """The reference model of an open file."""
    lines = [line.decode() if isinstance(line, bytes) else str(line) for line in hdus[MODEL].data["YAML"]]
    return Models.from_yaml("\n".join(lines))[0]


def write_flux_points(points: FluxPoints, path: Path) -> None:
    """Write flux points or a light curve with their reference model."""
    # For an index of exactly 2 gammapy divides by zero before it takes the logarithm instead: no news in a log.
    with np.errstate(divide="ignore", invalid="ignore"):
        table = points.to_table(sed_type="likelihood")
        others = {sed_type: points.to_table(sed_type=sed_type) for sed_type in ("flux", "dnde")}
    for sed_type, other in others.items():
        for name in (f"{sed_type}{suffix}" for suffix in PLAIN_QUANTITIES):
            if name in other.colnames:
                table[name] = other[name]
    table.meta["N_SIGMA"] = points.n_sigma
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name=TABLE)]
    if points.gti:
        hdus.append(points.gti.to_table_hdu())
    fits.HDUList([*hdus, model_hdu(points.reference_model)]).writeto(path, overwrite=True)


def read_flux_points(path: Path) -> FluxPoints:
    """Flux points or a light curve with the reference model they were made with."""
    table, gti, model = _read(path)
    return _from_table(table, gti, model)


def write_flux_maps(maps: FluxMaps, path: Path) -> None:
    """Write maps with their reference model, those too that gammapy's own writer leaves out (``alpha``, …)."""
    hdus = maps.to_hdulist()
    for name, item in maps._data.items():
        if name.upper() not in hdus:
            hdus.extend(item.to_hdulist(hdu=name, hdu_bands=f"{name}_BANDS")[1:])
    hdus.append(model_hdu(maps.reference_model))
    hdus.writeto(path, overwrite=True)


def read_flux_maps(path: Path) -> FluxMaps:
    """Maps with the reference model they were made with."""
    with fits.open(path, memmap=False) as hdus:
        maps = FluxMaps.from_hdulist(hdus)
        model = read_model(hdus)
    return FluxMaps(maps._data, reference_model=model, meta=maps.meta, gti=maps.gti)


def join_parts(paths: Sequence[Path], columns: Sequence[Sequence[str]] | None = None) -> FluxPoints:
    """Flux points or light curve joined from parts of one bin each, in the order given.

    Parameters
    ----------
    paths : sequence of Path
        Files of the parts, made with the same reference model.
    columns : sequence of sequence of str, optional
        Names of the datasets that each part was made from. Where parts differ, `counts` and `npred` get a column for
        every name, NaN where a part did not use it, as gammapy does.
    """
    parts = [_read(path) for path in paths]
    tables = [table for table, _, _ in parts]
    if columns is not None:
        names = list(dict.fromkeys(name for part in columns for name in part))
        for table, own in zip(tables, columns, strict=True):
            _spread(table, own, names)
    joined = vstack(tables, metadata_conflicts="silent")
    joined.meta = tables[0].meta
    gtis = [gti for _, gti, _ in parts if gti is not None]
    whole = GTI.from_stack(gtis) if gtis and "time_min" in joined.colnames else parts[0][1]
    return _from_table(joined, whole, parts[0][2])


def _spread(table: Table, own: Sequence[str], names: Sequence[str]) -> None:
    places = [names.index(name) for name in own]
    for column in PER_DATASET:
        if column in table.colnames:
            values = np.asarray(table[column], dtype=float).reshape(len(table), -1, len(own))
            spread = np.full((*values.shape[:2], len(names)), np.nan)
            spread[..., places] = values
            table[column] = spread


def _read(path: Path) -> tuple[Table, GTI | None, SkyModel]:
    with fits.open(path, memmap=False) as hdus:
        gti = GTI.from_table_hdu(hdus["GTI"]) if "GTI" in hdus else None
        return Table.read(hdus[TABLE], mask_invalid=False), gti, read_model(hdus)


def _from_table(table: Table, gti: GTI | None, model: SkyModel) -> FluxPoints:
    points = FluxPoints.from_table(table, sed_type="likelihood", reference_model=model, gti=gti)
    points.meta["n_sigma"] = table.meta.get("N_SIGMA", 1)
    return points


def _plain_model(model: SkyModel) -> dict:
    (component,) = Models([model]).to_dict(full_output=False)["components"]
    # Estimators give their copy of the model a random name, another in every process.
    component = without_files({**component, "name": REFERENCE})
    return yaml.safe_load(yaml.dump({"components": [_builtin(component)]}))


def _builtin(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _builtin(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_builtin(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
