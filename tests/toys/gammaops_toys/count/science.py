from __future__ import annotations


def prepare(config):
    return config["count"]["number"]


def run(prepared, inputs, out):
    out["value"].write_text(f"{prepared}\n")
    return {"number": prepared}
