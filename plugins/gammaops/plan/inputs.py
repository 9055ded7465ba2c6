"""What each step reads: products of other steps, found by name, step or kind, and products from outside the plan."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from gammaops.errors import Problem
from gammaops.plan.graph import Source
from gammaops.products.paths import kind_of
from gammaops.steps import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.config import AnalysisConfig, StepConfig
    from gammaops.steps.base import StepSpec

__all__ = ["Candidate", "Reader", "Wiring", "own_type"]


@dataclass(frozen=True)
class Candidate:
    """One output that others may ask for."""

    source: Source
    product: str
    kind: str
    index: int


@dataclass
class Wiring:
    """What is known while the inputs are being found."""

    config: AnalysisConfig
    specs: Mapping[str, StepSpec]
    products: Mapping[str, Mapping[str, str]]
    candidates: Sequence[Candidate]
    problems: list[Problem] = field(default_factory=list)

    def complain(self, place: tuple[int, str, *tuple[int, ...]], message: str, expected: str, near: str = "") -> None:
        """Note a problem of a step's key, or of one item under it; an empty key means the step."""
        index, key, *items = place
        line, column = self.config.position("steps", index, *([key] if key else []), *items)
        path = "".join([f"steps[{index}]", f".{key}" if key else "", *(f"[{item}]" for item in items)])
        self.problems.append(Problem(self.config.source, line, column, path, message, expected, near))


@dataclass(frozen=True)
class Reader:
    """A step that looks for its inputs; `index` is its place in the file."""

    wiring: Wiring
    step: StepConfig
    index: int

    @property
    def spec(self) -> StepSpec:
        """Its type."""
        return self.wiring.specs[self.step.name]

    def external(self) -> dict[str, tuple[str, ...]]:
        """Products from outside the plan, by role; their paths tell of what kind they are."""
        found: dict[str, list[str]] = {}
        for number, path in enumerate(self.step.inputs):
            kind, place = kind_of(path), (self.index, "inputs", number)
            role = self._role_of(kind)
            if not kind:
                expected = "a path such as products/datasets/ab/ab….json, as reports and `run.json` list them"
                self.wiring.complain(place, f"{path!r} is no product path", expected)
            elif role is None:
                self._refuse(place, path, kind)
            else:
                found.setdefault(role, []).append(path)
        return {role: tuple(dict.fromkeys(paths)) for role, paths in found.items()}

    def wired(self, external: Mapping[str, Sequence[str]]) -> dict[str, tuple[Source, ...]]:
        """Products of other steps, by role: those named in `required_products`, else the one that fits.

        An optional input is taken only where it is named. A role that external products fill and that is not to be
        extended takes none.
        """
        named: dict[str, list[Source]] = {role: [] for role in self.spec.consumes}
        before = len(self.wiring.problems)
        for number, requirement in enumerate(self.step.required_products):
            place = (self.index, "required_products", number)
            for candidate in self._matches(requirement, place):
                role = self._role_of(candidate.kind)
                if role is None:
                    self._refuse(place, candidate.product, candidate.kind)
                elif candidate.source not in named[role]:
                    named[role].append(candidate.source)
        if len(self.wiring.problems) > before:
            # What is not found is not asked for again.
            return {role: tuple(sources) for role, sources in named.items()}
        replaced = () if self.step.extend else tuple(external)
        return {
            role: () if role in replaced else self._sources(role, named[role], len(external.get(role, ())))
            for role in self.spec.consumes
        }

    def _role_of(self, kind: str) -> str | None:
        return next((role for role, port in self.spec.consumes.items() if kind in port.kinds), None)

    def _refuse(self, place: tuple[int, str, int], product: str, kind: str) -> None:
        wanted = ", ".join(kind for port in self.spec.consumes.values() for kind in port.kinds) or "nothing"
        message = f"{product!r} is of kind {kind!r}, which {self.spec.tag!r} does not read"
        self.wiring.complain(place, message, f"products of kind {wanted}")

    def _matches(self, requirement: str | Mapping[str, Any], place: tuple[int, str, int]) -> Sequence[Candidate]:
        """What an entry of `required_products` names: a product, else a step, else a kind; or a mapping of several.

        Of a step that makes several products, those that can be read are meant.
        """
        others = [candidate for candidate in self.wiring.candidates if candidate.source.step != self.step.name]
        if isinstance(requirement, str):
            found = _by_word(others, requirement)
        else:
            found = [candidate for candidate in others if _fits(self.wiring, candidate, requirement)]
        if not found:
            self._complain_of_absence(requirement, others, place)
        return [candidate for candidate in found if self._role_of(candidate.kind)] or found

    def _complain_of_absence(
        self, requirement: str | Mapping[str, Any], others: Sequence[Candidate], place: tuple[int, str, int]
    ) -> None:
        """Say which product nobody makes, or which fact of a mapping no product has, and what there is instead."""
        if isinstance(requirement, str):
            wanted, known = requirement, {candidate.product for candidate in others}
            own = [c.product for c in self.wiring.candidates if c.source.step == self.step.name]
            message = "a step cannot read its own product" if wanted in own else f"no step makes {wanted!r}"
        else:
            facts = [_facts(self.wiring, candidate) for candidate in others]
            alone = (key for key, value in requirement.items() if not any(_same(value, fact[key]) for fact in facts))
            key = next(alone, None)
            wanted, known = str(requirement.get(key or "")), {fact[key or "name"] for fact in facts}
            message = f"no product of another step has {key}: {wanted}" if key else "no product has all of this at once"
        names = sorted(known)
        near = difflib.get_close_matches(wanted, names, n=1)
        self.wiring.complain(place, message, f"one of: {', '.join(names) or 'none'}", "".join(near))

    def _sources(self, role: str, named: Sequence[Source], external: int) -> tuple[Source, ...]:
        """What a role reads of other steps, beside so many external products."""
        port, place = self.spec.consumes[role], (self.index, "required_products")
        kinds = " or ".join(port.kinds)
        found = list(named)
        if not found and port.min:
            found = [c.source for c in self.wiring.candidates if c.kind in port.kinds and self._can_take(c)]
            if len(found) > 1:
                message = f"several products could be its {kinds}: {self._names(found)}"
                self.wiring.complain(place, message, "the names of those it shall read")
                return tuple(found[:1])
        if len(found) + external < port.min:
            message = f"it needs {port.min} product(s) of kind {kinds} and finds {len(found) + external}"
            self.wiring.complain(place, message, "a step that makes one")
        if port.max is not None and len(found) + external > port.max:
            given = ", ".join(filter(None, [self._names(found), f"{external} of `inputs`" if external else ""]))
            message = f"it reads at most {port.max} product(s) of kind {kinds}, these are given: {given}"
            self.wiring.complain(place, message, "fewer of them")
        return tuple(found)

    def _names(self, sources: Sequence[Source]) -> str:
        return ", ".join(self.wiring.products[source.step][source.output] for source in sources)

    def _can_take(self, candidate: Candidate) -> bool:
        """Whether an unnamed input may come from there: not of a step of its own type, and not what it cannot read."""
        if self.wiring.specs[candidate.source.step].tag == self.spec.tag:
            return False
        made = own_type(self.wiring, candidate.source.step)
        return not made or made in self.spec.dataset_types


def _by_word(candidates: Sequence[Candidate], word: str) -> list[Candidate]:
    for attribute in (attrgetter("product"), attrgetter("source.step"), attrgetter("kind")):
        found = [candidate for candidate in candidates if attribute(candidate) == word]
        if found:
            return found
    return []


def _fits(wiring: Wiring, candidate: Candidate, requirement: Mapping[str, Any]) -> bool:
    facts = _facts(wiring, candidate)
    return all(_same(value, facts[key]) for key, value in requirement.items())


def _facts(wiring: Wiring, candidate: Candidate) -> dict[str, str]:
    """What a mapping in `required_products` may say of a product."""
    return {
        "name": candidate.product,
        "step": candidate.source.step,
        "kind": candidate.kind,
        "type": candidate.kind,
        "tag": wiring.specs[candidate.source.step].tag,
    }


def _same(wanted: Any, fact: str) -> bool:
    return wanted in (fact, None) or tag_of(str(wanted)) == fact


def own_type(wiring: Wiring, name: str) -> str:
    """The dataset type that a data-reduction step makes; empty for other steps, which take that of their input."""
    if not wiring.specs[name].observations:
        return ""
    return str(wiring.config.blocks(wiring.config.step(name)).get("datasets", {}).get("type") or "")
