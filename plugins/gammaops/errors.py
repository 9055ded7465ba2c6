"""What can go wrong, named after who must act.

GammaopsError
├── ConfigError      the author of the config or of the run parameters; lists every problem at once
├── NoWorkFound      nobody: there is nothing to do, which is a good outcome
├── DataError        the observation is bad: it is quarantined with a class and a reason, the others go on
│   └── DamagedFile  …because of a file that is not whole; it may still be on its way
├── AlgorithmError   the scientist: the data are readable but the method failed on them
├── ProductError     whoever runs the store
│   ├── ProductMissing
│   └── ProductCorrupt
├── GivenUp          the pipeline engineer: the same has happened twice, and would again
└── RunFailed        the shifter: the run's ledger or products are not what they must be

`OSError` and `TimeoutError` mean infrastructure; they are never wrapped, so that they can be retried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AlgorithmError",
    "ConfigError",
    "DamagedFile",
    "DataError",
    "GammaopsError",
    "GivenUp",
    "NoWorkFound",
    "Problem",
    "ProductCorrupt",
    "ProductError",
    "ProductMissing",
    "RunFailed",
]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with a config, and where.

    Parameters
    ----------
    source : str
        The file, or ``params`` for run parameters.
    line, column : int
        Position in the file, from 1; 0 where there is none.
    key : str
        Dotted path of the key, ``steps[2].config.datasets``; empty for the file as a whole.
    message : str
        What is wrong.
    expected : str
        What would be right.
    suggestion : str
        The nearest right spelling, if there is one.
    """

    source: str
    line: int
    column: int
    key: str
    message: str
    expected: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        parts = [f"{self.key}: {self.message}" if self.key else self.message]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.suggestion:
            parts.append(f"did you mean {self.suggestion}?")
        return f"{place}: {'; '.join(parts)}"


class GammaopsError(Exception):
    """Anything that gammaops refuses or gives up on."""


class ConfigError(GammaopsError):
    """A config or run parameters that cannot be accepted, with every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NoWorkFound(GammaopsError):
    """There is nothing to do; the message says why."""


class DataError(GammaopsError):
    """An observation that cannot be used.

    Parameters
    ----------
    reason_class : str
        One word for statistics: ``truncated``, ``missing-irf``, ``irf-not-finite``, …
    reason : str
        What is wrong, for the shifter, with file and HDU where known.
    """

    def __init__(self, reason_class: str, reason: str) -> None:
        self.reason_class = reason_class
        self.reason = reason
        super().__init__(f"{reason_class}: {reason}")


class DamagedFile(DataError):
    """An observation of which a file is not whole: damaged, or not yet arrived."""


class AlgorithmError(GammaopsError):
    """A method that failed on readable data; `metrics` holds the numbers it failed with."""

    def __init__(self, message: str, metrics: Mapping[str, object] | None = None) -> None:
        self.metrics = dict(metrics or {})
        super().__init__(message)


class ProductError(GammaopsError):
    """A product that is not what its path promises."""


class ProductMissing(ProductError):
    """No product at this path."""


class ProductCorrupt(ProductError):
    """Size or digest of a payload differ from its sidecar."""


class GivenUp(GammaopsError):
    """What failed twice in the same way and is not tried again by itself; the message says how, and what to do."""


class RunFailed(GammaopsError):
    """The run is red; the message is its verdict line."""
