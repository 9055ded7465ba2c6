"""One execution of an analysis: its frozen config, what was asked for, and where it is written."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from gammaops.config import AnalysisConfig, parse_config, project_root
from gammaops.errors import ConfigError, Problem
from gammaops.plan import Plan, make_plan
from gammaops.products import ProductStore, RunFolder
from gammaops.runner.files_check import parameter_file_problems
from gammaops.runner.models_check import model_problems
from gammaops.steps.base import OBS_ID_MAX, REUSE, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gammaops.plan import PlannedStep

__all__ = ["Provenance", "Run", "begin", "code_version", "requested"]

FROZEN_HEADER = (
    "# The effective config of this run, frozen when it started; complete, and accepted by `gammaops run`.\n"
)


@dataclass(frozen=True)
class Provenance:
    """Which task of which run is asking; all empty on the command line.

    `first_try` is the number of its first try since somebody has cleared it: what happened before that is forgiven.
    """

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 1
    first_try: int = 1


@dataclass(frozen=True)
class Run:
    """A run as its tasks see it.

    Parameters
    ----------
    folder : RunFolder
        Where it is written.
    config : AnalysisConfig
        The config as it was when the run started, run parameters included.
    request : mapping
        What was asked for: ``scope``, ``reuse``, ``steps``, ``params``, ``name``, who asked, code versions.
    """

    folder: RunFolder
    config: AnalysisConfig
    request: Mapping[str, Any]

    @classmethod
    def open(cls, uri: str) -> Run:
        """The run whose frozen ``config.yaml`` is at this product path."""
        return _open(uri)

    @cached_property
    def plan(self) -> Plan:
        """The steps of this run: all of the config's, or those that were chosen and what they need."""
        plan = make_plan(self.config)
        chosen = self.request["steps"]
        if not chosen:
            return plan
        wanted = plan.upstream_closure(chosen)
        return Plan(plan.analysis, tuple(step for step in plan.steps if step.name in wanted))

    @property
    def scope(self) -> Scope:
        """Which observations it takes."""
        scope = self.request["scope"]
        lists = {key: tuple(value) for key, value in scope.items() if isinstance(value, list)}
        return Scope(**{**scope, **lists})

    @property
    def dry(self) -> bool:
        """Whether it shall compute nothing, and tell what it would."""
        return bool(self.request["params"].get("dry_run"))

    def blocks(self, step: PlannedStep) -> Mapping[str, Any]:
        """The effective config blocks of a step."""
        return self.config.blocks(self.config.step(step.name))

    @property
    def store(self) -> ProductStore:
        """Where its products are."""
        return self.folder.store

    @property
    def uri(self) -> str:
        """Product path of its frozen config."""
        return self.folder.uri_of("config.yaml")


@cache
def _open(uri: str) -> Run:
    # runs/<analysis>/<run label>/<version>/config.yaml
    root = uri.rsplit("/", 5)[0]
    store = ProductStore(root)
    folder = RunFolder.of(store, uri)
    request = folder.read_json("request.json")
    text = folder.read("config.yaml").decode()
    config = parse_config(text, name=request["analysis"], source=uri.removeprefix("file://"))
    return Run(folder, config, request)


def begin(
    config: AnalysisConfig,
    store: ProductStore,
    scope: Scope,
    *,
    name: str,
    reuse: str = "use",
    steps: tuple[str, ...] = (),
    params: Mapping[str, Any] | None = None,
    who: Provenance | None = None,
) -> str:
    """Freeze a config for a new execution of the run called `name`.

    Parameters
    ----------
    config : AnalysisConfig
        The effective config, run parameters merged in already.
    store : ProductStore
        Where everything goes.
    scope : Scope
        Which observations the run takes.
    name : str
        The run's label, or Airflow's run_id; a further execution of the same run gets the next version.
    reuse : {"use", "rebuild", "only"}
        Take products that exist; make them again; or refuse to make any.
    steps : tuple of str
        Names of steps to run, with what they need; empty: all.
    params : mapping, optional
        Run parameters as given, for the record.
    who : Provenance, optional
        The task that begins the run.

    Returns
    -------
    str
        Product path of the frozen ``config.yaml``.

    Raises
    ------
    ConfigError
        If the steps cannot be wired with these parameters, or a parameter cannot be meant; nothing is written then.
    """
    request = requested(config, scope, name=name, reuse=reuse, steps=steps)
    request |= {"params": dict(params or {}), "who": asdict(who or Provenance())}
    folder = RunFolder.new(store, config.name, name, request, f"{FROZEN_HEADER}{config.to_yaml()}".encode())
    return folder.uri_of("config.yaml")


def requested(config: AnalysisConfig, scope: Scope, *, name: str, reuse: str, steps: tuple[str, ...]) -> dict[str, Any]:
    """What a run is asked for, and when; see `begin`.

    Raises
    ------
    ConfigError
        If it cannot be meant.
    """
    _check(config, scope, reuse, steps)
    if not name:
        raise ConfigError([_problem("label", "is empty", "a name for the run")])
    return {
        "analysis": config.name,
        "name": name,
        "scope": asdict(scope),
        "reuse": reuse,
        "steps": list(steps),
        "params": {},
        "who": asdict(Provenance()),
        "config_digest": config.digest,
        "code": code_version(),
        "begun": datetime.now(UTC).isoformat(timespec="microseconds"),
    }


def _check(config: AnalysisConfig, scope: Scope, reuse: str, steps: tuple[str, ...]) -> None:
    """Refuse a request that cannot be meant, before anything of it is written."""
    plan = make_plan(config)
    names = [step.name for step in plan.steps]
    known = f"one of: {', '.join(names)}"
    problems = [_problem("steps", f"no step {name!r}", known) for name in steps if name not in names]
    if reuse not in REUSE:
        problems.append(_problem("reuse", f"{reuse!r} is no way to reuse", f"one of: {', '.join(REUSE)}"))
    problems += _scope_problems(scope)
    problems += parameter_file_problems(config, plan)
    problems += model_problems(config, plan)
    if problems:
        raise ConfigError(problems)


def _scope_problems(scope: Scope) -> list[Problem]:
    """What is wrong with the nights and times of a scope."""
    times = {"start": scope.start, "stop": scope.stop}
    problems = [
        _problem("night", f"{night!r} is no date", "an evening such as 2004-12-04")
        for night in scope.nights
        if not _parses(date.fromisoformat, night)
    ]
    problems += [
        _problem(key, f"{text!r} is no time", "ISO, such as 2004-12-04T18:00:00")
        for key, text in times.items()
        if text and not _parses(datetime.fromisoformat, text)
    ]
    problems += [
        _problem("obs_ids", f"{obs_id} is no OBS_ID", "whole numbers from 0 to 2^63 - 1")
        for obs_id in scope.obs_ids
        if not 0 <= obs_id <= OBS_ID_MAX
    ]
    if scope.nights and scope.longitude_deg is None:
        expected = "dag.site in the config, or start and stop"
        problems.append(_problem("night", "the analysis names no site, so it has no nights", expected))
    if scope.start and scope.stop and scope.stop < scope.start:
        problems.append(_problem("stop", f"{scope.stop} is before start {scope.start}", "a later time"))
    return problems


def _problem(key: str, message: str, expected: str) -> Problem:
    return Problem("params", 0, 0, key, message, expected)


def _parses(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


@cache
def code_version() -> dict[str, str]:
    """Version of this package, and the git revision of the project where it lies in a checkout."""
    try:
        package = version("gammaops")
    except PackageNotFoundError:
        package = "not installed"
    command = ["git", "-C", str(project_root()), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no user input in it
        revision = answer.stdout.strip()
    except FileNotFoundError:
        revision = ""
    return {"gammaops": package, "git": revision}
