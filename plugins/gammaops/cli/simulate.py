"""``gammaops simulate``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

__all__ = ["simulate"]


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--nights", default=4, show_default=True, help="Nights with observations.")
@click.option("--observations", default=3, show_default=True, help="Observations per night.")
@click.option(
    "--first-night", type=click.DateTime(["%Y-%m-%d"]), default="2026-11-02", show_default=True, help="Its evening."
)
@click.option("--seed", default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--duration", "duration_min", default=28.0, show_default=True, help="Of an observation, in minutes.")
@click.option("--longitude", type=float, help="Of the site, degrees east.  [default: that of H.E.S.S.]")
@click.option("--first-id", "first_obs_id", default=1, show_default=True, help="Number of the first observation.")
@click.option(
    "--size",
    type=click.Choice(["full", "small"]),
    default="full",
    show_default=True,
    help="small: coarse IRFs and little background, for thousands of observations.",
)
@click.option(
    "--irfs",
    type=click.Choice(["full-enclosure", "point-like"]),
    default="full-enclosure",
    show_default=True,
    help="point-like: for events near a source, as near as RAD_MAX says.",
)
@click.option("--bad", multiple=True, metavar="OBS_ID:KIND", help="Damage one, such as 12:truncated. May be repeated.")
@click.option("--late", multiple=True, type=int, metavar="OBS_ID", help="Listed, but its file waits in OUT/incoming.")
@click.option("--unlisted", multiple=True, type=int, metavar="OBS_ID", help="Late, and not listed until delivered.")
@click.option("--deliver", multiple=True, type=int, metavar="OBS_ID", help="Deliver a late one to the archive OUT.")
def simulate(out: Path, deliver: tuple[int, ...], **choices: Any) -> None:
    """Write a simulated DL3 archive to OUT, with the truth in OUT/truth.yaml; or deliver what came late to it.

    Observations are numbered in order of time: with 3 per night, those of the second night are 4, 5 and 6. An unknown
    KIND of damage prints all kinds.
    """
    if deliver:
        _deliver(out, deliver)
    else:
        _simulate(out, **choices)


def _deliver(out: Path, obs_ids: tuple[int, ...]) -> None:
    from gammaops.simulation import deliver

    for obs_id in obs_ids:
        for path in deliver(out, obs_id):
            click.echo(f"observation {obs_id} delivered: {path}")


def _simulate(
    out: Path,
    *,
    first_night: datetime,
    longitude: float | None,
    bad: tuple[str, ...],
    late: tuple[int, ...],
    unlisted: tuple[int, ...],
    **numbers: Any,
) -> None:
    from gammaops.simulation import HESS, ArchivePlan, Site, parse_bad, simulate_archive

    plan = ArchivePlan(
        first_night=first_night.date(),
        site=HESS if longitude is None else Site(longitude, HESS.lat_deg, HESS.height_m),
        bad=parse_bad(bad),
        late=frozenset(late),
        unlisted=frozenset(unlisted),
        **numbers,
    )
    columns = (TextColumn("simulate"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulate", total=len(plan.obs_ids))
        archive = simulate_archive(out, plan, lambda _: progress.advance(task))
    notes = {**dict.fromkeys(plan.late | plan.unlisted, "late"), **plan.bad}
    for night, obs_ids in archive.nights.items():
        listed = ", ".join(f"{obs_id} ({notes[obs_id]})" if obs_id in notes else str(obs_id) for obs_id in obs_ids)
        click.echo(f"{night.isoformat()}: {listed}")
    click.echo(f"archive: {out}\ntruth: {out / 'truth.yaml'}")
