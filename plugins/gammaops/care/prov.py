"""The ancestry of a product as W3C PROV, in its JSON form (PROV-JSON), with names of IVOA's Provenance Data Model.

Entities are products, frozen configs and files of the archive, by their SHA-256; activities are tasks; agents are the
software and who ran it. Nothing is read but sidecars and indexes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gammaops.lineage import MEMBER
from gammaops.steps import step_specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.lineage import Lineage, Origin, SourceFile

__all__ = ["prov_json"]

_VOPROV = "http://www.ivoa.net/documents/ProvenanceDM/ns/voprov/"
_OURS = "urn:gammaops:"
_DATASET, _COLLECTION = "voprov:DatasetEntity", ("prov:Collection",)
_MEASURED = ("host", "cpu_seconds", "peak_memory_mb")


def prov_json(lineage: Lineage, name: str) -> str:
    """PROV-JSON of a product and all that it goes back to; the same store gives the same text.

    Parameters
    ----------
    lineage : Lineage
        Of its store.
    name : str
        Its path below the store.
    """
    document = _Document(lineage.store.uri)
    for origin in lineage.ancestry(name).values():
        document.add(origin)
    return json.dumps(document.as_dict(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _word(text: str) -> dict[str, str]:
    """A name of a vocabulary as a value."""
    return {"$": text, "type": "prov:QUALIFIED_NAME"}


class _Document:
    """A PROV document in the making: records by their ids, relations numbered as they come."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._records: dict[str, dict[str, Any]] = defaultdict(dict)
        self._relations: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    def as_dict(self) -> dict[str, Any]:
        """The document; names of activities and agents are ours, those of products are their places in the store."""
        ours = {word: f"{_OURS}{word}:" for word in ("terms", "task", "software", "who")}
        prefix = {**ours, "store": f"{self._uri}/", "sha256": "urn:sha256:", "voprov": _VOPROV}
        numbered = {
            what: {f"_:{what}{number}": relation for number, relation in enumerate(stated.values(), 1)}
            for what, stated in self._relations.items()
        }
        return {"prefix": prefix, **self._records, **numbered}

    def add(self, origin: Origin) -> None:
        """A product with the task that made it, and what that task used."""
        product = self._product(origin)
        sidecar = origin.sidecar
        if "run" not in sidecar:
            return
        task = self._task(sidecar)
        ended = {"prov:time": sidecar["ended"]} if "ended" in sidecar else {}
        self._relate("wasGeneratedBy", entity=product, activity=task, more=ended)
        for reference in origin.references:
            source = f"store:{reference.name}"
            if reference.role == MEMBER:
                self._relate("hadMember", collection=product, entity=source)
            elif reference.name:
                self._used(product, task, source, reference.role)
        for file in origin.files:
            self._used(product, task, self._file(file), file.key or "archive")

    def _product(self, origin: Origin) -> str:
        sidecar, payload = origin.sidecar, origin.sidecar.get("payload") or {}
        kinds = [f"terms:{sidecar['kind']}"] if sidecar else []
        facts = {
            "prov:label": f"{sidecar.get('kind', 'product')} {sidecar.get('item', {}).get('label', '')}".strip(),
            "prov:type": [_word(kind) for kind in (_DATASET, *kinds, *_COLLECTION[: bool(sidecar.get("index"))])],
            "voprov:name": origin.name.rpartition("/")[2],
            "voprov:location": f"{self._uri}/{origin.name}",
            "terms:key": sidecar.get("key"),
            "terms:status": sidecar.get("status"),
            "terms:sha256": payload.get("sha256"),
            "terms:size": payload.get("size"),
            "voprov:comment": sidecar.get("reason") or origin.problem,
        }
        return self._record("entity", f"store:{origin.name}", facts)

    def _file(self, file: SourceFile) -> str:
        facts = {
            "prov:label": file.name,
            "prov:type": [] if file.key else [_word(_DATASET)],
            "voprov:name": file.name,
            "terms:sha256": file.sha256,
        }
        return self._record("entity", f"sha256:{file.sha256}", facts)

    def _task(self, sidecar: Mapping[str, Any]) -> str:
        step = sidecar.get("step", {"name": sidecar["kind"], "tag": "", "version": ""})
        words = [sidecar["run"].removeprefix("runs/"), step["name"], *_role(sidecar)]
        facts = {
            "prov:label": " ".join(words[1:]),
            "prov:type": [_word(f"terms:{step['tag']}")] if step["tag"] else [],
            "prov:startTime": sidecar.get("started"),
            "prov:endTime": sidecar.get("ended"),
            "voprov:name": step["name"],
            "terms:step_version": step["version"],
            **{f"terms:{name}": sidecar.get(name) for name in _MEASURED},
            **{f"terms:{name}": value for name, value in sidecar.get("who", {}).items()},
        }
        task = self._record("activity", f"task:{'/'.join(quote(word) for word in words)}", facts)
        config = self._record(
            "entity",
            f"store:{sidecar['run']}/config.yaml",
            {"prov:label": "effective config", "prov:type": [_word("prov:Plan")], "voprov:name": "config.yaml"},
        )
        self._relate("used", activity=task, entity=config, more={"prov:role": "config"})
        self._agents(task, config, sidecar)
        return task

    def _agents(self, task: str, config: str, sidecar: Mapping[str, Any]) -> None:
        code, who = sidecar.get("code", {}), sidecar.get("who", {})
        software = self._software("gammaops", code.get("gammaops", ""), code.get("git", ""))
        self._relate("wasAssociatedWith", activity=task, agent=software, plan=config, more={"prov:role": "pipeline"})
        for package, version in sidecar.get("packages", {}).items():
            library = self._software(package, version)
            self._relate("wasAssociatedWith", activity=task, agent=library, more={"prov:role": "library"})
        asked = (
            f"{who['dag_id']}/{who['run_id']}" if who.get("dag_id") else f"command line on {sidecar.get('host', '')}"
        )
        facts = {"prov:label": asked, "voprov:name": asked}
        responsible = self._record("agent", f"who:{quote(asked)}", facts)
        self._relate("actedOnBehalfOf", delegate=software, responsible=responsible, activity=task)

    def _software(self, name: str, version: str, revision: str = "") -> str:
        facts = {
            "prov:label": f"{name} {version}",
            "prov:type": [_word("prov:SoftwareAgent")],
            "voprov:name": name,
            "terms:version": version,
            "terms:git": revision,
        }
        words = [name, version, *([revision] if revision else [])]
        return self._record("agent", f"software:{quote('-'.join(words))}", facts)

    def _used(self, product: str, task: str, source: str, role: str) -> None:
        self._relate("used", activity=task, entity=source, more={"prov:role": role})
        self._relate("wasDerivedFrom", generatedEntity=product, usedEntity=source)

    def _record(self, what: str, name: str, facts: Mapping[str, Any]) -> str:
        known = {key: value for key, value in facts.items() if value not in (None, "", [])}
        self._records[what].setdefault(name, known)
        return name

    def _relate(self, what: str, *, more: Mapping[str, Any] | None = None, **ends: str) -> None:
        """State a relation once."""
        relation = {**{f"prov:{end}": name for end, name in ends.items()}, **(more or {})}
        self._relations[what][json.dumps(relation, sort_keys=True)] = relation


def _role(sidecar: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of the step's tasks made a product: that of a part, of the table of rows, of the end."""
    if "item" in sidecar:
        return ("part", sidecar["item"]["label"])
    spec = step_specs().get(sidecar.get("step", {}).get("tag", ""))
    if spec is None or spec.fan_out is None:
        return ()
    return ("split",) if sidecar["kind"] == spec.fan_out.table else ("collect",)
