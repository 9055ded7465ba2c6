"""From what is given in each layer to the values that hold for each step, with every problem on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from gammaops.config.blocks import GAMMAPY_KEYS, GENERAL, block_levels, used_blocks
from gammaops.config.layers import overlay
from gammaops.config.loader import MAX_PROBLEMS, Document, dotted
from gammaops.errors import Problem
from gammaops.schema import Finding, value_at
from gammaops.schema.relations import near
from gammaops.steps import step_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gammaops.config.analysis import StepConfig
    from gammaops.schema.levels import Level

__all__ = ["Resolution"]

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class _Effective:
    """A block as it holds somewhere: as given in all layers, normalised, and what is wrong with it."""

    raw: Mapping[str, Any]
    values: Mapping[str, Any]
    wrong: Sequence[Finding]
    broken: Sequence[Finding]

    @property
    def findings(self) -> Sequence[Finding]:
        """All that is wrong: keys, and the rules between them."""
        return (*self.wrong, *self.broken)


def _effective(block: str, raw: Mapping[str, Any]) -> _Effective:
    level = block_levels()[block]
    wrong = level.findings(raw)
    values = level.normalised(raw)
    broken = tuple(level.broken_relations(values, frozenset(finding.path for finding in wrong if not finding.missing)))
    if block == GENERAL:
        # The chain is made of them, and then they mean nothing more.
        values = {key: value for key, value in values.items() if key not in GAMMAPY_KEYS}
    return _Effective(raw, values, wrong, broken)


@cache
def _default(block: str, _level: Level) -> _Effective:
    return _effective(block, {})


@dataclass
class Resolution:
    """The layers of an analysis, and what comes of them.

    Parameters
    ----------
    source : str
        The file, for messages.
    document : Document
        The file's content with positions.
    blocks : mapping
        The file's blocks without what is not given.
    params : mapping
        Overrides of the run.
    site, site_defaults : str, mapping
        The site's name and its defaults of blocks.
    effective, raw : list of mapping
        For each step, its blocks normalised, and as given in all layers.
    problems : list of Problem
        All that is wrong.
    """

    source: str
    document: Document
    blocks: Mapping[str, Any]
    params: Mapping[str, Any]
    site: str = ""
    site_defaults: Mapping[str, Any] = field(default_factory=dict)
    effective: list[Mapping[str, Mapping[str, Any]]] = field(default_factory=list)
    raw: list[Mapping[str, Mapping[str, Any]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _shared: dict[str, _Effective] = field(default_factory=dict)

    def complain(self, path: KeyPath, finding: Finding, at: KeyPath | None = None) -> None:
        """Note a finding under a key of the file; `at`: where it stands, if not there."""
        place = self.document.position(path if at is None else at)
        self._note(Problem(self.source, *place, dotted(path), finding.message, finding.expected, finding.suggestion))

    def _note(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS and problem not in self.problems:
            self.problems.append(problem)

    def shared(self, block: str) -> _Effective:
        """A block as it holds for steps without overrides."""
        if block not in self._shared:
            layers = (self.blocks, self.params, self.site_defaults)
            empty = not any(block in layer for layer in layers)
            self._shared[block] = _default(block, block_levels()[block]) if empty else self._resolve(block, {})
        return self._shared[block]

    def _resolve(self, block: str, over: Mapping[str, Any]) -> _Effective:
        level = block_levels()[block]
        raw = overlay(level, _mapping(self.blocks, block), over)
        raw = overlay(level, raw, _mapping(self.params, block))
        return _effective(block, overlay(level, _mapping(self.site_defaults, block), raw))

    def check_blocks(self) -> None:
        """Find what is wrong with the file's blocks, whoever reads them; what is missing, a step may yet give."""
        for block in self.blocks:
            if block in block_levels() and not self.params:
                for finding in self.shared(block).wrong:
                    if not finding.missing:
                        self.complain((block, *finding.path), finding)

    def check_params(self, steps: Sequence[StepConfig]) -> None:
        """Find blocks of the run's overrides that no step reads."""
        read = {block for step in steps for block in used_blocks(step_specs()[step.tag])} | {GENERAL}
        for block, value in self.params.items():
            if block not in read:
                finding = Finding(
                    (), "no step of this analysis reads it", f"one of: {', '.join(sorted(read))}", near(block, read)
                )
            elif not isinstance(value, dict):
                finding = Finding((), f"{value!r} does not fit", "keys and values")
            else:
                continue
            self._note(
                Problem("params", 0, 0, f"config.{block}", finding.message, finding.expected, finding.suggestion)
            )

    def add_step(self, index: int, step: StepConfig) -> None:
        """Resolve the blocks of the next step."""
        spec = step_specs()[step.tag]
        names = used_blocks(spec)
        self._check_override(index, step, names)
        found = {}
        for block in names:
            over = _mapping(step.config, block)
            found[block] = self._resolve(block, over) if over else self.shared(block)
            self._complain_of(index, step, block, found[block].findings)
        self.effective.append({block: result.values for block, result in found.items()})
        self.raw.append({block: result.raw for block, result in found.items()})
        values = self.effective[-1]
        for rule in () if any(result.findings for result in found.values()) else spec.rules:
            for finding in rule(values):
                self._complain_of(index, step, str(finding.path[0]), [replace(finding, path=finding.path[1:])])
        for key in spec.required:
            block, _, rest = key.partition(".")
            if block in found and value_at(found[block].values, rest) is None:
                finding = Finding(
                    (*rest.split("."),), f"not given, and the step {step.name!r} needs it", "a value", missing=True
                )
                self._complain_of(index, step, block, [finding])

    def _check_override(self, index: int, step: StepConfig, names: Iterable[str]) -> None:
        names = tuple(names)
        for block, value in step.config.items():
            path = ("steps", index, "config", block)
            if block not in names:
                expected = f"one of: {', '.join(names)}" if names else "no config"
                message = f"a {step.tag} step does not read this block"
                self.complain(path, Finding((), message, expected, near(block, names)))
            elif not isinstance(value, dict) and value not in (None, []):
                self.complain(path, Finding((), f"{value!r} does not fit", "keys and values"))

    def _complain_of(self, index: int, step: StepConfig, block: str, findings: Sequence[Finding]) -> None:
        """Note findings under the layer that brought them in: the run, the step, or the analysis."""
        overridden = bool(_mapping(step.config, block))
        for finding in findings:
            path = (block, *finding.path)
            if self.params:
                # Without them the analysis was good.
                key = dotted(("config", *path))
                self._note(Problem("params", 0, 0, key, finding.message, finding.expected, finding.suggestion))
            elif overridden and finding not in self.shared(block).findings:
                self.complain(("steps", index, "config", *path), finding)
            else:
                self.complain(path, finding, at=None if block in self.blocks else ("steps", index))


def _mapping(layer: Mapping[str, Any], block: str) -> Mapping[str, Any]:
    value = layer.get(block)
    return value if isinstance(value, dict) else {}
