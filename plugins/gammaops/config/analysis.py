"""An analysis: one YAML, checked and normalised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gammaops.config.layers import value_of
from gammaops.config.writing import yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.config.resolution import Resolution

__all__ = ["AnalysisConfig", "StepConfig"]


@dataclass(frozen=True)
class StepConfig:
    """One entry of ``steps:``.

    Parameters
    ----------
    name : str
        Unique name; the tag, numbered, where none was given.
    tag : str
        Its type, with ``-``.
    products : tuple of str
        Names of its products; empty: named after the step.
    required_products : tuple of str or mapping
        What it shall read; empty: what fits.
    config : mapping
        Overrides, as given.
    parallel : bool
        Whether its rows become mapped tasks.
    inputs : tuple of str
        Paths of products that other runs have made.
    extend : bool
        Whether these join the products of other steps, or replace them.
    rule : str
        ``strict`` or ``lenient`` about products that are not there; empty: neither.
    running : mapping
        How Airflow runs its tasks, as far as given: ``pool``, ``max_active_tasks``, ``queue``. Changes no product.
    """

    name: str
    tag: str
    products: tuple[str, ...]
    required_products: tuple[str | Mapping[str, str], ...]
    config: Mapping[str, Any]
    parallel: bool = True
    inputs: tuple[str, ...] = ()
    extend: bool = True
    rule: str = ""
    running: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AnalysisConfig:
    """A valid analysis.

    Parameters
    ----------
    name : str
        Stem of its file; the ``dag_id``.
    source : str
        Its file, as messages call it.
    text : str
        The YAML as written.
    document : mapping
        The whole YAML, normalised: every key of every block, quantities in the schema's unit. Itself a config, with
        the same `digest`.
    steps : tuple of StepConfig
        In the order of the file.
    """

    name: str
    source: str
    text: str
    document: Mapping[str, Any]
    steps: tuple[StepConfig, ...]
    _resolution: Resolution

    @property
    def dag(self) -> Mapping[str, Any] | None:
        """The ``dag:`` block; None for an analysis that only runs manually."""
        dag: Mapping[str, Any] | None = self.document["dag"]
        return dag

    @property
    def site(self) -> Mapping[str, Any] | None:
        """The site: ``name``, ``lon_deg`` (east positive), ``lat_deg``, ``height_m``; None if no site is given."""
        site = (self.dag or {}).get("site") or {}
        if site.get("lon") is None:
            return None
        units = {"lon": "lon_deg", "lat": "lat_deg", "height": "height_m"}
        return {"name": site["name"], **{ours: float(site[key].split(" ")[0]) for key, ours in units.items()}}

    @property
    def alerts(self) -> Mapping[str, Mapping[str, Any]]:
        """The ``alerts:`` block: what is told, and to whom, by name."""
        alerts: Mapping[str, Mapping[str, Any]] = self.document["alerts"]
        return alerts

    def archive_path(self, datastore: str) -> str:
        """The path behind ``observations.datastore``, which may be a name of ``datastores:``."""
        archives: Mapping[str, str] = self.document["datastores"]
        return archives.get(datastore, datastore)

    def step(self, name: str) -> StepConfig:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)

    def blocks(self, step: StepConfig) -> Mapping[str, Mapping[str, Any]]:
        """The effective blocks that a step reads, normalised, after its overrides and run parameters."""
        return self._resolution.effective[self._index(step)]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the config means: spelling, order of keys, comments, units and unused blocks do not count."""
        steps = [
            {
                "name": step.name,
                "tag": step.tag,
                "products": step.products,
                "required_products": step.required_products,
                "parallel": step.parallel,
                "inputs": step.inputs,
                "extend": step.extend,
                "rule": step.rule,
                **step.running,
                "blocks": self.blocks(step),
            }
            for step in self.steps
        ]
        shared = {key: self.document[key] for key in ("dag", "general", "datastores")}
        meaning = {**shared, "steps": steps} | ({"alerts": self.alerts} if self.alerts else {})
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def position(self, *path: str | int) -> tuple[int, int]:
        """Line and column of a key in the file, or of the nearest one above it."""
        return self._resolution.document.position(path)

    def place(self, step: StepConfig, key: str) -> tuple[int, int]:
        """Line and column of a step's value of a dotted key: in the step's own `config`, or in that of the file."""
        path = tuple(key.split("."))
        own = value_of(step.config, path) is not None
        return self.position(*(("steps", self._index(step), "config") if own else ()), *path)

    def origin(self, step: StepConfig, key: str) -> str:
        """Where a step's value of a dotted key comes from.

        Returns
        -------
        str
            ``params``, ``step config crab.yaml:31``, ``crab.yaml:12``, ``site hess`` or ``default``.
        """
        path = tuple(key.split("."))
        index = self._index(step)
        resolution = self._resolution
        if value_of(resolution.raw[index], path) is None:
            return "default"
        if value_of(resolution.params, path) is not None:
            return "params"
        for label, prefix, layer in (
            ("step config ", ("steps", index, "config"), step.config),
            ("", (), resolution.document.data),
        ):
            if value_of(layer, path) is not None:
                if prefix and not resolution.document.data.get("steps"):
                    return "the chain of a file without steps"
                return f"{label}{self.source}:{self.position(*prefix, *path)[0]}"
        return f"site {resolution.site}" if value_of(resolution.site_defaults, path) is not None else "default"

    def with_params(self, params: Mapping[str, Any]) -> AnalysisConfig:
        """The analysis with the deep override ``params["config"]`` above all layers; other parameters it leaves alone.

        Raises
        ------
        ConfigError
            With every problem of the override, its source being ``params``.
        """
        from gammaops.config.parse import resolve

        return resolve(self.name, self.source, self.text, self._resolution.document, params.get("config") or {})

    def to_yaml(self) -> str:
        """`document` as YAML that reads back to the same `digest`."""
        return yaml_text(self.document)

    def _index(self, step: StepConfig) -> int:
        return next(index for index, own in enumerate(self.steps) if own.name == step.name and own.tag == step.tag)
