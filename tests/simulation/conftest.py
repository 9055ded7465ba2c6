"""Archives that several tests read; none of them writes there."""

from __future__ import annotations

import pytest

from gammaops.simulation import DAMAGE, Archive, ArchivePlan, simulate_archive

# Six observations of two nights: 2.5 h, some 750 events of the Crab above 0.3 TeV.
PLAN = ArchivePlan(nights=2, observations=3, seed=4)

FIRST_BAD = 101
BAD = {FIRST_BAD + index: kind for index, kind in enumerate(DAMAGE)}
BAD_PLAN = ArchivePlan(
    nights=1, observations=len(BAD) + 1, first_obs_id=FIRST_BAD, duration_min=5, size="small", bad=BAD
)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Nothing wrong with it."""
    return simulate_archive(tmp_path_factory.mktemp("archive"), PLAN)


@pytest.fixture(scope="session")
def bad_archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """One observation for each kind of damage, and a good one at the end."""
    return simulate_archive(tmp_path_factory.mktemp("bad"), BAD_PLAN)
