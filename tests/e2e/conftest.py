"""Archives that several tests of whole runs read."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from gammapy.maps import WcsGeom
from regions import CircleSkyRegion

from gammaops.simulation import ArchivePlan, simulate_archive

CRAB = SkyCoord(83.63, 22.01, unit="deg", frame="icrs")
MASK = "joint-crab/exclusion/exclusion_mask_crab.fits.gz"


def write_mask(path: Path) -> None:
    """A mask that leaves out 0.3 deg around the Crab."""
    path.parent.mkdir(parents=True)
    geom = WcsGeom.create(skydir=CRAB, width="8 deg", binsz=0.05)
    (~geom.region_mask([CircleSkyRegion(CRAB, 0.3 * u.deg)])).write(path)


@pytest.fixture(scope="session")
def two_instruments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example of two instruments reads: ``data/hess1`` and ``data/hess1u`` with other IRFs, and its mask.

    The numbers of their observations are the same.
    """
    folder = tmp_path_factory.mktemp("instruments")
    simulate_archive(folder / "data" / "hess1", ArchivePlan(nights=1, observations=2, duration_min=10, seed=11))
    other = ArchivePlan(nights=2, observations=1, duration_min=15, size="small", seed=12)
    simulate_archive(folder / "data" / "hess1u", other)
    write_mask(folder / MASK)
    return folder
