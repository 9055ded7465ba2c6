"""Significances of places without a source: normal with mean 0 and width 1, or something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from gammaops.physics.figures import BLUE, ORANGE, encode
from gammaops.physics.notation import plain
from gammaops.steps.base import Figure, Section
from gammaops.steps.base import Table as Rows

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

__all__ = ["Spread", "spread_section"]

EDGES = np.linspace(-5, 5, 21)
CAPTION = (
    "Significances of observations without a source, against what chance gives. A shift to the right is background that"
    " is underestimated or a source; a wider hill is a background estimate with errors beyond those of counting."
)


@dataclass(frozen=True)
class Spread:
    """Mean and width of significances, and how far they may be from 0 and 1.

    Parameters
    ----------
    number : int
        How many significances there are.
    mean, width : float
        Their mean and standard deviation.
    n_sigma : float
        Standard errors that are tolerated.
    """

    number: int
    mean: float
    width: float
    n_sigma: float

    @classmethod
    def of(cls, sqrt_ts: np.ndarray, n_sigma: float) -> Spread:
        """Of at least two finite significances."""
        return cls(len(sqrt_ts), float(np.mean(sqrt_ts)), float(np.std(sqrt_ts, ddof=1)), n_sigma)

    @property
    def mean_tolerance(self) -> float:
        """The standard error of the mean of unit normal numbers is 1 / √n."""
        return self.n_sigma / float(np.sqrt(self.number))

    @property
    def width_tolerance(self) -> float:
        """That of their standard deviation is 1 / √(2 n) for large n."""
        return self.n_sigma / float(np.sqrt(2 * self.number))

    @property
    def passed(self) -> bool:
        """Whether both are as they should be."""
        return abs(self.mean) <= self.mean_tolerance and abs(self.width - 1) <= self.width_tolerance

    def in_words(self) -> str:
        """One sentence with the numbers and the judgement."""
        mean = f"mean {self.mean:+.2f} (0 ± {self.mean_tolerance:.2f})"
        width = f"width {self.width:.2f} (1 ± {self.width_tolerance:.2f})"
        judged = "as without a source" if self.passed else "NOT as without a source"
        return f"{self.number} observations, {mean}, {width}: {judged}"

    def metrics(self) -> dict[str, Any]:
        """The numbers as JSON types, with `refused` if they are not as they should be."""
        numbers = {
            "observations": self.number,
            "mean": self.mean,
            "mean_tolerance": self.mean_tolerance,
            "width": self.width,
            "width_tolerance": self.width_tolerance,
        }
        return numbers | ({} if self.passed else {"refused": f"off test: {self.in_words()}"})


def spread_section(table: Table, n_sigma: float) -> Section:
    """The distribution of the column ``sqrt_ts``, and what stands out of it."""
    values = np.asarray(table["sqrt_ts"], dtype=float)
    known = values[np.isfinite(values)]
    spread = Spread.of(known, n_sigma)
    order = np.argsort(-np.abs(np.nan_to_num(values)))
    rows = [
        (str(table["name"][place]).removeprefix("obs-"), *(plain(float(table[name][place]), 3) for name in NUMBERS))
        for place in order
    ]
    warning = (
        "The significances of places without a source are not those of chance: do not trust significances and errors of"
        " this run. Look for observations that stand out, then at the background estimate.",
    )
    return Section(
        title="Off test",
        notes=(f"{spread.in_words()}.",),
        figures=(Figure(CAPTION, encode(partial(draw_spread, sqrt_ts=known))),),
        tables=(Rows(("Observation", *NUMBERS.values()), rows, "The largest deviations first."),),
        warnings=() if spread.passed else warning,
    )


NUMBERS = {"counts": "ON", "counts_off": "OFF", "alpha": "α", "excess": "Excess", "sqrt_ts": "Significance [σ]"}


def draw_spread(axes: Axes, sqrt_ts: np.ndarray) -> None:
    """Histogram of significances with the normal distribution that no source gives; the ends hold all beyond them."""
    counts, _ = np.histogram(np.clip(sqrt_ts, EDGES[0], EDGES[-1]), EDGES)
    axes.stairs(counts, EDGES, fill=True, color=BLUE, alpha=0.45, label=f"{len(sqrt_ts)} observations")
    grid = np.linspace(EDGES[0], EDGES[-1], 200)
    expected = len(sqrt_ts) * (EDGES[1] - EDGES[0]) * norm.pdf(grid)
    axes.plot(grid, expected, color=ORANGE, label="No source: mean 0, width 1")
    axes.set(xlabel="Significance [σ]", ylabel="Observations", xlim=(EDGES[0], EDGES[-1]))
    axes.set_ylim(0, 1.35 * max(counts.max(), expected.max()))
    axes.legend()
