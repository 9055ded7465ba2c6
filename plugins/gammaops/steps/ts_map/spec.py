"""TS map: what it is."""

from __future__ import annotations

from gammaops.schema import block, choice, energy_axis, number, quantity, texts, variants
from gammaops.schema.arguments import TS_MAP
from gammaops.schema.origins import background_model, energies_of_datasets
from gammaops.steps.base import Fan, Output, Port, StepSpec

_SHAPES = {
    "gauss": {"sigma": quantity("deg", "Width of the Gaussian; required", above=0) | {"required": True}},
    "disk": {"r_0": quantity("deg", "Radius of the disk; required", above=0) | {"required": True}},
}

_KERNEL = {
    "spatial": choice(("point", "gauss", "disk"), "Shape of the source before the PSF", "point"),
    "parameters": variants("spatial", "Size of the source", _SHAPES),
    "index": number("Spectral index of its power law", 2.0, low=0, high=10),
}

_TS_MAP = {
    "kernel_model": block("The source whose test statistic is mapped", _KERNEL),
    "kernel_width": quantity("deg", "Width at which source and PSF are cut off", "0.5 deg", above=0, high=20),
    "energy_edges": energy_axis("Energy bins, a map for each; not given: one over the whole range"),
    "models_left_out": texts("Names of models of the fit that stay in the map instead of being subtracted"),
    "tile_width": quantity("deg", "Width of a tile, one mapped task each; not given: 100 pixels", above=0),
    "parameters": block("Arguments of TSMapEstimator", TS_MAP),
}

SPEC = StepSpec(
    tag="ts-map",
    doc="Maps the test statistic and flux of a source at every position, tile by tile.",
    version=3,
    schema={"ts_map": block("Which map is made", _TS_MAP)},
    reads=("ts_map",),
    consumes={
        "datasets": Port(("datasets",), "Map datasets with a background model, each instrument stacked", max=None),
        "fit": Port(("fit",), "Models of known sources and of the background, which are subtracted", min=0),
    },
    input_rules={"datasets": {"data-reduction": (background_model,)}},
    origin_rules=(energies_of_datasets("ts_map.energy_edges"),),
    produces={"ts_map": Output("ts_map", ".fits", "Maps of TS, flux and their errors")},
    fan_out=Fan(over="map tiles", table="tiles", part=Output("ts_map_part", ".fits")),
    dataset_types=("3d",),
)
