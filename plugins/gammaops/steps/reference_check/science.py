"""Reference check: a result beside published numbers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
from astropy.table import Table

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models
from gammaops.physics.reference_file import read_reference
from gammaops.physics.reference_section import reference_section, words_of
from gammaops.physics.references import Tolerance, compare_fit, compare_light_curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The reference file, and what is tolerated."""

    path: Path | None
    tolerance: Tolerance


def prepare(config: Mapping[str, Any]) -> Prepared:
    """What this config asks for; the file is not opened."""
    block = config["reference_check"]
    rtol, separation = (None if block[name] is None else u.Quantity(block[name]) for name in ("rtol", "separation"))
    tolerance = Tolerance(
        float(block["n_sigma"]), None if rtol is None else float(rtol.to_value(u.dimensionless_unscaled)), separation
    )
    return Prepared(Path(block["file"]) if block["file"] else None, tolerance)


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Compare; a run that is refused keeps the product, so that one can look at it."""
    if prepared.path is None:
        raise AlgorithmError("reference_check.file names no reference")
    reference = read_reference(prepared.path)
    (result,) = inputs["result"]
    if result.kind not in reference:
        (there,) = {"fit", "light_curve"} & set(reference)
        raise AlgorithmError(f"{prepared.path.name} is about a {there}, the input is a {result.kind}")
    if result.kind == "fit":
        found = compare_fit(read_fitted_models(result.path), reference["fit"], prepared.tolerance)  # type: ignore[arg-type]
    else:
        curve = read_flux_points(result.path)  # type: ignore[arg-type]
        found = compare_light_curve(curve, reference["light_curve"], prepared.tolerance)
    deviations = list(found)
    table = Table([deviation.as_row() for deviation in deviations])
    table.write(out["reference_check"], format="ascii.ecsv")
    failed = [deviation.quantity for deviation in deviations if not deviation.passed]
    words = words_of(table)
    log.info("%s", words)
    numbers = {"source": str(reference["source"]), "numbers": len(deviations), "failed": failed}
    return numbers | ({"refused": f"reference check: {words}"} if failed else {})


def report(product: Product) -> Section:
    """Every number beside its reference."""
    return reference_section(Table.read(product.path, format="ascii.ecsv"), str(product.metrics["source"]))
