"""From a config to a plan: who reads what from whom."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from gammaops.errors import ConfigError, Problem
from gammaops.plan.graph import Plan, PlannedStep, Source
from gammaops.steps import step_specs, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.config import AnalysisConfig, StepConfig
    from gammaops.steps.base import Port, StepSpec

__all__ = ["REPORT", "group_id", "make_plan"]

REPORT = "report"
RESERVED_GROUPS = frozenset({"start", "report", "late", "late_run", "verdict"})


@dataclass(frozen=True)
class _Candidate:
    """One output that others may ask for."""

    source: Source
    product: str
    kind: str
    index: int


@dataclass
class _Wiring:
    """What is known while the inputs are being found."""

    config: AnalysisConfig
    specs: Mapping[str, StepSpec]
    products: Mapping[str, Mapping[str, str]]
    candidates: Sequence[_Candidate]
    problems: list[Problem] = field(default_factory=list)

    def complain(self, index: int, key: str, message: str, expected: str = "", suggestion: str = "") -> None:
        line, column = self.config.position("steps", index, *([key] if key else []))
        path = f"steps[{index}].{key}" if key else f"steps[{index}]"
        self.problems.append(Problem(self.config.source, line, column, path, message, expected, suggestion))


def make_plan(config: AnalysisConfig) -> Plan:
    """Wire the steps of a config.

    Raises
    ------
    ConfigError
        With every problem: a required product that nobody makes, that is of the wrong kind or that several could give,
        names used twice, cycles, steps that cannot work on their input's dataset type.
    """
    steps = [step for step in config.steps if tag_of(step.tag) != REPORT]
    specs = {step.name: step_specs()[tag_of(step.tag)] for step in steps}
    index = {step.name: position for position, step in enumerate(config.steps)}
    products = {step.name: _product_names(step, specs[step.name]) for step in steps}
    candidates = [
        _Candidate(Source(step.name, output), products[step.name][output], made.kind, index[step.name])
        for step in steps
        for output, made in specs[step.name].produces.items()
    ]
    wiring = _Wiring(config, specs, products, candidates)
    _check_names(wiring, steps, index)
    inputs = {step.name: _inputs(wiring, step, index[step.name]) for step in steps}
    ordered = _ordered(wiring, steps, inputs, index)
    planned = _planned(wiring, ordered, inputs, index)
    if wiring.problems:
        raise ConfigError(wiring.problems)
    return Plan(config.name, tuple(planned))


def group_id(name: str) -> str:
    """A step's name as the id of its task group."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _product_names(step: StepConfig, spec: StepSpec) -> dict[str, str]:
    given = dict(zip(spec.produces, step.products, strict=False))
    only = len(spec.produces) == 1
    return {output: given.get(output, step.name if only else f"{step.name}_{output}") for output in spec.produces}


def _check_names(wiring: _Wiring, steps: Sequence[StepConfig], index: Mapping[str, int]) -> None:
    groups: dict[str, str] = {}
    for step in steps:
        group = group_id(step.name)
        if group in RESERVED_GROUPS:
            wiring.complain(index[step.name], "name", f"{step.name!r} is a task that every DAG has", "another name")
        if group in groups:
            message = f"{step.name!r} and {groups[group]!r} both become the task group {group!r}"
            wiring.complain(index[step.name], "name", message, "names that differ in letters or digits")
        groups[group] = step.name
        spare = len(step.products) - len(wiring.specs[step.name].produces)
        if spare > 0:
            made = ", ".join(wiring.specs[step.name].produces) or "none"
            wiring.complain(index[step.name], "products", f"{spare} name(s) too many", f"one for each of: {made}")
    makers: dict[str, _Candidate] = {}
    for candidate in wiring.candidates:
        if candidate.product in makers:
            first = makers[candidate.product].source.step
            message = f"the product {candidate.product!r} is made by {first!r} already"
            wiring.complain(candidate.index, "products", message, "a name of its own for every product")
        makers.setdefault(candidate.product, candidate)


def _inputs(wiring: _Wiring, step: StepConfig, index: int) -> dict[str, tuple[Source, ...]]:
    """Sources of each role: those named in `required_products`, else the one that fits."""
    spec = wiring.specs[step.name]
    named: dict[str, list[Source]] = {role: [] for role in spec.consumes}
    for requirement in step.required_products:
        for candidate in _matches(wiring, step, requirement, index):
            role = next((role for role, port in spec.consumes.items() if candidate.kind in port.kinds), None)
            if role is None:
                wanted = ", ".join(kind for port in spec.consumes.values() for kind in port.kinds) or "nothing"
                message = f"{candidate.product!r} is of kind {candidate.kind!r}, which {spec.tag!r} does not read"
                wiring.complain(index, "required_products", message, f"products of kind {wanted}")
            elif candidate.source not in named[role]:
                named[role].append(candidate.source)
    return {role: _role(wiring, step, index, port, named[role]) for role, port in spec.consumes.items()}


def _matches(
    wiring: _Wiring, step: StepConfig, requirement: str | Mapping[str, Any], index: int
) -> Sequence[_Candidate]:
    """What an entry of `required_products` names: a product, else a step, else a kind; or a mapping of several."""
    others = [candidate for candidate in wiring.candidates if candidate.source.step != step.name]
    if isinstance(requirement, str):
        found = _by_word(others, requirement)
    else:
        found = [candidate for candidate in others if _fits(wiring, candidate, requirement)]
    if not found:
        own = [candidate.product for candidate in wiring.candidates if candidate.source.step == step.name]
        message = "a step cannot read its own product" if requirement in own else f"no step makes {requirement!r}"
        names = sorted({candidate.product for candidate in others})
        near = difflib.get_close_matches(str(requirement), names, n=1)
        wiring.complain(index, "required_products", message, f"one of: {', '.join(names) or 'none'}", "".join(near))
    return found


def _by_word(candidates: Sequence[_Candidate], word: str) -> list[_Candidate]:
    for attribute in (attrgetter("product"), attrgetter("source.step"), attrgetter("kind")):
        found = [candidate for candidate in candidates if attribute(candidate) == word]
        if found:
            return found
    return []


def _fits(wiring: _Wiring, candidate: _Candidate, requirement: Mapping[str, Any]) -> bool:
    facts = {
        "name": candidate.product,
        "step": candidate.source.step,
        "kind": candidate.kind,
        "type": candidate.kind,
        "tag": wiring.specs[candidate.source.step].tag,
    }
    return all(value in (facts[key], None) or tag_of(str(value)) == facts[key] for key, value in requirement.items())


def _role(wiring: _Wiring, step: StepConfig, index: int, port: Port, named: Sequence[Source]) -> tuple[Source, ...]:
    found = list(named)
    if not found:
        found = [c.source for c in wiring.candidates if c.kind in port.kinds and _can_feed(wiring, c, step)]
        if len(found) > 1:
            names = ", ".join(wiring.products[source.step][source.output] for source in found)
            message = f"several products could be its {' or '.join(port.kinds)}: {names}"
            wiring.complain(index, "required_products", message, "the names of those it shall read")
            return tuple(found[:1])
    if len(found) < port.min:
        message = f"it needs {port.min} product(s) of kind {' or '.join(port.kinds)} and finds {len(found)}"
        wiring.complain(index, "required_products", message, "a step that makes one")
    if port.max is not None and len(found) > port.max:
        names = ", ".join(wiring.products[source.step][source.output] for source in found)
        message = f"it reads at most {port.max} product(s) of kind {' or '.join(port.kinds)}, these are given: {names}"
        wiring.complain(index, "required_products", message, "fewer of them")
    return tuple(found)


def _can_feed(wiring: _Wiring, candidate: _Candidate, step: StepConfig) -> bool:
    """Whether an unnamed input may be taken from there: not from the step itself, not of a type it cannot read."""
    if candidate.source.step == step.name:
        return False
    made = _own_type(wiring, candidate.source.step)
    return not made or made in wiring.specs[step.name].dataset_types


def _own_type(wiring: _Wiring, name: str) -> str:
    """The dataset type that a data-reduction step makes; empty for other steps, which take that of their input."""
    step = next(step for step in wiring.config.steps if step.name == name)
    if not wiring.specs[name].observations:
        return ""
    return str(wiring.config.blocks(step).get("datasets", {}).get("type") or "")


def _ordered(
    wiring: _Wiring,
    steps: Sequence[StepConfig],
    inputs: Mapping[str, Mapping[str, tuple[Source, ...]]],
    index: Mapping[str, int],
) -> list[StepConfig]:
    graph = {step.name: {s.step for sources in inputs[step.name].values() for s in sources} for step in steps}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = error.args[1]
        wiring.complain(
            index[cycle[0]], "required_products", f"the steps wait for each other: {' → '.join(cycle)}", "no cycle"
        )
        return []
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda name: index[name])
        names.extend(ready)
        sorter.done(*ready)
    by_name = {step.name: step for step in steps}
    return [by_name[name] for name in names]


def _planned(
    wiring: _Wiring,
    ordered: Sequence[StepConfig],
    inputs: Mapping[str, Mapping[str, tuple[Source, ...]]],
    index: Mapping[str, int],
) -> list[PlannedStep]:
    planned: list[PlannedStep] = []
    types: dict[str, str] = {}
    for step in ordered:
        spec = wiring.specs[step.name]
        sources = inputs[step.name]
        found = {types[source.step] for role in sources.values() for source in role} - {""}
        types[step.name] = _own_type(wiring, step.name) or "+".join(sorted(found))
        wrong = sorted(found - set(spec.dataset_types))
        if wrong:
            message = f"{spec.tag!r} cannot work on {' and '.join(wrong)} datasets"
            wiring.complain(
                index[step.name], "required_products", message, f"{' or '.join(spec.dataset_types)} datasets"
            )
        products = wiring.products[step.name]
        planned.append(
            PlannedStep(step.name, group_id(step.name), spec, sources, products, types[step.name], step.parallel)
        )
    return planned
