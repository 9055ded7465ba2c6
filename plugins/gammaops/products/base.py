"""What a product is to those who read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["IndexDraft", "Member", "Product", "Sum"]


@dataclass(frozen=True)
class Product:
    """An immutable payload with its sidecar.

    Parameters
    ----------
    uri : str
        Product path. For an outcome without payload, the path of its sidecar.
    kind : str
        ``datasets``, ``fit``, ``flux_points``, …
    key : str
        32 hex digits that name what the product was made from.
    digest : str
        16 hex digits of the payload's SHA-256; empty without payload.
    status : str
        ``ok``, ``quarantined``, ``rejected`` or ``no_work``.
    payload : callable, optional
        Gives the payload as a local file, verified; None without payload.
    metrics : mapping
        Headline numbers, JSON types, units in the names.
    sidecar : mapping
        The whole sidecar.
    members : tuple of Product
        For an index, the products that it names, in its order.
    row : mapping
        For a member of an index, its row in there (``name``, ``obs_ids``, ``livetime_s``, ``gti``, …).
    beside : callable, optional
        Opens another product of the store, from the ``path`` and ``digest`` that a sidecar or an index gives.
    files : mapping
        Files outside the store that the payload names, by their names in there; given to steps that read it.
    """

    uri: str
    kind: str
    key: str
    digest: str
    status: str
    payload: Callable[[], Path] | None = field(default=None, compare=False, repr=False)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[Product, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)
    beside: Callable[[Mapping[str, Any]], Product] | None = field(default=None, compare=False, repr=False)
    files: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def path(self) -> Path | None:
        """The payload as a local file, read and verified when it is first asked for; None without payload.

        Raises
        ------
        ProductMissing, ProductCorrupt
            If it is gone, or not what its sidecar says.
        """
        return None if self.payload is None else self.payload()


@dataclass(frozen=True)
class Sum:
    """What the store knows of the sum of some parts.

    Parameters
    ----------
    key : str
        Names the sum: its own name, the parts in their order, and what its step does to them.
    base : Product, optional
        The sum of the first of these parts, of as many as there is one of.
    rest : sequence of Product
        The parts after those; none if the base is the whole.
    parts : sequence of Product
        All of them.
    """

    key: str
    base: Product | None
    rest: Sequence[Product]
    parts: Sequence[Product]


@dataclass(frozen=True)
class Member:
    """A row of an index to be: an existing product, or a file that is still to be published, perhaps a sum."""

    row: Mapping[str, Any]
    product: Product | None = None
    path: Path | None = None
    sum: Sum | None = None


def _nothing_known(_name: str, parts: Sequence[Product]) -> Sum:
    return Sum("", None, parts, parts)


class IndexDraft:
    """The members of an index that a step is making.

    Parameters
    ----------
    folder : Path
        Scratch folder for new members; gone when the step has ended.
    suffix : str
        Suffix of a new member's file.
    known_sum : callable, optional
        Given the name of a member and its parts, the `Sum` that the store knows.
    """

    def __init__(
        self, folder: Path, suffix: str, known_sum: Callable[[str, Sequence[Product]], Sum] = _nothing_known
    ) -> None:
        self._folder = folder
        self._suffix = suffix
        self._known_sum = known_sum
        self.members: list[Member] = []

    def add(self, product: Product, row: Mapping[str, Any]) -> None:
        """List an existing product under `row` (``name`` is compulsory and unique in the index)."""
        self.members.append(Member(row=dict(row), product=product))

    def new(self, row: Mapping[str, Any]) -> Path:
        """List a new member under `row`; returns the path to write it to."""
        path = self._next_path
        self.members.append(Member(row=dict(row), path=path))
        return path

    def sum(
        self,
        row: Mapping[str, Any],
        parts: Sequence[Product],
        write: Callable[[Path, Product | None, Sequence[Product]], None],
    ) -> None:
        """List the sum of `parts` under `row`, in the time that what is new in it takes.

        Parameters
        ----------
        row : mapping
        parts : sequence of Product
            In the order of the sum.
        write : callable
            Given a path, the sum of the first parts (or None) and the parts that are still to be added, writes the sum
            of all. Its bytes must not depend on how many of the parts that first sum has.
        """
        known = self._known_sum(row["name"], parts)
        if known.base is not None and not known.rest:
            self.add(known.base, row)
            return
        path = self._next_path
        write(path, known.base, known.rest)
        self.members.append(Member(row=dict(row), path=path, sum=known))

    @property
    def _next_path(self) -> Path:
        return self._folder / f"member-{len(self.members)}{self._suffix}"

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The rows listed so far."""
        return [member.row for member in self.members]
