"""Plan and run an analysis from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gammaops.config import AnalysisConfig, load_config
from gammaops.plan import Plan, make_plan
from gammaops.products import ProductStore
from gammaops.runner import LocalRun, local_name, manual_scope, run_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["plan", "run"]


def _config(config: AnalysisConfig | str | Path) -> AnalysisConfig:
    return config if isinstance(config, AnalysisConfig) else load_config(Path(config))


def plan(config: AnalysisConfig | str | Path) -> Plan:
    """The steps of an analysis, wired.

    Parameters
    ----------
    config : AnalysisConfig, str or Path
        A config, or the file that it is in.

    Raises
    ------
    ConfigError
        With everything that is wrong with it.
    """
    return make_plan(_config(config))


def run(
    config: AnalysisConfig | str | Path,
    out: str | Path,
    *,
    nights: Sequence[str] = (),
    obs_ids: Sequence[int] = (),
    start: str = "",
    stop: str = "",
    steps: Sequence[str] = (),
    overrides: Mapping[str, object] | None = None,
    reuse: str = "use",
    label: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LocalRun:
    """Run an analysis in this process.

    Parameters
    ----------
    config : AnalysisConfig, str or Path
        A config, or the file that it is in.
    out : str or Path
        Root of the product store.
    nights : sequence of str
        ISO dates of the evenings whose observations to take.
    obs_ids : sequence of int
        Observations to take, instead of those that the config selects.
    start, stop : str
        ISO times (UTC) between which observations must start.
    steps : sequence of str
        Names of steps to run, with what they need; not given: all.
    overrides : mapping, optional
        Values that replace those of the config, checked in the same way.
    reuse : {"use", "rebuild", "only"}
        Take products that exist; make them again; or refuse to make any.
    label : str, optional
        Name of the run; a further run of the same name gets the next version. Not given: ``local``, with the night or
        what else was chosen.
    progress : callable, optional
        Called with a step's name, how many of its tasks are finished, and how many there are.

    Returns
    -------
    LocalRun
        Verdict, report and products.

    Raises
    ------
    ConfigError
        If the config or the overrides are wrong; nothing was computed then.
    """
    loaded = _config(config)
    params = {"config": dict(overrides)} if overrides else {}
    effective = loaded.with_params(params) if params else loaded
    make_plan(effective)
    scope = manual_scope(effective, nights=nights, obs_ids=obs_ids, start=start, stop=stop)
    return run_plan(
        effective,
        ProductStore(out),
        scope,
        name=local_name(scope) if label is None else label,
        reuse=reuse,
        steps=tuple(steps),
        params=params,
        progress=progress,
    )
