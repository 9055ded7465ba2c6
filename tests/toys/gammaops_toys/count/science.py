from __future__ import annotations

from gammaops.errors import AlgorithmError, NoWorkFound


def prepare(config):
    return config["count"]["number"]


def run(prepared, inputs, out):
    if prepared == 0:
        raise NoWorkFound("nothing to count")
    if prepared < 0:
        raise AlgorithmError("cannot count below nothing", {"number": prepared})
    out["value"].write_text(f"{prepared}\n")
    return {"number": prepared}
