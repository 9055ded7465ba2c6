"""Process settings without which gammapy would be neither reproducible nor polite; imported for its effect.

One BLAS thread is set by whoever starts the process (``OMP_NUM_THREADS=1``): numpy reads it only once, before this.
"""

from __future__ import annotations

import os
import warnings

import gammapy.utils.parallel as gammapy_parallel
import gammapy.utils.pbar as gammapy_pbar
import matplotlib as mpl
from astropy.io.fits.verify import VerifyWarning
from astropy.utils import iers

__all__ = ["ONE_THREAD", "settle"]

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def settle() -> None:
    """Take numbers and time from this process alone: no download, no child processes, no display, no progress bar."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    # The IERS table that astropy carries is part of its version; a downloaded one would change with the day.
    iers.conf.auto_download = False
    iers.conf.iers_degraded_accuracy = "ignore"
    # Nights later than that table are processed too: its predictions are good to arcseconds, which is enough here.
    iers.conf.auto_max_age = None
    gammapy_parallel.N_JOBS_DEFAULT = 1
    gammapy_parallel.BACKEND_DEFAULT = "multiprocessing"
    gammapy_pbar.SHOW_PROGRESS_BAR = False
    # In a notebook the user has chosen where figures go.
    if "MPLBACKEND" not in os.environ:
        mpl.use("agg")
    warnings.filterwarnings("ignore", category=VerifyWarning)


settle()
