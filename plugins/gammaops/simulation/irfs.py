"""Instrument response functions: gammapy's parametrisations, with the fall-off over the field of view they lack.

They are the same for every observation (no zenith or night-to-night dependence), and depend on the offset from the
pointing alone, so that reflected regions have the same background as the source region. Events are drawn from the
full-enclosure ones; an archive may have point-like ones instead, for events within an energy-dependent distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import astropy.units as u
import numpy as np
from gammapy.irf import (
    IRF,
    Background2D,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    RadMax2D,
)
from gammapy.maps import MapAxis

__all__ = ["OFFSET_MAX", "SAFE_ENERGY", "archive_irfs", "make_irfs"]

OFFSET_MAX = 3.0 * u.deg
SAFE_ENERGY = (0.3 * u.TeV, 100.0 * u.TeV)


@dataclass(frozen=True)
class _Binning:
    energies_per_decade: int
    offsets: int
    migra: int
    rad: int
    background_rate: float  # over that of the full size


_BINNINGS: Mapping[str, _Binning] = {
    "full": _Binning(energies_per_decade=16, offsets=7, migra=100, rad=120, background_rate=1.0),
    "small": _Binning(energies_per_decade=8, offsets=4, migra=50, rad=40, background_rate=0.1),
}


@lru_cache(maxsize=2)
def make_irfs(size: str) -> Mapping[str, IRF]:
    """IRFs by HDU name: ``AEFF``, ``EDISP``, ``PSF`` and ``BKG``; `size` as in `ArchivePlan`."""
    binning = _BINNINGS[size]
    energy_true = MapAxis.from_energy_bounds(
        "0.03 TeV", "200 TeV", nbin=binning.energies_per_decade, per_decade=True, name="energy_true"
    )
    offset = MapAxis.from_edges(np.linspace(0, OFFSET_MAX.value, binning.offsets) * u.deg, name="offset")
    return {
        "AEFF": _effective_area(energy_true, offset),
        "EDISP": _energy_dispersion(energy_true, offset, binning.migra),
        "PSF": _psf(energy_true, offset, binning.rad),
        "BKG": _background(binning),
    }


def archive_irfs(size: str, enclosure: str) -> Mapping[str, IRF]:
    """IRFs of an archive by HDU name; point-like ones have ``RAD_MAX``, and neither ``PSF`` nor ``BKG``."""
    full = make_irfs(size)
    if enclosure == "full-enclosure":
        return full
    area, dispersion, axes = full["AEFF"], full["EDISP"], full["AEFF"].axes
    energy, offset = axes["energy_true"].center[:, np.newaxis], axes["offset"].center
    within = full["PSF"].containment(rad=_largest_distance(energy), energy_true=energy, offset=offset)
    counted = u.Quantity(area.quantity * within).to_value("m2")
    return {
        "AEFF": EffectiveAreaTable2D(axes=axes, data=counted, unit="m2", is_pointlike=True),
        "EDISP": EnergyDispersion2D(axes=dispersion.axes, data=dispersion.data, is_pointlike=True),
        "RAD_MAX": _rad_max(axes["offset"]),
    }


def _largest_distance(energy: u.Quantity) -> u.Quantity:
    """How far from a source its events count: 0.16 deg at 0.1 TeV, 0.08 deg from 10 TeV on."""
    return np.clip(0.12 - 0.04 * np.log10(energy.to_value("TeV")), 0.08, 0.16) * u.deg


def _rad_max(offset: MapAxis) -> RadMax2D:
    energy = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=16, per_decade=True)
    distance = _largest_distance(energy.center).to_value("deg")
    data = np.repeat(distance[:, np.newaxis], offset.nbin, axis=1)
    return RadMax2D(axes=[energy, offset], data=data, unit="deg", is_pointlike=True)


def _effective_area(energy_true: MapAxis, offset: MapAxis) -> EffectiveAreaTable2D:
    on_axis = EffectiveAreaTable2D.from_parametrization(energy_true, instrument="HESS").quantity[:, :1]
    fall_off = np.exp(-0.5 * (offset.center / (1.9 * u.deg)) ** 2)
    return EffectiveAreaTable2D(axes=[energy_true, offset], data=(on_axis * fall_off).to_value("m2"), unit="m2")


def _energy_dispersion(energy_true: MapAxis, offset: MapAxis, bins: int) -> EnergyDispersion2D:
    # Linear: the sampler takes the density in migra for the probability of a bin, which in logarithmic bins draws
    # energies too low by the square of the resolution, and the flux by 2 %.
    migra = MapAxis.from_bounds(0.2, 2.2, nbin=bins, node_type="edges", name="migra")
    # 20 % at 0.1 TeV, 12 % from 1 TeV on.
    sigma = 0.12 + 0.08 * np.clip(-np.log10(energy_true.center.to_value("TeV")), 0, 1)
    return EnergyDispersion2D.from_gauss(energy_true, migra, offset, bias=0.0, sigma=sigma)


def _psf(energy_true: MapAxis, offset: MapAxis, bins: int) -> IRF:
    """A Gaussian of 0.07 deg at 0.1 TeV and 0.05 deg at 10 TeV on axis, a third wider at the edge."""
    energy = energy_true.center.to_value("TeV")[:, np.newaxis]
    broadening = 1 + (offset.center / OFFSET_MAX).to_value("") ** 2 / 3
    sigma = np.clip(0.06 - 0.01 * np.log10(energy), 0.04, 0.08) * broadening
    none, far = np.zeros_like(sigma), np.full_like(sigma, 1.0)
    data = {"sigma_1": sigma, "sigma_2": far, "sigma_3": far, "scale": 1 / (2 * np.pi * np.radians(sigma) ** 2)}
    names = {"sigma_1": "deg", "sigma_2": "deg", "sigma_3": "deg", "scale": "sr-1", "ampl_2": "", "ampl_3": ""}
    units = {name: u.Unit(unit) for name, unit in names.items()}
    gauss = EnergyDependentMultiGaussPSF(
        axes=[energy_true, offset], data=_records({**data, "ampl_2": none, "ampl_3": none}), unit=units
    )
    psf = gauss.to_psf3d(rad=np.linspace(0, 0.6, bins + 1) * u.deg)
    psf.normalize()
    return psf


def _records(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    shape = next(iter(columns.values())).shape
    data = np.empty(shape, dtype=[(name, float) for name in columns])
    for name, values in columns.items():
        data[name] = values
    return data


def _background(binning: _Binning) -> Background2D:
    """About 4 Hz over the field of view, falling with energy above threshold and with the offset from the pointing."""
    energy = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=binning.energies_per_decade, per_decade=True)
    offset = MapAxis.from_edges(np.linspace(0, OFFSET_MAX.value, 5 * binning.offsets) * u.deg, name="offset")
    energy_tev = energy.center.to_value("TeV")[:, np.newaxis]
    spectrum = 3.0e-4 * energy_tev**-2.7 * np.exp(-0.4 / energy_tev)
    fall_off = np.exp(-0.5 * (offset.center / (1.3 * u.deg)) ** 2)
    data = binning.background_rate * spectrum * fall_off.to_value("")
    return Background2D(axes=[energy, offset], data=data, unit="s-1 MeV-1 sr-1")
