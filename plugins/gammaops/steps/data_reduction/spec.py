"""Data reduction: what it is."""

from __future__ import annotations

from gammaops.schema import (
    at_most_one,
    block,
    choice,
    choices,
    covers,
    energy_axis,
    exclusion,
    flag,
    increasing,
    integers,
    needs,
    path,
    quantity,
    sky_circle,
    sky_position,
    sky_region,
    time,
    time_intervals,
    variants,
)
from gammaops.schema.arguments import BACKGROUND, NO_MASK, SAFE_MASK, SAFE_MASK_METHODS
from gammaops.schema.datasets import DATASETS_RULES, REDUCTION_RULES, cube_size, mask_can_be_used
from gammaops.schema.quality import QUALITY
from gammaops.steps.base import Fan, Output, Port, StepSpec

_OBSERVATIONS = {
    "datastore": path("Folder with the DL3 index files"),
    "obs_ids": integers("Observations to take; not given: all that the selection admits"),
    "obs_file": path("Text file with one obs_id per line"),
    "obs_cone": sky_circle("Observations that point into this circle"),
    "obs_time": block(
        "Observations that start in this interval",
        {"start": time("Earliest TSTART, UTC"), "stop": time("Latest TSTART, UTC")},
        [increasing("start", "stop")],
    ),
    "time_intervals": time_intervals("Intervals that observations are cut into, a dataset for each; not given: whole"),
    "required_irf": choices(
        ("events", "gti", "aeff", "bkg", "edisp", "psf", "rad_max"),
        "HDUs without which an observation cannot be used",
        ["aeff", "edisp", "psf", "bkg"],
    ),
    "settle": quantity("s", "A file that is not whole and changed so recently is still being copied", "600 s", low=0),
    "duplicates": choice(
        ("block", "first", "last"), "Which is taken of versions listed under one obs_id; copies are taken once", "block"
    ),
    "quality": block("Cuts that reject an observation", QUALITY),
}

_WCS = {
    "skydir": sky_position("Centre of the map"),
    "binsize": quantity("deg", "Pixel size", "0.02 deg", above=0),
    "width": block(
        "Size of the map",
        {
            "width": quantity("deg", "Along longitude", "5 deg", above=0, high=360),
            "height": quantity("deg", "Along latitude", "5 deg", above=0, high=180),
        },
    ),
    "binsize_irf": quantity("deg", "Pixel size of the IRF maps", "0.2 deg", above=0),
}

_GEOM = {
    "wcs": block("Sky geometry (3d)", _WCS),
    "selection": block("Events kept", {"offset_max": quantity("deg", "Largest offset", "2.5 deg", above=0)}),
    "axes": block(
        "Energy axes",
        {
            "energy": energy_axis("Reconstructed energy", "1 TeV", "10 TeV", 5),
            "energy_true": energy_axis("True energy", "0.5 TeV", "20 TeV", 16),
        },
        [covers("energy_true", "energy")],
    ),
}

_BACKGROUND = {
    "method": choice(
        tuple(BACKGROUND),
        "How background is estimated",
        aliases={"fov_background": "fov", "adaptive_ring": "adaptive-ring", "none": None},
    ),
    "exclusion": exclusion("Left out of background estimation: a FITS mask, a DS9 region file, or a list of regions"),
    "parameters": variants("method", "Arguments of the background maker", BACKGROUND),
}

_MAPS = ("counts", "exposure", "background", "psf", "edisp")
_DATASETS = {
    "type": choice(("1d", "3d"), "Spectrum in a region, or map", "1d"),
    "stack": flag("Stack the observations of one step to one dataset", default=True),
    "geom": block("Geometry", _GEOM),
    "map_selection": choices(_MAPS, "Maps to make (3d)", _MAPS),
    "background": block("Background", _BACKGROUND),
    "safe_mask": block(
        "Energies and offsets that are safe to use",
        {
            "methods": choices(
                SAFE_MASK_METHODS, "Criteria that must all hold; [] or none: no mask", ["aeff-default"], none=NO_MASK
            ),
            "parameters": block("Arguments of SafeMaskMaker", SAFE_MASK),
        },
    ),
    "on_region": sky_region("Region of the spectrum (1d); without radius as large as the archive's RAD_MAX says"),
    "containment_correction": flag("Correct for events outside the ON region (1d)", default=True),
}

SPEC = StepSpec(
    tag="data-reduction",
    doc="Reduces DL3 observations to datasets: spectra with ON and OFF (1d) or maps (3d).",
    version=3,
    schema={
        "observations": block(
            "Which observations are taken",
            _OBSERVATIONS,
            [at_most_one("obs_ids", "obs_file"), needs("datastore", "a folder, such as $GAMMAPY_DATA/hess-dl3-dr1")],
        ),
        "datasets": block("How observations become datasets", _DATASETS, DATASETS_RULES),
    },
    rules=REDUCTION_RULES,
    role_rules={"exclusion": (mask_can_be_used,)},
    size=cube_size,
    reads=("datasets", "observations.required_irf"),
    collect_reads=("datasets.stack",),
    consumes={
        "exclusion": Port(("mask",), "What no background is estimated from, beside `background.exclusion`", min=0)
    },
    produces={"datasets": Output("datasets", ".json", "One dataset per observation, or one stacked", "dataset")},
    folders=("observations.datastore", "observations.obs_file", "observations.quality.overrides"),
    files=("datasets.background.exclusion",),
    # The Earth orientation tables move AltAz coordinates, by which gammapy rotates IRFs and fields of view.
    packages=("astropy-iers-data",),
    fan_out=Fan(over="observations", table="observations", part=Output("dataset", ".fits")),
    observations=True,
)
