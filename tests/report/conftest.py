"""Records of runs as the runner writes them, a reader of pages, and what gammapy makes of a source known exactly."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxMaps, FluxPointsEstimator, LightCurveEstimator
from gammapy.irf import EDispKernelMap
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap, WcsGeom, WcsNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """A page as its tags, its text by line, and what stands in its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(html)
        self.close()
        assert self.open == [], "every tag is closed, and in the right order"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def having(self, tag: str) -> list[dict[str, str]]:
        """Attributes of all tags of this name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, first: str) -> list[list[str]]:
        """The first table whose first heading is `first`, a list of stripped cells per row."""
        return next(
            [[" ".join(cell.split()) for cell in row] for row in table]
            for table in self.tables
            if table[0][0].strip() == first
        )


@pytest.fixture
def read() -> type[Page]:
    return Page


def ledger_row(obs_id: int, state: str, reason_class: str = "", reason: str = "", **more: Any) -> dict[str, Any]:
    path = f"products/dataset/1f/{obs_id:032x}.0123456789abcdef.fits" if state in ("done", "reused") else ""
    told = {"state": state, "reason_class": reason_class, "reason": reason}
    row = {"obs_id": obs_id, "archive": "archive", "night": "2004-12-06", **told}
    return {**row, "steps": {"reduce": {**told, "path": path}}, **more}


def step(name: str, tag: str, status: str = "ok", reason: str = "", product: str = "", **more: Any) -> dict[str, Any]:
    made = {
        "name": product,
        "kind": product,
        "path": f"products/{product}/1f/1f.0123456789abcdef.fits",
        "digest": "0123456789abcdef",
        "metrics": {},
        "made_by": "runs/crab/night/v001",
    }
    cost = {"cpu_seconds": 61.5, "peak_memory_mb": 410.0} if product else {"cpu_seconds": 0, "peak_memory_mb": 0.0}
    record = {"name": name, "tag": tag, "doc": "", "status": status, "reason": reason}
    return {**record, "products": [made] if product else [], **cost, **more}


@pytest.fixture
def row():
    return ledger_row


@pytest.fixture
def make_step():
    return step


@pytest.fixture
def record() -> dict[str, Any]:
    """A green run of one night with nothing to complain about."""
    return {
        "analysis": "crab",
        "run": "runs/crab/night/v001",
        "version": "v001",
        "name": "scheduled__2004-12-07T10:54:00+00:00",
        "scope": {"nights": ["2004-12-06"], "obs_ids": [], "start": "", "stop": "", "longitude_deg": 16.5},
        "nights": ["2004-12-06"],
        "verdict": {"line": "crab, night 2004-12-06: GOOD: 2 expected: 1 done, 1 reused", "ok": True},
        "ledger": [ledger_row(23559, "reused"), ledger_row(23523, "done")],
        "steps": [step("reduce", "data-reduction", product="datasets"), step("spectrum", "fit", product="fit")],
        "config_digest": "ab" * 32,
        "provenance": {
            "who": {"dag_id": "crab", "run_id": "scheduled__2004-12-07", "task_id": "report", "map_index": -1},
            "code": {"gammaops": "0.1.0", "git": "4275a3b"},
            "params": {},
            "reuse": "use",
        },
    }


@pytest.fixture(scope="session")
def model() -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1", reference="1 TeV")
    return SkyModel(spectral, name="crab")


@pytest.fixture(scope="session")
def datasets(model: SkyModel) -> Datasets:
    """Three observations of half an hour, an hour apart, with exactly the expected counts of the model."""
    axis = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=8)
    true = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=8, name="energy_true")
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[axis])
    made = Datasets()
    for number in range(3):
        start = Time("2004-12-06T22:00:00", scale="utc") + number * u.h
        exposure = RegionNDMap.create(geom.region, axes=[true], unit="m2 s")
        exposure.data += 1e5 * 1800
        exposure.meta = {"livetime": 1800 * u.s}
        dataset = SpectrumDatasetOnOff(
            name=f"obs-{number + 1}",
            counts=RegionNDMap.from_geom(geom),
            counts_off=RegionNDMap.from_geom(geom, data=10.0),
            acceptance=RegionNDMap.from_geom(geom, data=1.0),
            acceptance_off=RegionNDMap.from_geom(geom, data=10.0),
            exposure=exposure,
            edisp=EDispKernelMap.from_diagonal_response(axis, true, geom=geom.to_image()),
            mask_safe=RegionNDMap.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool)),
            gti=GTI.create([0] * u.s, [1800] * u.s, reference_time=start),
        )
        dataset.models = [model]
        dataset.counts.data = np.rint(dataset.npred_signal().data + 1.0)
        made.append(dataset)
    return made


@pytest.fixture(scope="session")
def points(datasets: Datasets, model: SkyModel):
    """Four flux points, the last of which has no counts but background."""
    faint = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    for dataset in faint:
        dataset.counts.data[6:] = 1  # the background
    faint.models = [model]
    edges = [0.5, 1.58, 5.0, 15.8, 50.0] * u.TeV
    return FluxPointsEstimator(energy_edges=edges, source="crab", selection_optional=["ul"]).run(faint)


@pytest.fixture(scope="session")
def light_curve(datasets: Datasets):
    return LightCurveEstimator(energy_edges=[0.5, 50] * u.TeV, source="crab", selection_optional=["ul"]).run(datasets)


@pytest.fixture(scope="session")
def maps() -> FluxMaps:
    """A field with one source of 12 σ beside its centre and noise of width 1, some of it not observed."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    geom = WcsGeom.create(skydir=SkyCoord(83.63, 22.01, unit="deg"), width=2, binsz=0.05, axes=[axis], frame="icrs")
    noise = np.random.default_rng(1).normal(size=geom.data_shape)
    distance = geom.separation(SkyCoord(83.9, 22.2, unit="deg")).deg
    significance = noise + 12 * np.exp(-0.5 * (distance / 0.08) ** 2)
    significance[0, :4] = np.nan
    data = {"sqrt_ts": significance, "npred_excess": 10 * significance, "counts": np.abs(20 * significance)}
    data |= {"norm": significance}
    made = {name: WcsNDMap(geom, np.asarray(values, dtype=float)) for name, values in data.items()}
    return FluxMaps(made, SkyModel(PowerLawSpectralModel(), name="pl"))
