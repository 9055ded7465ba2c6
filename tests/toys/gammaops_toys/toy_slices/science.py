from __future__ import annotations

from astropy.table import Table


def prepare(config):
    return None


def split(prepared, inputs, scope):
    number = int(inputs["values"][0].path.read_text())
    labels = [f"slice {index}" for index in range(number)]
    return Table(
        {
            "label": labels,
            "status": ["selected"] * number,
            "reason_class": [""] * number,
            "reason": [""] * number,
        }
    )


def run(prepared, inputs, out, row):
    out["slice"].write_text(f"{row['label']}\n")
    return {}


def collect(prepared, inputs, out, parts):
    for part in parts:
        out["slices"].add(part, {"name": part.sidecar["item"]["label"]})
    return {"slices": len(parts)}
