"""From a config to a plan: who reads what from whom."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from gammaops.errors import ConfigError
from gammaops.plan.alerts import alert_problems
from gammaops.plan.graph import Plan, PlannedStep, Source
from gammaops.plan.inputs import Candidate, Reader, Wiring, own_type
from gammaops.plan.origins import check_nights, check_origins, reductions_behind
from gammaops.steps import step_specs, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.config import AnalysisConfig, StepConfig
    from gammaops.steps.base import StepSpec

__all__ = ["REPORT", "group_id", "make_plan"]

REPORT = "report"
RESERVED_GROUPS = frozenset({"start", "report", "late", "late_run", "alerts", "verdict"})


def make_plan(config: AnalysisConfig) -> Plan:
    """Wire the steps of a config.

    Raises
    ------
    ConfigError
        With every problem: a required product that nobody makes, that is of the wrong kind or that several could give,
        names used twice, cycles, steps that cannot work on their input's dataset type.
    """
    _refuse_equal_names(config)
    steps = [step for step in config.steps if tag_of(step.tag) != REPORT]
    specs = {step.name: step_specs()[tag_of(step.tag)] for step in steps}
    index = {step.name: position for position, step in enumerate(config.steps)}
    products = {step.name: _product_names(step, specs[step.name]) for step in steps}
    candidates = [
        Candidate(Source(step.name, output), products[step.name][output], made.kind, index[step.name])
        for step in steps
        for output, made in specs[step.name].produces.items()
    ]
    wiring = Wiring(config, specs, products, candidates)
    _check_names(wiring, steps, index)
    wiring.problems += alert_problems(config, specs, products)
    readers = {step.name: Reader(wiring, step, index[step.name]) for step in steps}
    external = {name: reader.external() for name, reader in readers.items()}
    inputs = {name: reader.wired(external[name]) for name, reader in readers.items()}
    ordered = _ordered(wiring, steps, inputs, index)
    planned = _planned(wiring, ordered, inputs, external)
    if wiring.problems:
        raise ConfigError(wiring.problems)
    return Plan(config.name, tuple(planned))


def group_id(name: str) -> str:
    """A step's name as the id of its task group."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _refuse_equal_names(config: AnalysisConfig) -> None:
    """Names come first: with two steps of one name, nothing else can be said for sure."""
    wiring, first = Wiring(config, {}, {}, ()), dict[str, int]()
    for index, step in enumerate(config.steps):
        if step.name in first:
            message = f"{step.name!r} is the name of steps[{first[step.name]}] already"
            wiring.complain((index, "name"), message, "a name of its own for every step")
        first.setdefault(step.name, index)
    if wiring.problems:
        raise ConfigError(wiring.problems)


def _product_names(step: StepConfig, spec: StepSpec) -> dict[str, str]:
    given = dict(zip(spec.produces, step.products, strict=False))
    only = len(spec.produces) == 1
    return {output: given.get(output, step.name if only else f"{step.name}_{output}") for output in spec.produces}


def _check_names(wiring: Wiring, steps: Sequence[StepConfig], index: Mapping[str, int]) -> None:
    groups: dict[str, str] = {}
    for step in steps:
        group = group_id(step.name)
        if group in RESERVED_GROUPS:
            wiring.complain((index[step.name], "name"), f"{step.name!r} is a task that every DAG has", "another name")
        if group in groups:
            message = f"{step.name!r} and {groups[group]!r} both become the task group {group!r}"
            wiring.complain((index[step.name], "name"), message, "names that differ in letters or digits")
        groups[group] = step.name
        spare = len(step.products) - len(wiring.specs[step.name].produces)
        if spare > 0:
            made = ", ".join(wiring.specs[step.name].produces) or "none"
            wiring.complain((index[step.name], "products"), f"{spare} name(s) too many", f"one for each of: {made}")
    makers: dict[str, Candidate] = {}
    for candidate in wiring.candidates:
        if candidate.product in makers:
            first = makers[candidate.product].source.step
            message = f"the product {candidate.product!r} is made by {first!r} already"
            wiring.complain((candidate.index, "products"), message, "a name of its own for every product")
        makers.setdefault(candidate.product, candidate)


def _ordered(
    wiring: Wiring,
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
        place = (index[cycle[0]], "required_products")
        wiring.complain(place, f"the steps wait for each other: {' → '.join(cycle)}", "no cycle")
        return []
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda name: index[name])
        names.extend(ready)
        sorter.done(*ready)
    by_name = {step.name: step for step in steps}
    return [by_name[name] for name in names]


def _planned(
    wiring: Wiring,
    ordered: Sequence[StepConfig],
    inputs: Mapping[str, Mapping[str, tuple[Source, ...]]],
    external: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> list[PlannedStep]:
    index = {step.name: position for position, step in enumerate(wiring.config.steps)}
    planned: list[PlannedStep] = []
    types: dict[str, str] = {}
    for step in ordered:
        spec = wiring.specs[step.name]
        sources = inputs[step.name]
        made = [types[source.step] for role in sources.values() for source in role]
        found = {kind for kinds in made for kind in kinds.split("+")} - {""}
        types[step.name] = own_type(wiring, step.name) or "+".join(sorted(found))
        wrong = sorted(found - set(spec.dataset_types))
        if wrong:
            message = f"{spec.tag!r} cannot work on {' and '.join(wrong)} datasets"
            place = (index[step.name], "required_products")
            wiring.complain(place, message, f"{' or '.join(spec.dataset_types)} datasets")
        read = [role for role in spec.consumes if sources.get(role) or external[step.name].get(role)]
        _check_roles(wiring, step, index[step.name], read)
        _check_inputs(wiring, step, index[step.name], inputs)
        check_origins(wiring, step, inputs, external)
        check_nights(wiring, step)
        planned.append(
            PlannedStep(
                step.name,
                group_id(step.name),
                spec,
                sources,
                wiring.products[step.name],
                dataset_type=types[step.name],
                parallel=step.parallel,
                external=external[step.name],
                rule=step.rule,
            )
        )
    return planned


def _check_roles(wiring: Wiring, step: StepConfig, index: int, roles: Sequence[str]) -> None:
    """What a step's blocks must say where it reads something in these roles."""
    spec, blocks = wiring.specs[step.name], wiring.config.blocks(step)
    for role in roles:
        key = "required_products" if step.required_products else "inputs"
        for rule in spec.role_rules.get(role, ()):
            for finding in rule(blocks):
                wiring.complain((index, key), finding.message, finding.expected)


def _check_inputs(
    wiring: Wiring, step: StepConfig, index: int, inputs: Mapping[str, Mapping[str, tuple[Source, ...]]]
) -> None:
    """What the steps that it reads from must say in their blocks, and the reductions that its datasets come from."""
    for role, rules in wiring.specs[step.name].input_rules.items():
        sources = inputs[step.name].get(role, ())
        behind = reductions_behind(wiring, inputs, sources)
        for name in dict.fromkeys([*(source.step for source in sources), *behind]):
            maker = wiring.config.step(name)
            for rule in rules.get(wiring.specs[name].tag, ()):
                for finding in rule(wiring.config.blocks(maker)):
                    wiring.complain((index, ""), f"of the step {name!r}: {finding.message}", finding.expected)
