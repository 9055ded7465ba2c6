"""What a comparison with published numbers shows in the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gammaops.physics.figures import BLUE, GREY, RED, WIDE, encode
from gammaops.physics.notation import plain, unit_text
from gammaops.steps.base import Figure, Section
from gammaops.steps.base import Table as Rows

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

__all__ = ["reference_section", "words_of"]

NAMED = 3
CAPTION = "Deviation from the reference, in units of what is tolerated (grey band)."
WARNING = (
    "The result does not agree with the reference: do not release it. Look at what changed since the last run that"
    " agreed: code, IRFs, selection of observations, settings."
)


def words_of(table: Table) -> str:
    """One sentence: how many numbers agree, and the largest deviation or those that do not."""
    failed = table[~np.asarray(table["passed"], dtype=bool)]
    if len(failed):
        told = [_deviation(row) for row in failed[:NAMED]] + (["…"] if len(failed) > NAMED else [])
        return f"{len(failed)} of {len(table)} numbers do not agree with the reference: {', '.join(told)}"
    worst = table[int(np.argmax(np.abs(table["deviation"]) / table["allowed"]))]
    return f"all {len(table)} numbers agree with the reference; the largest deviation is {_deviation(worst)}"


def _deviation(row: Table.Row) -> str:
    sign = "" if row["measure"] == "deg" else "+"
    shown = f"{float(row['deviation']):{sign}.2g} {row['measure']}"
    return f"{row['quantity']} {shown} (allowed {plain(float(row['allowed']), 2)})"


def reference_section(table: Table, source: str) -> Section:
    """Each number beside its reference; `source` says where that was published."""
    words = words_of(table)
    rows = [
        (
            str(row["quantity"]),
            plain(float(row["found"]), 4),
            plain(float(row["reference"]), 4),
            unit_text(str(row["unit"])),
            f"{plain(float(row['deviation']), 2)} {row['measure']}",
            f"{plain(float(row['allowed']), 2)} {row['measure']}",
            "yes" if row["passed"] else "NO",
        )
        for row in table
    ]
    header = ("Quantity", "Found", "Reference", "Unit", "Deviation", "Allowed", "Agrees")
    size = (WIDE[0], max(2.0, 0.24 * len(table) + 1.2))
    return Section(
        title="Reference check",
        notes=(f"{words[0].upper()}{words[1:]}.", f"Reference: {source}"),
        figures=(Figure(CAPTION, encode(partial(draw_deviations, table=table), size)),),
        tables=(Rows(header, rows),),
        warnings=() if all(table["passed"]) else (WARNING,),
    )


def draw_deviations(axes: Axes, table: Table) -> None:
    """One line per number, from the top; those that are not tolerated are red."""
    place = -np.arange(len(table))
    relative = np.asarray(table["deviation"], dtype=float) / np.asarray(table["allowed"], dtype=float)
    passed = np.asarray(table["passed"], dtype=bool)
    axes.axvspan(-1, 1, color=GREY, alpha=0.18, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=1)
    for chosen, colour in ((passed, BLUE), (~passed, RED)):
        axes.plot(relative[chosen], place[chosen], "o", color=colour)
    axes.set_yticks(place, [str(name) for name in table["quantity"]])
    axes.tick_params(axis="y", labelsize=9)
    reach = max(1.2, 1.1 * float(np.nanmax(np.abs(relative), initial=0)))
    axes.set(xlabel="Deviation / tolerance", xlim=(-reach, reach), ylim=(place[-1] - 0.7, 0.7))
