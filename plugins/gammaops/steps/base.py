"""The contract of a step type: what its two files must say and do.

A step type is the folder ``steps/<type>/``. ``spec.py`` holds ``SPEC``, a `StepSpec`, and is read when DAGs are parsed.
``science.py`` holds plain functions, is loaded when the step runs, and may import gammapy::

    def prepare(config): ...                       # makers and estimators; no file is opened
    def run(prepared, inputs, out): ...            # a step without fan-out: read, compute, write; returns metrics

    def split(prepared, inputs, scope): ...        # a step with fan-out: -> astropy Table, one row per item
    def sources(prepared, row): ...                # optional: files outside the store that this row is made from
    def run(prepared, inputs, out, row): ...       # one row; raises DataError to quarantine it
    def uses(prepared, inputs, row): ...           # optional: of `inputs` what this row is made from; else all of them
    def collect(prepared, inputs, out, parts): ... # joins the parts (products of the rows that succeeded, in row order)

    def report(product): ...                       # optional: -> `Section`, drawn from the product alone
    def measured(product): ...                     # if the spec `measures`: -> `Measurement` list, which alerts look at

``inputs`` maps each role of ``consumes`` to a tuple of `gammaops.products.Product`; ``out`` maps each output to the
path to write (or, for an index, to an `gammaops.products.IndexDraft`; a member that is the sum of others grows by its
`sum`). Nothing here or there imports Airflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammaops.schema.origins import OriginRule
    from gammaops.schema.relations import Relation

__all__ = [
    "OBS_ID_MAX", "REUSE", "Fan", "Figure", "Measurement", "Output", "Port", "Scope", "Section", "StepSpec", "Table",
]  # fmt: skip

# What a run may do with products that exist.
REUSE = ("use", "rebuild", "only")
# GADF keeps OBS_ID in 64 bits.
OBS_ID_MAX = 2**63 - 1


@dataclass(frozen=True)
class Port:
    """What a step reads in one role: products of one of `kinds`, at least `min` and at most `max` of them.

    With a `min` of 0 the input is optional: it is wired only where ``required_products`` asks for it, and then the step
    does not do without it.
    """

    kinds: tuple[str, ...]
    doc: str
    min: int = 1
    max: int | None = 1


@dataclass(frozen=True)
class Output:
    """What a step makes: a product of this kind, written to a file with this suffix.

    With `member` the product is a JSON index of other products, each of kind `member`.
    """

    kind: str
    suffix: str
    doc: str = ""
    member: str = ""


@dataclass(frozen=True)
class Fan:
    """How a step fans out: `over` what (plural noun), the kind of its table of rows, and what each row gives."""

    over: str
    table: str
    part: Output


@dataclass(frozen=True)
class StepSpec:
    """What a step type is, without any of its science.

    Parameters
    ----------
    tag : str
        As written in ``steps:``, with ``-``.
    doc : str
        One sentence for people, shown in the UI, the command line and the reference.
    version : int
        Raised whenever the same config and input would give another output.
    schema : mapping
        Config blocks that this step type defines, each a Cerberus schema of its keys.
    reads : tuple of str
        Config blocks, or dotted keys, that the output depends on; they enter the product's key.
    collect_reads : tuple of str
        Dotted keys of those blocks that only the collecting depends on; they enter no key of a part.
    consumes : mapping of str to Port
        Roles of the inputs.
    produces : mapping of str to Output
        Names of the outputs.
    files : tuple of str
        Dotted config keys that name input files; the digest of each file enters the product's key, its path does not.
    packages : tuple of str
        Distributions whose version enters the product's key, beside those that enter every key (numpy, gammapy, …).
    folders : tuple of str
        Dotted config keys that name folders, and files that only choose among inputs; they never enter a key.
    required : tuple of str
        Dotted config keys of other blocks than its own without which it cannot run.
    rules : tuple of Relation
        Rules between several of its blocks (those within one belong to the block), given all of them by name.
    role_rules : mapping of str to tuple of Relation
        As `rules`, asked only where the step reads something in this role.
    input_rules : mapping of str to mapping of str to tuple of Relation
        By role and tag: rules for the blocks of a step of this tag that makes what is read in this role; for datasets
        also of the reductions that they come from, through other steps.
    origin_rules : tuple of OriginRule
        Rules between its blocks and those of the reductions that its datasets come from, where all of them are known.
    nights : tuple of str
        Dotted config keys of which the value ``night`` needs ``dag.site``.
    size : callable, optional
        Given all blocks by name, how large one of its products gets, in words for `gammaops plan`; empty: not worth it.
    fan_out : Fan, optional
        How the step is split into mapped tasks.
    dataset_types : tuple of str
        Which of ``1d`` and ``3d`` datasets the step works on.
    measures : tuple of str
        Quantities that alerts can ask for, such as ``flux``; the science tells their values by `measured`.
    observations : bool
        Whether the rows of its fan-out are the run's expected observations, which the ledger must account for.
    """

    tag: str
    doc: str
    version: int
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    collect_reads: tuple[str, ...] = ()
    consumes: Mapping[str, Port] = field(default_factory=dict)
    produces: Mapping[str, Output] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    rules: tuple[Relation, ...] = ()
    role_rules: Mapping[str, tuple[Relation, ...]] = field(default_factory=dict)
    input_rules: Mapping[str, Mapping[str, tuple[Relation, ...]]] = field(default_factory=dict)
    origin_rules: tuple[OriginRule, ...] = ()
    nights: tuple[str, ...] = ()
    size: Callable[[Mapping[str, Any]], str] | None = None
    fan_out: Fan | None = None
    dataset_types: tuple[str, ...] = ("1d", "3d")
    measures: tuple[str, ...] = ()
    observations: bool = False


@dataclass(frozen=True)
class Scope:
    """Which observations a run takes.

    Parameters
    ----------
    nights : tuple of str
        ISO dates of the evenings; empty: no restriction.
    obs_ids : tuple of int
        Observations named explicitly; empty: those that the config selects.
    start, stop : str
        ISO times (UTC) between which TSTART must lie; empty: open.
    targets : tuple of str
        Names of targets as the index of the archive has them (``OBJECT``); empty: no restriction.
    longitude_deg : float, optional
        Longitude of the site, east positive, for the noon-to-noon nights. None: no site, the rows name no night.
    """

    nights: tuple[str, ...] = ()
    obs_ids: tuple[int, ...] = ()
    start: str = ""
    stop: str = ""
    targets: tuple[str, ...] = ()
    longitude_deg: float | None = None


@dataclass(frozen=True)
class Measurement:
    """A number of a product, in an interval of time and of energy.

    Parameters
    ----------
    quantity : str
        ``flux``, integrated over the energies.
    source : str
        Of what; a name that its author has chosen.
    value, error : float, optional
        In `unit`; None where there is none.
    unit : str
        As the config writes it: ``cm-2 s-1``.
    start, stop : str
        ISO times, UTC, without offset.
    energy_min_tev, energy_max_tev : float
        The energies.
    """

    quantity: str
    source: str
    value: float | None
    error: float | None
    unit: str
    start: str
    stop: str
    energy_min_tev: float
    energy_max_tev: float


@dataclass(frozen=True)
class Figure:
    """A picture with the sentence that says what to see in it; `png` are the bytes of the file."""

    caption: str
    png: bytes


@dataclass(frozen=True)
class Table:
    """A small table for people: cells are ready to print."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """What one product contributes to the report.

    The first note is its headline. Each warning says what misleads and what to do about it; its first sentence is
    repeated under the verdict.
    """

    title: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
