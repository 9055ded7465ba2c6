"""Arguments of gammapy's makers and estimators that ``parameters:`` may set, with gammapy's own defaults.

They are written out because gammapy is not imported when a config is read; a test compares them with its signatures.
Left out are arguments that gammaops sets itself (``n_jobs``, ``energy_edges``, ``exclusion_mask``, …) and those that
take Python objects.
"""

from __future__ import annotations

from gammaops.schema.fragments import Rules, choice, choices, flag, integer, number, phases, quantity, text

__all__ = [
    "BACKGROUND",
    "EXCESS_MAP",
    "FLUX_POINTS",
    "FLUX_PROFILE",
    "LIGHT_CURVE",
    "NO_MASK",
    "SAFE_MASK",
    "SAFE_MASK_METHODS",
    "SENSITIVITY",
    "TS_MAP",
]

NO_MASK = "none"
SAFE_MASK_METHODS = ("aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak")

SAFE_MASK: dict[str, Rules] = {
    "aeff_percent": number("aeff-max: least effective area, in percent of its maximum", 10.0, low=0, high=100),
    "bias_percent": number("edisp-bias: largest energy bias, in percent", 10.0, low=0, high=100),
    "fixed_offset": quantity(
        "deg", "Offset at which aeff-max and edisp-bias look; not given: the dataset's own", low=0
    ),
    "offset_max": quantity("deg", "offset-max: largest offset from the pointing", "3 deg", above=0),
    "irfs": choice(("DL4", "DL3"), "Which IRFs aeff-max, edisp-bias and bkg-peak look at", "DL4"),
}

REFLECTED: dict[str, Rules] = {
    "angle_increment": quantity("rad", "Step between two OFF regions tried", "0.1 rad", above=0),
    "min_distance": quantity("rad", "Least angle between OFF regions", "0 rad", low=0),
    "min_distance_input": quantity("rad", "Least angle between ON and the first OFF region", "0.1 rad", low=0),
    "max_region_number": integer("Largest number of OFF regions", 10000, low=1),
    "binsz": quantity("deg", "Pixel size of the map on which regions are found", "0.01 deg", above=0),
}

WOBBLE: dict[str, Rules] = {
    "n_off_regions": integer("Number of OFF regions, evenly around the pointing with ON; required", low=1, high=1000)
    | {"required": True},
    "binsz": quantity("deg", "Pixel size of the map on which regions are found", "0.01 deg", above=0),
}

PHASE: dict[str, Rules] = {
    "on_phase": phases("Phase interval `[from, to]` of the pulse, or a list of them; required") | {"required": True},
    "off_phase": phases("Phase interval of the background, or a list of them; required") | {"required": True},
    "phase_column_name": text("Column of the event list with the phase, 0 to 1", "PHASE"),
}

RING: dict[str, Rules] = {
    "r_in": quantity("deg", "Inner radius of the ring; required", above=0) | {"required": True},
    "width": quantity("deg", "Width of the ring; required", above=0) | {"required": True},
}

ADAPTIVE_RING: dict[str, Rules] = {
    "r_in": quantity("deg", "Inner radius of the first ring; required", above=0) | {"required": True},
    "r_out_max": quantity("deg", "Largest outer radius of a ring; required", above=0) | {"required": True},
    "width": quantity("deg", "Width of the first ring; required", above=0) | {"required": True},
    "stepsize": quantity("deg", "Step between one ring and the next", "0.02 deg", above=0),
    "threshold_alpha": number("Ratio of ON to OFF acceptance above which a larger ring is taken", 0.1, low=0),
    "theta": quantity("deg", "Radius for that ratio; gammapy 2.1 takes one pixel whatever it is", "0.22 deg", above=0),
    "method": choice(("fixed_width", "fixed_r_in"), "Which of width and inner radius stays", "fixed_width"),
}

FOV: dict[str, Rules] = {
    "method": choice(("scale", "fit"), "How the background model is normalised", "scale"),
    "spectral_model": choice(("pl-norm", "lp-norm"), "Norm model of the background", "pl-norm"),
    "min_counts": integer("Least counts outside the exclusion region for a normalisation", 0, low=0),
    "min_npred_background": number("Least predicted background for a normalisation", 0.0, low=0),
}

BACKGROUND = {
    "reflected": REFLECTED,
    "wobble": WOBBLE,
    "phase": PHASE,
    "ring": RING,
    "adaptive-ring": ADAPTIVE_RING,
    "fov": FOV,
}

_SIGMA: dict[str, Rules] = {
    "n_sigma": number("Confidence of errors, in sigma", 1.0, low=0),
    "n_sigma_ul": number("Confidence of upper limits, in sigma", 2.0, low=0),
    "n_sigma_sensitivity": number("Significance that defines sensitivity, in sigma", 5.0, low=0),
}

FLUX_POINTS: dict[str, Rules] = {
    **_SIGMA,
    "selection_optional": choices(
        ("errn-errp", "ul", "scan", "sensitivity"), "Quantities beyond norm, error and significance", ["ul"]
    ),
    "reoptimize": flag("Fit the other free parameters again in each bin", default=False),
    "sum_over_energy_groups": flag("Sum each energy group to one bin before the fit", default=False),
    "allow_multiple_telescopes": flag("Combine datasets of several telescopes", default=False),
}

LIGHT_CURVE: dict[str, Rules] = {
    **FLUX_POINTS,
    "atol": quantity("s", "Tolerance on the ends of time intervals", "1e-06 s", low=0),
    "stack_over_time_interval": flag("Stack the datasets of each interval before the fit", default=False),
}

EXCESS_MAP: dict[str, Rules] = {
    **_SIGMA,
    "selection_optional": choices(
        ("errn-errp", "ul", "sensitivity", "alpha", "acceptance_on", "acceptance_off"), "Further maps"
    ),
    "correlate_off": flag("Correlate OFF counts too", default=True),
    "gamma_min_sensitivity": number("Least excess counts for sensitivity", 10.0, low=0),
    "bkg_syst_fraction_sensitivity": number("Systematic fraction of background for sensitivity", 0.05, low=0),
    "apply_threshold_sensitivity": flag("Apply gamma_min and bkg_syst_fraction", default=False),
    "sum_over_energy_groups": flag("Only the integral over each energy group", default=False),
}

TS_MAP: dict[str, Rules] = {
    **_SIGMA,
    "threshold": number("TS of the first guess below which the flux is not fitted; not given: fit everywhere", low=0),
    "rtol": number("Relative precision of the fitted flux", 0.01, low=0),
    "selection_optional": choices(("errn-errp", "ul", "sensitivity"), "Further maps"),
    "sum_over_energy_groups": flag("Sum each energy group to one bin before the fit", default=True),
    "max_niter": integer("Largest number of iterations per pixel", 100, low=1),
}

SENSITIVITY: dict[str, Rules] = {
    "n_sigma": number("Least significance of a detection", 5.0, low=0),
    "gamma_min": number("Least excess counts of a detection", 10.0, low=0),
    "bkg_syst_fraction": number("Least excess of a detection as a fraction of the background", 0.05, low=0),
}

FLUX_PROFILE: dict[str, Rules] = {
    name: rules for name, rules in FLUX_POINTS.items() if name not in ("reoptimize", "allow_multiple_telescopes")
}
