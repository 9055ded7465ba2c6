"""One step, ready to run: its science, inputs and config, and what goes into its keys and sidecars."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gammaops.config import resolve_data_path
from gammaops.errors import NoWorkFound
from gammaops.products import science_versions
from gammaops.runner.named_files import MODELS_KEY, named_by, named_key, with_named_files
from gammaops.schema import value_at
from gammaops.steps import load_science

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from gammaops.plan import PlannedStep
    from gammaops.products import Product
    from gammaops.runner.run import Provenance, Run

__all__ = ["PART", "Cost", "StepTask", "digests_of", "measured"]

PART = "part"
ARCHIVE = "observations.datastore"


@dataclass
class Cost:
    """CPU seconds of this process and its peak memory in megabytes during a computation, and its times (UTC)."""

    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    started: str = ""
    ended: str = ""


@contextmanager
def measured() -> Iterator[Cost]:
    """Fill in a `Cost` when the block ends."""
    cost, begin = Cost(started=_now()), time.process_time()
    yield cost
    cost.ended = _now()
    cost.cpu_seconds = round(time.process_time() - begin, 3)
    cost.peak_memory_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class StepTask:
    """A planned step of a run with its inputs open.

    Parameters
    ----------
    run : Run
    step : PlannedStep
    inputs : mapping of str to tuple of Product
        By role, in the order in which the plan names them.
    config : mapping
        The step's effective blocks; files and folders are absolute paths.
    files : mapping of str to str
        SHA-256 of each input file by its dotted config key.
    who : Provenance
    """

    run: Run
    step: PlannedStep
    inputs: Mapping[str, tuple[Product, ...]]
    config: Mapping[str, Any]
    who: Provenance
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, run: Run, name: str, inputs: Mapping[str, Sequence[str]], who: Provenance) -> StepTask:
        """Open a step's inputs and resolve its files.

        Parameters
        ----------
        run : Run
        name : str
        inputs : mapping of str to sequence of str
            By role, a product path for each of its sources in the order of the plan; empty where it had none to give.
        who : Provenance

        Raises
        ------
        ConfigError
            If a file of the config is absent or outside the allowed roots.
        NoWorkFound
            If too few of the steps that it reads from had anything to give.
        """
        step = run.plan[name]
        opened = {
            role: (*_open_inputs(run, step, role, inputs.get(role)), *_open_external(run, step, role))
            for role in step.inputs
        }
        config, files = _resolved(run, step)
        return cls(run, step, opened, config, who, files)

    @classmethod
    def without_inputs(cls, run: Run, name: str, who: Provenance) -> StepTask:
        """A step of which only its own archive is asked."""
        step = run.plan[name]
        config, files = _resolved(run, step)
        return cls(run, step, {}, config, who, files)

    @property
    def science(self) -> ModuleType:
        """The step type's science module."""
        return load_science(self.step.spec.tag)

    def prepared(self) -> Any:
        """Makers and estimators of this step's config."""
        return self.science.prepare(self.config)

    def ingredients(self, output: str, **more: Any) -> dict[str, Any]:
        """Everything that the bytes of an output depend on."""
        return {
            "tag": self.step.spec.tag,
            "version": self.step.spec.version,
            "output": output,
            "config": self._key_blocks(*(self.step.spec.collect_reads if output == PART else ())),
            "files": dict(self.files),
            "inputs": digests_of(self.inputs),
            "packages": dict(science_versions(self.step.spec.packages)),
            **more,
        }

    def sidecar(self, cost: Cost, metrics: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """What is needed to make a product again, and what it took."""
        store = self.run.store
        return {
            "step": {"name": self.step.name, "tag": self.step.spec.tag, "version": self.step.spec.version},
            "analysis": self.run.config.name,
            "run": self.run.folder.relative,
            "config": self._key_blocks(),
            "files": dict(self.files),
            "file_names": {key: name for key in self.files if (name := value_at(self.run.blocks(self.step), key))},
            "inputs": {
                role: [{"path": store.relative(product.uri), "digest": product.digest} for product in products]
                for role, products in self.inputs.items()
            },
            "packages": dict(science_versions(self.step.spec.packages)),
            "code": self.run.request["code"],
            "who": asdict(self.who),
            "host": socket.gethostname(),
            **{name: value for name, value in asdict(cost).items() if value != ""},
            "metrics": dict(metrics or {}),
            **more,
        }

    def _key_blocks(self, *left_out: str) -> dict[str, Any]:
        """The values that enter the key, without the paths of files and folders."""
        spec = self.step.spec
        given = self.run.blocks(self.step)
        values = deepcopy({dotted: value_at(given, dotted) for dotted in spec.reads})
        for dotted in (*spec.files, *spec.folders, *left_out):
            if dotted in left_out or _is_path(value_at(values, dotted)):
                _put(values, dotted, None)
        return values


def digests_of(inputs: Mapping[str, Sequence[Product]]) -> dict[str, list[str]]:
    """What of inputs enters a key."""
    return {role: [product.digest for product in products] for role, products in inputs.items() if products}


def _open_inputs(run: Run, step: PlannedStep, role: str, paths: Sequence[str] | None) -> tuple[Product, ...]:
    """The products of one role; of a step that made several, the one that was asked for."""
    sources, port = step.inputs[role], step.spec.consumes[role]
    paths = paths or [""] * len(sources)
    # What is optional and was asked for by name is not done without.
    needed = max(port.min, 1) - len(step.external.get(role, ()))
    least = len(sources) if step.strict else min(len(sources), needed)
    given = [(source.output, path) for source, path in zip(sources, paths, strict=True) if path]
    if len(given) < least:
        names = ", ".join(repr(source.step) for source in sources)
        strict = f", and it is strict: {len(given)} of {len(sources)}" if step.strict and given else ""
        raise NoWorkFound(f"it reads {role} of {names}, which had none to give{strict}")
    opened = [_chosen(run.store.open(path), output) for output, path in given]
    return tuple(with_named_files(product) for product in opened)


def _open_external(run: Run, step: PlannedStep, role: str) -> tuple[Product, ...]:
    """The products that the config names by their paths."""
    opened = [run.store.open(run.store.complete(path)) for path in step.external.get(role, ())]
    products = tuple(with_named_files(product) for product in opened)
    for product in products:
        if product.status != "ok":
            raise NoWorkFound(f"its input {product.uri} is {product.status}: {product.sidecar['reason']}")
    return products


def _chosen(product: Product, output: str) -> Product:
    if product.kind != "outputs":
        return product
    return next(member for member in product.members if member.row["name"] == output)


def _resolved(run: Run, step: PlannedStep) -> tuple[dict[str, Any], dict[str, str]]:
    """The step's blocks with absolute paths, and the SHA-256 of each file."""
    blocks = deepcopy(dict(run.blocks(step)))
    files, digests = {}, run.store.digests
    for dotted in (*step.spec.files, *step.spec.folders):
        value = value_at(blocks, dotted)
        if not _is_path(value):
            continue
        path: Path = resolve_data_path(run.config.archive_path(value) if dotted == ARCHIVE else value, dotted)
        _put(blocks, dotted, str(path))
        if dotted in step.spec.files:
            files[dotted] = digests.sha256(path)
        if dotted == MODELS_KEY:
            named = named_by(path)
            blocks["general"]["named_files"] = {text: str(found) for text, found in named.items()}
            files |= {named_key(text): digests.sha256(found) for text, found in named.items()}
    return blocks, files


def _is_path(value: Any) -> bool:
    """Whether a value names a file; a list in its place is content, and enters the key as it is."""
    return isinstance(value, str)


def _put(blocks: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    place: Any = blocks
    for word in parents:
        place = place.get(word)
        if not place:
            return
    if last in place:
        place[last] = value
