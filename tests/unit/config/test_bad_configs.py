"""Every kind of mistake in a config is found when it is read, and told with its place, what was expected, and a remedy."""

from __future__ import annotations

import pytest
from gammaops.config import parse_config
from gammaops.errors import ConfigError

# What to replace in tests/data/crab.yaml, by what, and all that is to be said about it.
CASES = [
    (
        "type: 1d",
        "typ: 1d",
        [
            "22:3: datasets.typ: unknown key; expected one of: type, stack, geom, map_selection, background, safe_mask, on_region, containment_correction; did you mean type?",
        ],
    ),
    (
        "type: 1d",
        "type: 2d",
        [
            "22:3: datasets.type: '2d' is unknown; expected one of: 1d, 3d",
        ],
    ),
    (
        "nbins: 72",
        "nbins: true",
        [
            "24:54: datasets.geom.axes.energy.nbins: true does not fit; expected a whole number",
        ],
    ),
    (
        "nbins: 72",
        "nbins: 0",
        [
            "24:54: datasets.geom.axes.energy.nbins: 0 is out of range; expected at least 1",
        ],
    ),
    (
        "nbins: 72",
        "nbins: 7.5",
        [
            "24:54: datasets.geom.axes.energy.nbins: 7.5 does not fit; expected a whole number",
        ],
    ),
    (
        "radius: 0.11 deg",
        "radius: 0.11",
        [
            "25:60: datasets.on_region.radius: 0.11 has no unit; expected an angle such as 1 deg; did you mean 0.11 deg?",
        ],
    ),
    (
        "radius: 0.11 deg",
        "radius: 0.11 TeV",
        [
            "25:60: datasets.on_region.radius: 'TeV' is a unit of energy; expected an angle such as 1 deg",
        ],
    ),
    (
        "radius: 0.11 deg",
        "radius: 0.11 dge",
        [
            "25:60: datasets.on_region.radius: 'dge' is not a unit; expected an angle such as 1 deg; did you mean deg?",
        ],
    ),
    (
        "radius: 0.11 deg",
        "radius: -1 deg",
        [
            "25:60: datasets.on_region.radius: -1 deg is out of range; expected more than 0 deg",
        ],
    ),
    (
        ", radius: 0.11 deg",
        "",
        [
            "25:3: datasets.on_region: radius not given; expected all of frame, lon, lat, radius, or none (given: frame, lon, lat)",
        ],
    ),
    (
        "lat: 22.01 deg, radius: 0.11",
        "lat: 122 deg, radius: 0.11",
        [
            "25:44: datasets.on_region.lat: 122 deg is out of range; expected at most 90 deg",
        ],
    ),
    (
        "frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11",
        "frame: fk5, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11",
        [
            "25:15: datasets.on_region.frame: 'fk5' is unknown; expected one of: icrs, galactic",
        ],
    ),
    (
        "min: 0.1 TeV, max: 100 TeV",
        "min: 100 TeV, max: 0.1 TeV",
        [
            "24:26: datasets.geom.axes.energy.min: 100 TeV is not below max (0.1 TeV); expected min < max",
        ],
    ),
    (
        "min: 0.05 TeV",
        "min: 0.5 TeV",
        [
            "24:80: datasets.geom.axes.energy_true.min: 0.5 TeV is above energy.min (0.1 TeV); expected energy_true to cover energy",
        ],
    ),
    (
        "min: 0.05 TeV",
        "min: 0.05 m",
        [
            "24:80: datasets.geom.axes.energy_true.min: 'm' is a unit of length; expected an energy such as 1 TeV",
        ],
    ),
    (
        "method: reflected",
        "method: ring",
        [
            "26:3: datasets.background.parameters.r_in: not given; expected a value; there is no default",
            "26:3: datasets.background.parameters.width: not given; expected a value; there is no default",
            "26:16: datasets.background.method: ring does not fit: type is 1d; expected reflected or none",
        ],
    ),
    (
        "method: reflected",
        "method: reflectd",
        [
            "26:16: datasets.background.method: 'reflectd' is unknown; expected one of: reflected, ring, fov, fov_background, none; did you mean reflected?",
        ],
    ),
    (
        "method: reflected",
        "method: reflected, parameters: {min_distanc: 0.1 rad}",
        [
            "26:48: datasets.background.parameters.min_distanc: unknown key; expected one of: angle_increment, min_distance, min_distance_input, max_region_number, binsz; did you mean min_distance?",
        ],
    ),
    (
        "method: reflected",
        "method: reflected, parameters: {min_distance: 0.1}",
        [
            "26:48: datasets.background.parameters.min_distance: 0.1 has no unit; expected an angle such as 1 rad; did you mean 0.1 rad?",
        ],
    ),
    (
        "{method: reflected}",
        "{parameters: {min_distance: 0.1 rad}}",
        [
            "26:16: datasets.background.parameters: keys given, but method is not given; expected no keys, or method: reflected or ring or fov",
        ],
    ),
    (
        "type: 1d",
        "type: 3d",
        [
            "24:3: datasets.geom.wcs.skydir.lon: not given: type is 3d; expected frame, lon and lat of the map's centre",
            "26:16: datasets.background.method: reflected does not fit: type is 3d; expected ring, fov or none",
        ],
    ),
    (
        "bias_percent: 10",
        "bias_procent: 10",
        [
            "27:51: datasets.safe_mask.parameters.bias_procent: unknown key; expected one of: aeff_percent, bias_percent, fixed_offset, offset_max, irfs; did you mean bias_percent?",
        ],
    ),
    (
        "bias_percent: 10",
        "bias_percent: 1e1",
        [
            "27:65: datasets.safe_mask.parameters.bias_percent: 1e1 is text in YAML 1.1, not a number; expected 1.0e+1",
        ],
    ),
    (
        "bias_percent: 10",
        'bias_percent: "10"',
        [
            "27:51: datasets.safe_mask.parameters.bias_percent: '10' does not fit; expected a number",
        ],
    ),
    (
        "bias_percent: 10",
        "bias_percent: .nan",
        [
            "27:65: datasets.safe_mask.parameters.bias_percent: .nan is not a finite number; expected a finite number",
        ],
    ),
    (
        "bias_percent: 10",
        "bias_percent: 110",
        [
            "27:51: datasets.safe_mask.parameters.bias_percent: 110 is out of range; expected at most 100",
        ],
    ),
    (
        "[edisp-bias]",
        "[edisp_bias]",
        [
            "27:15: datasets.safe_mask.methods: 'edisp_bias' is unknown; expected some of: aeff-default, aeff-max, edisp-bias, offset-max, bkg-peak; did you mean edisp-bias?",
        ],
    ),
    (
        "[edisp-bias]",
        "[edisp-bias, edisp-bias]",
        [
            "27:15: datasets.safe_mask.methods: 'edisp-bias' is listed twice; expected each once",
        ],
    ),
    (
        "stack: false",
        "stack: no",
        [
            '23:10: datasets.stack: no is text for some YAML readers and a truth value for others; expected false, or "no" in quotes',
        ],
    ),
    (
        "stack: false",
        "stack: 0",
        [
            "23:3: datasets.stack: 0 does not fit; expected true or false",
        ],
    ),
    (
        "stack: false",
        "stack: false\n  stack: true",
        [
            "24:3: datasets.stack: given twice, first in line 23, column 3; expected each key once",
        ],
    ),
    (
        "  stack: false",
        "  stack: &s false",
        [
            "23:10: datasets.stack: anchor &s; expected the value without it",
        ],
    ),
    (
        "  stack: false",
        "  stack: !!bool false",
        [
            "23:10: datasets.stack: tag !!bool; expected plain values; quote text",
        ],
    ),
    (
        "$GAMMAPY_DATA/hess-dl3-dr1",
        "$HOME/hess",
        [
            "18:3: observations.datastore: the variable in '$HOME/hess' is not expanded; expected a path relative to the data folders, or one that starts with $GAMMAPY_DATA/ or $GAMMAOPS_DATA/",
        ],
    ),
    (
        "$GAMMAPY_DATA/hess-dl3-dr1",
        "../hess",
        [
            "18:3: observations.datastore: '../hess' leads out of its folder; expected a path relative to the data folders, or one that starts with $GAMMAPY_DATA/ or $GAMMAOPS_DATA/",
        ],
    ),
    (
        "$GAMMAPY_DATA/hess-dl3-dr1",
        "s3://bucket/hess",
        [
            "18:3: observations.datastore: 's3://bucket/hess' is a URL; expected a path relative to the data folders, or one that starts with $GAMMAPY_DATA/ or $GAMMAOPS_DATA/",
        ],
    ),
    (
        "  datastore: $GAMMAPY_DATA/hess-dl3-dr1\n",
        "",
        [
            "17:1: observations.datastore: not given; expected a folder, such as $GAMMAPY_DATA/hess-dl3-dr1",
        ],
    ),
    (
        "  obs_cone",
        "  obs_ids: [20136, 20136]\n  obs_cone",
        [
            "19:3: observations.obs_ids: 20136 is listed twice; expected each once",
        ],
    ),
    (
        "  obs_cone",
        "  obs_ids: [020136]\n  obs_cone",
        [
            '19:13: observations.obs_ids[0]: 020136 is the octal number 8286 in YAML 1.1; expected 20136, or "020136" in quotes',
        ],
    ),
    (
        "  obs_cone",
        "  obs_ids: [a]\n  obs_cone",
        [
            "19:3: observations.obs_ids: 'a' is not a whole number from 0 on; expected whole numbers",
        ],
    ),
    (
        "  obs_cone",
        "  obs_ids: [1]\n  obs_file: x.txt\n  obs_cone",
        [
            "20:3: observations.obs_file: given together with obs_ids; expected only one of obs_ids, obs_file",
        ],
    ),
    (
        "  obs_cone",
        "  obs_time: {start: 12:30:00}\n  obs_cone",
        [
            '19:21: observations.obs_time.start: 12:30:00 is the base-60 number 45000 in YAML 1.1; expected "12:30:00" in quotes',
        ],
    ),
    (
        "  obs_cone",
        "  obs_time: {start: 2006-07-30, stop: 2006-07-29}\n  obs_cone",
        [
            "19:14: observations.obs_time.start: 2006-07-30T00:00:00 is not below stop (2006-07-29T00:00:00); expected start < stop",
        ],
    ),
    (
        "  obs_cone",
        "  obs_time: {start: 2006-02-30}\n  obs_cone",
        [
            "19:14: observations.obs_time.start: '2006-02-30' is not a time: day is out of range for month; expected a UTC time such as 2006-07-29T20:30:00",
        ],
    ),
    (
        "site: hess ",
        "site: hes ",
        [
            "3:3: dag.site: 'hes' is not a known site; expected one of: ctao-north, ctao-south, hess, magic, veritas; or {lon, lat, height}; did you mean hess?",
        ],
    ),
    (
        "schedule: nightly ",
        "schedule: nigthly ",
        [
            "4:3: dag.schedule: 'nigthly' is not a schedule; expected nightly, a cron expression in UTC such as '0 12 * * *', or {product: <analysis>/<name>}; did you mean nightly?",
        ],
    ),
    (
        "schedule: nightly ",
        "schedule: 61 * * * * ",
        [
            "4:3: dag.schedule: '61' is not a minute of a cron expression; expected 0 to 59, *, ranges, lists or steps",
        ],
    ),
    (
        "  start: 2004-12-01\n",
        "",
        [
            "2:1: dag.start: not given: schedule is nightly; expected the date of the first night, such as 2026-11-01",
        ],
    ),
    (
        "  site: hess ",
        "  # ",
        [
            "2:1: dag.site: not given: schedule is nightly and observations is night; expected a known site, or {lon, lat, height}",
        ],
    ),
    (
        "start: 2004-12-01",
        "start: 1 December",
        [
            "5:3: dag.start: '1 December' is not a date; expected a date such as 2006-07-29",
        ],
    ),
    (
        "delay: 3 h",
        "delay: 3",
        [
            "8:3: dag.delay: 3 has no unit; expected a time such as 1 h; did you mean 3 h?",
        ],
    ),
    (
        "max_quarantined: 20 %",
        "max_quarantined: 120 %",
        [
            "13:3: dag.max_quarantined: 120 % is out of range; expected at most 100 %",
        ],
    ),
    (
        "retries: 2",
        "retries: -1",
        [
            "14:3: dag.retries: -1 is out of range; expected at least 0",
        ],
    ),
    (
        "observations: night",
        "observations: tonight",
        [
            "9:3: dag.observations: 'tonight' is unknown; expected one of: night, cumulative, all; did you mean night?",
        ],
    ),
    (
        "on_bad_observation: quarantine",
        "on_bad_observation: ignore",
        [
            "12:3: dag.on_bad_observation: 'ignore' is unknown; expected one of: quarantine, fail",
        ],
    ),
    (
        "observations_per_task: auto",
        "observations_per_task: 0",
        [
            "10:3: dag.observations_per_task: 0 is out of range; expected at least 1",
        ],
    ),
    (
        "tag: fit",
        "tag: fitt",
        [
            "31:22: steps[1].tag: 'fitt' is unknown; expected one of: data-reduction, excess-map, fit, flux-points, light-curve, report, stack; did you mean fit?",
        ],
    ),
    (
        "tag: fit, ",
        "",
        [
            "31:5: steps[1].tag: not given; expected a value; there is no default",
        ],
    ),
    (
        "name: points,",
        "nam: points,",
        [
            "32:6: steps[2].nam: unknown key; expected one of: name, tag, products, required_products, config, parallel; did you mean name?",
        ],
    ),
    (
        "products: fit}",
        "products: fit, config: {datasets: {stack: true}}}",
        [
            "31:87: steps[1].config.datasets: a fit step does not read this block; expected one of: fit, general",
        ],
    ),
    (
        "products: fit}",
        "products: fit, config: {fit: {fit_range: {min: 1 s}}}}",
        [
            "31:105: steps[1].config.fit.fit_range.min: 's' is a unit of time; expected an energy such as 1 TeV",
        ],
    ),
    (
        "products: fit}",
        "products: fit, parallel: maybe}",
        [
            "31:78: steps[1].parallel: 'maybe' does not fit; expected true or false",
        ],
    ),
    (
        "flux_points:",
        "flux_point:",
        [
            "28:1: flux_point: unknown key; expected one of: description, dag, general, steps, metadata, observations, datasets, excess_map, fit, flux_points, light_curve; did you mean flux_points?",
            "32:5: flux_points.energy.nbins: not given; expected min, max and nbins of the energy bins",
        ],
    ),
    (
        "general: {",
        "metadata: 3\ngeneral: {outdr: x, ",
        [
            "17:11: general.outdr: unknown key; expected one of: log, outdir, n_jobs, parallel_backend, datasets_file, models_file, steps, overwrite; did you mean outdir?",
        ],
    ),
    (
        "models_file: crab.yaml, ",
        "",
        [
            "16:1: general.models_file: not given, and the step 'spectrum' needs it; expected a value",
        ],
    ),
    (
        "flux_points: {energy: {min: 0.7 TeV, max: 30 TeV, nbins: 8}, source: crab}",
        "flux_points: {source: crab}",
        [
            "28:1: flux_points.energy.nbins: not given; expected min, max and nbins of the energy bins",
        ],
    ),
    (
        "flux_points: {energy: {min: 0.7 TeV, max: 30 TeV, nbins: 8}",
        "flux_points: {energy: {min: 0.7 TeV, nbins: 8}",
        [
            "28:15: flux_points.energy: max not given; expected all of min, max, nbins, or none (given: min, nbins)",
        ],
    ),
    (
        "source: crab}",
        "source: crab, parameters: {n_jobs: 4}}",
        [
            "28:89: flux_points.parameters.n_jobs: unknown key; expected one of: n_sigma, n_sigma_ul, n_sigma_sensitivity, selection_optional, reoptimize, sum_over_energy_groups, allow_multiple_telescopes",
        ],
    ),
    (
        "source: crab}",
        "source: crab, parameters: {selection_optional: [ulx]}}",
        [
            "28:89: flux_points.parameters.selection_optional: 'ulx' is unknown; expected some of: errn-errp, ul, scan, sensitivity; did you mean ul?",
        ],
    ),
    (
        "source: crab}",
        "source: {{ crab }}}",
        [
            "28:71: flux_points.source: a key that is a mapping or a list; expected a word as key",
        ],
    ),
    (
        "datasets:\n",
        "datasets: 3d\nx:\n",
        [
            "21:1: datasets: '3d' does not fit; expected keys and values",
            "21:1: datasets.on_region.radius: not given: type is 1d; expected frame, lon, lat and radius of the ON region",
            "22:1: x: unknown key; expected one of: description, dag, general, steps, metadata, observations, datasets, excess_map, fit, flux_points, light_curve",
        ],
    ),
    (
        "steps:\n",
        "steps: {}\nmore:\n",
        [
            "29:1: steps: {} does not fit; expected a list of steps",
            "30:1: more: unknown key; expected one of: description, dag, general, steps, metadata, observations, datasets, excess_map, fit, flux_points, light_curve",
        ],
    ),
    (
        "description: Crab",
        "descripton: Crab",
        [
            "1:1: descripton: unknown key; expected one of: description, dag, general, steps, metadata, observations, datasets, excess_map, fit, flux_points, light_curve; did you mean description?",
        ],
    ),
    (
        "description:",
        "on:",
        [
            "1:1: on: as a key, on is text for some YAML readers and a truth value for others; expected a word as key",
        ],
    ),
    (
        "min: 10 min",
        "min: 10 deg",
        [
            "20:24: observations.quality.livetime.min: 'deg' is a unit of angle; expected a time such as 1 min",
        ],
    ),
    (
        "n_tels: {min: 3}",
        "n_tels: {min: 0}",
        [
            "20:70: observations.quality.n_tels.min: 0 is out of range; expected at least 1",
        ],
    ),
    (
        "level: info",
        "level: loud",
        [
            "16:17: general.log.level: 'loud' is unknown; expected one of: debug, info, warning, error, critical, DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ],
    ),
]


@pytest.mark.parametrize(("right", "wrong", "messages"), CASES, ids=range(len(CASES)))
def test_mistake_is_reported_with_its_place(crab: str, right: str, wrong: str, messages: list[str]):
    assert right in crab
    with pytest.raises(ConfigError, match="crab.yaml:") as caught:
        parse_config(crab.replace(right, wrong, 1), "crab", "crab.yaml")
    assert [str(problem) for problem in caught.value.problems] == [f"crab.yaml:{message}" for message in messages]
