"""The alerts that a run raises, from what it has left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gammaops.alerts import Alert, Facts, raised, unread_alert
from gammaops.alerts.tonight import nights_of
from gammaops.plan.alerts import flux_product
from gammaops.products import RunFolder
from gammaops.runner.science import measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.ledger import LedgerRow, Verdict
    from gammaops.products import Product
    from gammaops.runner.run import Run
    from gammaops.steps.base import Measurement

__all__ = ["LATE", "late_folder", "raised_alerts"]

log = logging.getLogger(__name__)

# Beside the versions of a run: what was told of it while it had not ended.
LATE = "late"


def late_folder(run: Run) -> RunFolder:
    """Where it is noted that a run was late."""
    return RunFolder.beside(run.store, run.config.name, run.request["name"], LATE)


def raised_alerts(
    run: Run, judged: Verdict, ledger: Sequence[LedgerRow], products: Mapping[str, Product]
) -> list[Alert]:
    """All alerts of a run: those of its rules, and that it was late if that has been told.

    Parameters
    ----------
    run : Run
    judged : Verdict
        Its verdict.
    ledger : sequence of LedgerRow
        Its ledger.
    products : mapping of str to Product
        Its products by name.
    """
    rules = run.config.alerts
    if not rules:
        return []
    found, unread = _measurements(run, products)
    facts = Facts(
        ok=judged.ok,
        verdict=judged.line,
        states=[(str(row.obs_id), row.state) for row in ledger],
        nights=nights_of(run.scope, sorted({row.night for row in ledger if row.night})),
        longitude_deg=run.scope.longitude_deg,
        measurements=found,
    )
    alerts = [*raised(rules, facts), *unread, *_late(run)]
    for alert in alerts:
        log.warning("alert %s: %s", alert.rule, alert.what)
    return alerts


def _measurements(run: Run, products: Mapping[str, Product]) -> tuple[dict[str, Sequence[Measurement]], list[Alert]]:
    """What the products have measured that rules look at, by rule, and an alert for each that cannot be read."""
    tags = {name: step.spec.tag for step in run.plan.steps for name in step.products.values()}
    found: dict[str, Sequence[Measurement]] = {}
    unread: list[Alert] = []
    for name, rule in run.config.alerts.items():
        product = flux_product(run.plan, rule) if rule["flux_above"] is not None else ""
        if product not in products:
            continue
        try:
            found[name] = measured(tags[product], products[product])
        except Exception as error:  # whatever is wrong with one product, the run keeps its verdict
            log.exception("the fluxes of %s cannot be read", product)
            unread.append(unread_alert(name, rule, product, f"{type(error).__name__}: {error}"))
    return found, unread


def _late(run: Run) -> list[Alert]:
    folder = late_folder(run)
    told = [Alert.of(folder.read_json(name)["alert"]) for name in folder.names("alerts")]
    return list({alert.digest: alert for alert in told}.values())
