"""Makes a product again from what its sidecar says: in a scratch folder, from nothing but the inputs that it names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError, ProductMissing
from gammaops.lineage import MEMBER, Lineage
from gammaops.products import ProductStore, RunFolder, content_key
from gammaops.products.overlay import OverlayFiles
from gammaops.products.paths import sidecar_of
from gammaops.runner.named_files import with_named_files
from gammaops.runner.publishing import OUTPUTS, part_product, rows_product
from gammaops.runner.run import Provenance, Run, code_version
from gammaops.runner.task import StepTask
from gammaops.runner.tasks import OUTCOMES, chunk, joined, made, nothing
from gammaops.schema import value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gammaops.products import Product
    from gammaops.steps.base import Fan

__all__ = ["Recipe"]


class _Row(dict[str, Any]):
    """A row of a fan-out's table as a sidecar keeps it: what was empty is left out there."""

    def __missing__(self, name: str) -> str:
        return ""


@dataclass(frozen=True)
class Recipe:
    """Everything that a product is made from, found again.

    Parameters
    ----------
    sidecar : mapping
        Of the product.
    lineage : Lineage
        Of its store.
    task : StepTask
        Its step with the inputs that the sidecar names, in a store of its own.
    """

    sidecar: Mapping[str, Any]
    lineage: Lineage
    task: StepTask

    @classmethod
    def of(cls, store: ProductStore, lineage: Lineage, name: str, folder: Path) -> Recipe:
        """Read a sidecar and open what it names; everything that is made from it is written below `folder`.

        Raises
        ------
        ProductError, ConfigError
            If anything of it is gone, or no more what it was.
        """
        origin = lineage.origin(name)
        if origin.problem:
            raise ProductMissing(origin.problem)
        sidecar = origin.sidecar
        gone = [reference for reference in origin.references if not reference.name]
        if gone:
            words = ", ".join(f"{one.role} {one.label} ({one.digest})" for one in gone)
            raise ProductMissing(f"it was made from products that are in the store no more: {words}")
        names = {name for reference in origin.references for name in _files_of(lineage, reference.name)}
        run = _run(store, sidecar["run"], ProductStore.of(OverlayFiles(store.files, folder, names)))
        return cls(sidecar, lineage, _task(run, sidecar))

    def make(self) -> Product:
        """Make it, with whatever its step makes at the same time.

        Returns
        -------
        Product
            The counterpart, in the scratch store.
        """
        fan, kind = self.task.step.spec.fan_out, self.sidecar["kind"]
        if fan and "item" in self.sidecar:
            return part_product(self.task, fan, self.task.prepared(), self.row)
        if kind == OUTCOMES:
            return self._chunk()
        if fan and kind == fan.table:
            return rows_product(self.task, fan, self._table())
        if fan and self.sidecar["status"] != "ok":
            return self._nothing(fan)
        if fan:
            return self._counterpart(joined(self.task, self._parts()))
        return self._counterpart(made(self.task))

    @property
    def row(self) -> Mapping[str, Any]:
        """The row of the fan-out's table that a part was made from."""
        item = self.sidecar["item"]
        return _Row(item["row"], label=item["label"])

    def changed_sources(self) -> list[str]:
        """Files of the archive that are not what the part was made from."""
        sources = getattr(self.task.science, "sources", None)
        if "item" not in self.sidecar or sources is None:
            return []
        recorded = {source["name"]: source["sha256"] for source in self.sidecar.get("sources", ())}
        sha256 = self.task.run.store.digests.sha256
        now = {path.name: path for path in sources(self.task.prepared(), self.row)}
        gone = [f"{name} is gone" for name in recorded if name not in now or not now[name].exists()]
        there = {name: path for name, path in now.items() if path.exists()}
        return gone + [f"{path} has changed" for name, path in there.items() if sha256(path) != recorded.get(name)]

    def changed_files(self) -> list[str]:
        """Files that the config names and that are not what the product was made from."""
        recorded, now = self.sidecar.get("files", {}), self.task.files
        return [
            f"{value_at(self.task.config, key) or key.rpartition(': ')[2]}, the file of {key.partition(': ')[0]},"
            f" {'has changed' if key in recorded and key in now else 'was not the same'}"
            for key in sorted({*recorded, *now})
            if recorded.get(key) != now.get(key)
        ]

    def _table(self) -> Any:
        return self.task.science.split(self.task.prepared(), self.task.inputs, self.task.run.scope)

    def _nothing(self, fan: Fan) -> Product:
        """The outcome of a fan-out in which no row was selected."""
        table = self._table()
        selected = [row["label"] for row in table if row["status"] == "selected"]
        if selected:
            raise ProductError(f"none of the {fan.over} was selected then, now there are: {', '.join(selected)}")
        return nothing(self.task, fan, rows_product(self.task, fan, table).uri)

    def _parts(self) -> list[Product]:
        """The parts that were joined, as the sidecar says, or that of the index it was made for, or of an output."""
        lineage, store = self.lineage, self.task.run.store
        sidecar = self.sidecar
        if sidecar["kind"] == OUTPUTS:
            sidecar = lineage.origin(lineage.origin(self._own_name).references[0].name).sidecar
        elif index := lineage.index_of(sidecar):
            sidecar = lineage.origin(index).sidecar
        return [store.open(store.complete(reference.name)) for reference in lineage.parts(sidecar)]

    def _chunk(self) -> Product:
        """An index of several rows: each of them is made again."""
        members = [one for one in self.lineage.origin(self._own_name).references if one.role == MEMBER]
        sidecars = [self.lineage.origin(one.name).sidecar for one in members]
        products = [replace(self, sidecar=sidecar).make() for sidecar in sidecars]
        return chunk(self.task, [one.label for one in members], products)

    @property
    def _own_name(self) -> str:
        kind, key = self.sidecar["kind"], self.sidecar["key"]
        return f"products/{kind}/{key[:2]}/{key}.json"

    def _counterpart(self, product: Product) -> Product:
        """Which of the products that the step makes this one is."""
        kind = self.sidecar["kind"]
        if kind == OUTPUTS:
            return product
        outputs = product.members if product.kind == OUTPUTS else (product,)
        fitting = [one for one in outputs if one.kind == kind]
        if len(outputs) > 1:
            fitting = [one for one in fitting if self._was_called(one.row["name"])]
        if not fitting and "name" in self.sidecar["metrics"]:
            name = self.sidecar["metrics"]["name"]
            fitting = [one for index in outputs for one in index.members if one.row["name"] == name]
        if not fitting:
            raise ProductMissing(f"the step {self.task.step.name!r} makes no such {kind} now")
        return fitting[0]

    def _was_called(self, output: str) -> bool:
        """Whether it is the output of this name: its key says so."""
        sidecar = self.sidecar
        inputs = {role: [one["digest"] for one in given] for role, given in sidecar["inputs"].items() if given}
        more = {"parts": sidecar["parts"]} if "parts" in sidecar else {}
        same = {name: sidecar[name] for name in ("config", "files", "packages")}
        step = {name: sidecar["step"][name] for name in ("tag", "version")}
        key: str = sidecar["key"]
        return content_key({**step, **same, **more, "output": output, "inputs": inputs}) == key


def _files_of(lineage: Lineage, name: str) -> Iterable[str]:
    """Sidecar and payload of a product, and of those that it lists."""
    origin = lineage.origin(name)
    yield from (sidecar_of(origin.name), origin.name)
    for reference in origin.references:
        if reference.role == MEMBER:
            yield from _files_of(lineage, reference.name)


def _run(store: ProductStore, relative: str, apart: ProductStore) -> Run:
    """The run that made a product, writing elsewhere and with the code of today."""
    folder = RunFolder(store, relative)
    if not folder.has("config.yaml"):
        raise ProductMissing(f"the run that made it is in the store no more: {store.uri_of(relative)}")
    run = Run.open(folder.uri_of("config.yaml"))
    request = {**run.request, "reuse": "use", "code": code_version()}
    return replace(run, folder=RunFolder(apart, relative), request=request)


def _task(run: Run, sidecar: Mapping[str, Any]) -> StepTask:
    """The step with the inputs that the sidecar names.

    Raises
    ------
    ProductMissing
        If the step type is not what it was called, or an input is another one.
    """
    name = sidecar["step"]["name"]
    if name not in {step.name for step in run.plan.steps}:
        raise ProductMissing(f"its run has no step {name!r}")
    inputs = {
        role: tuple(_opened(run.store, entry) for entry in entries) for role, entries in sidecar["inputs"].items()
    }
    return replace(StepTask.without_inputs(run, name, Provenance()), inputs=inputs)


def _opened(store: ProductStore, entry: Mapping[str, str]) -> Product:
    product = store.open(store.complete(entry["path"]))
    if product.digest != entry["digest"]:
        raise ProductError(f"its input {product.uri} has the digest {product.digest}, it was {entry['digest']}")
    return with_named_files(product)
