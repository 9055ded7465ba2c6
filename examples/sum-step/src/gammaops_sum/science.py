"""How a step with the tag ``sum`` works; loaded when it runs."""

from __future__ import annotations

import time

from gammaops.steps.base import Section, Table


def prepare(config):
    """Read the number of its own and seconds to sleep from the config; no file is opened here."""
    return config["sum"]["add"], float(config["sum"]["pause"].split()[0])


def run(prepared, inputs, out):
    """Write the sum and the log; the metrics are the headline numbers of the sidecar."""
    own, pause_s = prepared
    time.sleep(pause_s)
    numbers = [own, *(int(product.path.read_text()) for product in inputs["numbers"])]
    out["value"].write_text(f"{sum(numbers)}\n")
    out["log"].write_text(f"{' + '.join(map(str, numbers))} = {sum(numbers)}\n")
    return {"sum": sum(numbers), "numbers": len(numbers)}


def report(product):
    """Draw what the report of a run shows of one product."""
    if product.kind == "log":
        return Section("How it was added up", notes=[product.path.read_text().strip()])
    rows = [(str(product.metrics["numbers"]), str(product.metrics["sum"]))]
    return Section("Sum", tables=[Table(("numbers", "sum"), rows)])
