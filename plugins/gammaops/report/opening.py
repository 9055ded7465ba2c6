"""How an analyst opens each kind of product with gammapy alone."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["how_to_open", "local_path"]

_FLUX_POINTS = """\
# Without its model gammapy guesses one, and the fluxes come out wrong, a light curve's by tens of per cent.
from astropy.table import Table
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import Models

path = {path}
model = Models.from_yaml("\\n".join(Table.read(path, hdu="MODEL")["YAML"]))[0]
points = FluxPoints.read(path, reference_model=model)"""

_FLUX_MAPS = """\
from astropy.table import Table
from gammapy.estimators import FluxMaps
from gammapy.modeling.models import Models

path = {path}
model = Models.from_yaml("\\n".join(Table.read(path, hdu="MODEL")["YAML"]))[0]
found = FluxMaps.read(path)
maps = FluxMaps(found._data, reference_model=model, meta=found.meta, gti=found.gti)"""

_RECIPES = MappingProxyType(
    {
        "datasets": """\
import json
from pathlib import Path
from gammapy.datasets import Datasets, SpectrumDatasetOnOff  # or SpectrumDataset, MapDataset, MapDatasetOnOff

members = json.loads(Path({path}).read_text())["members"]
datasets = Datasets([SpectrumDatasetOnOff.read(one["path"], format="gadf", name=one["name"]) for one in members])
datasets.info_table()""",
        "flux_points": _FLUX_POINTS
        + """
points.to_table(sed_type="dnde", formatted=True)""",
        "light_curve": _FLUX_POINTS
        + """
points.to_table(sed_type="flux", format="lightcurve", formatted=True)""",
        "flux_profile": _FLUX_POINTS
        + """
points.to_table(sed_type="flux", format="profile", formatted=True)""",
        "ts_map": _FLUX_MAPS
        + """
maps.sqrt_ts.plot_interactive(add_cbar=True)""",
        "excess_map": """\
from gammapy.estimators import FluxMaps

maps = FluxMaps.read({path})
maps.sqrt_ts.plot(add_cbar=True)""",
        "mask": """\
from gammapy.maps import Map

mask = Map.read({path})
mask.data = mask.data.astype(bool)  # false: excluded
mask.plot()""",
        "fit": """\
from gammapy.modeling.models import Models

models = Models.read({path})
models.to_parameters_table()""",
    }
)


def local_path(uri: str) -> str:
    """The path as programs on the same machine take it: without ``file://`` and without fragment."""
    return uri.removeprefix("file://").split("#", 1)[0]


def how_to_open(kind: str, uri: str) -> str:
    """Python that opens a product; empty for kinds that any table reader opens."""
    recipe = _RECIPES.get(kind, "")
    return recipe.replace("{path}", repr(local_path(uri)))
