"""Tables of absorption by the extragalactic background light, held by value.

Gammapy writes of such a model either the table or the path of the file that it came from. A product must say all of
itself wherever it is read, so tables go into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
from gammapy.modeling.models import CompoundSpectralModel, EBLAbsorptionNormSpectralModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammapy.modeling.models import Models, SpectralModel

__all__ = ["hold_tables"]

TABLE = ("param", "energy", "data")


def hold_tables(models: Models) -> None:
    """Let the models forget which files their tables of absorption came from, so that they are written by value."""
    for model in models:
        for part in _parts(getattr(model, "spectral_model", None)):
            if isinstance(part, EBLAbsorptionNormSpectralModel):
                part.filename = None
                for name in TABLE:
                    # Of FITS' byte order, which gammapy cannot write.
                    setattr(part, name, u.Quantity(getattr(part, name)).astype(float))


def _parts(model: SpectralModel | None) -> Iterator[SpectralModel | None]:
    yield model
    if isinstance(model, CompoundSpectralModel):
        yield from _parts(model.model1)
        yield from _parts(model.model2)
