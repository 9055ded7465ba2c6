"""``gammaops quarantine``."""

from __future__ import annotations

import click

from gammaops.cli.status import chosen_analyses
from gammaops.cli.stores import existing_store, wide_console
from gammaops.products import ProductStore
from gammaops.report.advice import next_action
from gammaops.runner.standing import out_of_use, standing

__all__ = ["quarantine"]

STATES = ("quarantined", "missing", "failed")
AGAIN = (
    "An observation whose file has changed is judged anew by itself. To judge one again as it is: gammaops run"
    " --obs-id ID --reuse rebuild, or in Airflow a run with obs_ids and reuse: rebuild."
)


@click.command()
@click.argument("analyses", nargs=-1)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, default=STATES[:1], show_default=True,
    help="Which observations to show. May be repeated.",
)  # fmt: skip
@existing_store
def quarantine(analyses: tuple[str, ...], states: tuple[str, ...], root: str) -> None:
    """Show which observations are set aside, of all ANALYSES or of these, why, and who can do something about it.

    What the last run that expected an observation says of it counts.
    """
    store = ProductStore(root)
    found = out_of_use(standing(store, chosen_analyses(store, analyses)), states)
    console = wide_console()
    for one in found:
        row = one.row
        console.print(
            f"{row['obs_id']}  night {row['night'] or 'unknown'}  {one.analysis}  {row['archive']}", style="bold"
        )
        console.print(f"  {row['state']} ({row['reason_class']}): {row['reason']}")
        for step, outcome in sorted(row["steps"].items()):
            console.print(f"  {step}: {outcome['path'] or outcome['state']}")
        console.print(f"  said by {one.run}")
        console.print(f"  {next_action(row['state'], row['reason_class'])}", style="yellow")
    console.print(f"{len(found)} observation{'' if len(found) == 1 else 's'} {' or '.join(states)}")
    if any(one.row["state"] == "quarantined" for one in found):
        console.print(AGAIN)
