"""What a step asks of the reductions that its datasets come from, and of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.errors import Problem
from gammaops.schema import Finding, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.config import StepConfig
    from gammaops.plan.graph import Source
    from gammaops.plan.inputs import Wiring

    Inputs = Mapping[str, Mapping[str, tuple[Source, ...]]]

__all__ = ["check_nights", "check_origins", "reductions_behind"]

DATASETS = "datasets"
NIGHT = "night"


def reductions_behind(wiring: Wiring, inputs: Inputs, sources: Sequence[Source]) -> list[str]:
    """Names of the steps that take the observations of these datasets, through steps that only arrange them."""
    return [name for name in _roots(wiring, inputs, sources) if wiring.specs[name].observations]


def _roots(wiring: Wiring, inputs: Inputs, sources: Sequence[Source]) -> list[str]:
    """Names of the steps that datasets begin with."""
    found: dict[str, None] = {}
    queue = list(sources)
    while queue:
        source = queue.pop(0)
        spec = wiring.specs[source.step]
        if spec.produces[source.output].kind != DATASETS:
            continue
        roles = [role for role, port in spec.consumes.items() if DATASETS in port.kinds]
        before = [one for role in roles for one in inputs[source.step][role]]
        if spec.observations or not before:
            found[source.step] = None
        queue += before
    return list(found)


def check_origins(
    wiring: Wiring,
    step: StepConfig,
    inputs: Inputs,
    external: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> None:
    """Rules between a step's blocks and those of the reductions behind it, if it reads datasets of no others."""
    rules = wiring.specs[step.name].origin_rules
    roots = _roots(wiring, inputs, [source for sources in inputs[step.name].values() for source in sources])
    others = [name for name in roots if not wiring.specs[name].observations]
    if not rules or not roots or others or any(external.values()):
        return
    origins = [wiring.config.blocks(wiring.config.step(name)) for name in roots]
    for rule in rules:
        for finding in rule(wiring.config.blocks(step), origins):
            _complain(wiring, step, finding)


def check_nights(wiring: Wiring, step: StepConfig) -> None:
    """Without a site there are no nights, but for a stack: its nights come from the data (ADR 0019)."""
    for finding in _nights_without_site(wiring, step):
        _complain(wiring, step, finding)


def _nights_without_site(wiring: Wiring, step: StepConfig) -> Iterator[Finding]:
    if wiring.config.site is not None:
        return
    for key in wiring.specs[step.name].nights:
        if value_at(wiring.config.blocks(step), key) == NIGHT:
            expected = "dag.site: a known site, or {lon, lat, height}"
            yield Finding(
                (*key.split("."),), "night, but dag.site is not given: without it there are no nights", expected
            )


def _complain(wiring: Wiring, step: StepConfig, finding: Finding) -> None:
    """Note a finding of a step's block at its place: in the step's own config, or in that of the file."""
    key = ".".join(map(str, finding.path))
    line, column = wiring.config.place(step, key)
    wiring.problems.append(Problem(wiring.config.source, line, column, key, finding.message, finding.expected))
