from __future__ import annotations

import os
import signal

from astropy.table import Table

from gammaops.errors import AlgorithmError, DataError

FAULTS = {
    "truncated": DataError("truncated", "the file ends early"),
    "disk": OSError("disk full"),
    "bug": AlgorithmError("no"),
}


def prepare(config):
    return config["toy"]["words"] or []


def split(prepared, inputs, scope):
    missing = ["missing" if word == "absent" else "selected" for word in prepared]
    return Table(
        {
            "label": [f"obs {number}" for number in range(len(prepared))],
            "status": missing,
            "reason_class": ["absent" if status == "missing" else "" for status in missing],
            "reason": ["its file is not there" if status == "missing" else "" for status in missing],
            "obs_id": list(range(len(prepared))),
            "night": ["2026-11-02"] * len(prepared),
            "word": list(prepared),
        },
        dtype=[str, str, str, str, int, str, str],
    )


def run(prepared, inputs, out, row):
    fault = os.environ.get("TOY_FAULT", "") if row["word"] == "flaky" else row["word"]
    if fault in FAULTS:
        raise FAULTS[fault]
    if row["word"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    out["word"].write_text(f"{row['word']}\n")
    return {"letters": len(row["word"])}


def collect(prepared, inputs, out, parts):
    for part in parts:
        out["words"].add(part, {"name": part.sidecar["item"]["label"], "letters": part.metrics["letters"]})
    return {"words": len(parts)}
