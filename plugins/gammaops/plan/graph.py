"""The plan as data: steps in their places."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gammaops.steps.base import StepSpec

__all__ = ["Plan", "PlannedStep", "Source"]


@dataclass(frozen=True)
class Source:
    """An output of a step, as an input of another."""

    step: str
    output: str


@dataclass(frozen=True)
class PlannedStep:
    """A step in its place.

    Parameters
    ----------
    name : str
        As written in the config.
    group_id : str
        Its name as Airflow's task group id.
    spec : StepSpec
        Its type.
    inputs : mapping of str to tuple of Source
        What it reads in each role.
    products : mapping of str to str
        Name of the product by name of the output.
    dataset_type : str
        ``1d`` or ``3d``; empty where no datasets take part.
    parallel : bool
        Whether its rows become mapped tasks.
    external : mapping of str to tuple of str
        Paths of products from outside the plan that it reads in each role.
    rule : str
        ``strict``: it needs every product that it is wired to; ``lenient``: it takes what there is; empty: it does
        without those that had nothing to give, and not without those that failed.
    """

    name: str
    group_id: str
    spec: StepSpec
    inputs: Mapping[str, tuple[Source, ...]]
    products: Mapping[str, str]
    dataset_type: str = ""
    parallel: bool = True
    external: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rule: str = ""

    @property
    def strict(self) -> bool:
        """Whether it needs every product that it is wired to."""
        return self.rule == "strict"

    @property
    def lenient(self) -> bool:
        """Whether it takes what there is, whatever failed."""
        return self.rule == "lenient"

    @property
    def starts_from_data(self) -> bool:
        """Whether it takes observations, or other data that no step has made."""
        return self.spec.observations or not self.spec.consumes

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the steps that it reads from, each once."""
        return tuple(dict.fromkeys(source.step for sources in self.inputs.values() for source in sources))


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which they can run, after a config."""

    analysis: str
    steps: tuple[PlannedStep, ...]

    def __getitem__(self, name: str) -> PlannedStep:
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @cached_property
    def shape(self) -> str:
        """Digest of which tasks there are, what they read and what they publish; values of the config do not count."""
        steps = [
            {
                "name": step.name,
                "tag": step.spec.tag,
                "inputs": {
                    role: [(found.step, found.output) for found in sources] for role, sources in step.inputs.items()
                },
                "products": dict(step.products),
                "fans_out": step.spec.fan_out is not None,
                "lenient": step.lenient,
            }
            for step in self.steps
        ]
        return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()

    def upstream_closure(self, names: Iterable[str]) -> frozenset[str]:
        """These steps and all that they read from, directly or not."""
        found = set(names)
        for step in reversed(self.steps):
            if step.name in found:
                found.update(step.upstream)
        return frozenset(found)
