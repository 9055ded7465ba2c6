"""Sums of products that the store has: a longer one goes on from the longest that its first parts make."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from gammaops.errors import ProductError
from gammaops.products import Sum, canonical_json, content_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.products import Product
    from gammaops.runner.task import StepTask

__all__ = ["KnownSums", "part_name"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownSums:
    """The sums that one output of a step can go on from.

    Parameters
    ----------
    task : StepTask
    output : str
        Name of the output, an index whose members are the sums.
    """

    task: StepTask
    output: str

    def __call__(self, name: str, parts: Sequence[Product]) -> Sum:
        """What the store knows of the sum of these parts that is called `name`.

        Nights come and go at the end, so the search begins with the whole sum and goes down. A base that is damaged is
        set aside by the reading of it, and the next shorter one is taken.
        """
        keys = self._keys(name, parts)
        if self.task.run.request["reuse"] == "rebuild":
            return Sum(keys[-1], None, parts, parts)
        for length in range(len(parts), 0, -1):
            base = self._found(keys[length - 1])
            if base is not None:
                log.info("%s: %d of its %d parts are summed already", name, length, len(parts))
                return Sum(keys[-1], base, parts[length:], parts)
        return Sum(keys[-1], None, parts, parts)

    def _keys(self, name: str, parts: Sequence[Product]) -> list[str]:
        """Keys of the sums of the first part, of the first two, and so on.

        What the parts were made from is in their digests, so the inputs of the step are left out: they are others every
        night.
        """
        ingredients = {**self.task.ingredients(self.output, member=name), "inputs": {}}
        start = hashlib.sha256(canonical_json(ingredients)).hexdigest()
        links = accumulate(parts, _link, initial=start)
        return [content_key({"sum": link}) for link in links][1:]

    def _found(self, key: str) -> Product | None:
        kind = self.task.step.spec.produces[self.output].member
        product = self.task.run.store.find(kind, key)
        try:
            return product if product and product.path else None
        except ProductError as error:
            log.warning("%s; it is made again", error)
            return None


def _link(before: str, part: Product) -> str:
    """A SHA-256 that names a sequence of parts, from that of the sequence without its last."""
    return hashlib.sha256(canonical_json([before, part.digest])).hexdigest()


def part_name(part: Product) -> str:
    """What a part is called: by its fan-out, or in its index."""
    return str(part.sidecar["item"]["label"] if "item" in part.sidecar else part.row["name"])
