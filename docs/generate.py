"""Write docs/reference/ from the specs of the step types and the schema of the analysis file (``make docs``)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requirement_table import requirement_page

from gammaops.config.alerts import alerts_level
from gammaops.config.blocks import GENERAL, block_levels, dag_level, datastores_level, step_level
from gammaops.products.keys import SCIENCE_PACKAGES
from gammaops.steps import step_specs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.steps.base import StepSpec

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code; run `make docs` instead of editing. -->"

# Rules that say more about a value than its type does.
SEVERAL = {
    ("string", "dict"): "`nightly`, a cron string (UTC), or `{product: <analysis>/<name>}`",
    ("integer", "string"): "integer or `auto`",
    ("float", "string"): "number or text",
    ("string", "list", "dict"): "a name, names, or `{role: names}`",
}
KINDS = {
    "date": "date",
    "time": "time, UTC",
    "times": "time or times, UTC",
    "path": "path",
    "path_or_list": "path, or a list of `{frame, lon, lat, radius}` and texts such as `icrs;circle(83.63,22.01,0.3)`",
    "phases": "`[from, to]`, 0 to 1, or a list of them",
    "integers": "integers",
}


def main(folder: Path) -> None:
    """Write one page per step type and the index into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for page, text in pages().items():
        (folder / page).write_text(text, encoding="utf-8")


def pages() -> Mapping[str, str]:
    """File name to content, for every page of the reference."""
    specs = step_specs()
    written = {f"{tag}.md": _step_page(spec) for tag, spec in specs.items()}
    pages = {"README.md": _index(specs), "analysis.md": _analysis_page(), "requirements.md": requirement_page(NOTE)}
    return {**pages, "keys.md": _keys_page(specs), **written}


def _keys_page(specs: Mapping[str, StepSpec]) -> str:
    """What enters keys: the rules in words, and what each step type reads."""
    columns = ("step type", "version", "reads", "files", "further packages", "read by collecting only")
    rows = [f"| {' | '.join(columns)} |", f"| {' | '.join(['---'] * len(columns))} |"]
    for tag, spec in sorted(specs.items()):
        cells = (_code(spec.reads), _code(spec.files), _code(spec.packages), _code(spec.collect_reads))
        rows.append(f"| [`{tag}`]({tag}.md) | {spec.version} | {' | '.join(cells)} |")
    text = (Path(__file__).parent / "keys.txt").read_text(encoding="utf-8").strip()
    words = text.replace("PACKAGES", ", ".join(SCIENCE_PACKAGES))
    return "\n".join([NOTE, "", words, "", "## By step type", "", *rows]) + "\n"


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def _index(specs: Mapping[str, StepSpec]) -> str:
    rows = [
        f"| [`{tag}`]({tag}.md) | {spec.doc} | {_kinds(spec)} | {spec.fan_out.over if spec.fan_out else '–'} |"
        for tag, spec in sorted(specs.items())
    ]
    table = ["| tag | what it does | reads → makes | fans out over |", "| --- | --- | --- | --- |", *rows]
    intro = [
        "An analysis holds [`description`, `dag`, `general`, `steps` and `alerts`](analysis.md), which belong to no",
        "step, and the config blocks of its steps.",
        "[Requirements and their tests](requirements.md) lists what was asked for.",
    ]
    return "\n".join([NOTE, "", "# Reference", "", *intro, "", "## Step types", "", *table, ""])


def _analysis_page() -> str:
    """The blocks that belong to no step type."""
    blocks = {
        "Config block `dag`": (
            "When it runs in Airflow; without it, by hand only. `site` may be the name of a known one.",
            dag_level().keys,
        ),
        "Config block `datastores`": ("", datastores_level().keys),
        "Config block `alerts`": (
            "What people are told: see [how to tell people](../howto/tell-people.md). Each names one thing.",
            alerts_level().keys,
        ),
        "Config block `general`": ("", block_levels()[GENERAL].keys),
        "An entry of `steps`": (
            "Without `steps` an analysis gets the obvious chain for its blocks.",
            step_level().keys,
        ),
    }
    lines = [NOTE, "", "# What every analysis may have", "", "`description` is a sentence for people.", ""]
    for title, (doc, keys) in blocks.items():
        lines += [f"## {title}", "", *([doc, ""] if doc else []), *key_table({"schema": keys}), ""]
    return "\n".join(lines)


def _kinds(spec: StepSpec) -> str:
    ports = [_either(port.kinds) + ("" if port.min else " (optional)") for port in spec.consumes.values()]
    reads = ", ".join([*(["DL3"] if spec.observations else []), *ports]) or "all that the run made"
    makes = ", ".join(f"`{output.kind}`" for output in spec.produces.values()) or "–"
    return f"{reads} → {makes}"


def _step_page(spec: StepSpec) -> str:
    lines = [NOTE, "", f"# {spec.tag}", "", spec.doc, ""]
    lines += [f"Version {spec.version}. Works on {' and '.join(spec.dataset_types)} datasets.", ""]
    lines += ["## Reads", "", *_ports(spec), "", "## Makes", "", *_outputs(spec), ""]
    if spec.fan_out:
        part = spec.fan_out.part.kind
        lines += [
            f"Fans out over {spec.fan_out.over}: one mapped task makes the `{part}` of one row or a chunk of rows.",
            "",
        ]
    if spec.reads:
        lines += [f"Its products depend on the config blocks {', '.join(f'`{name}`' for name in spec.reads)}.", ""]
    for name, rules in spec.schema.items():
        lines += [f"## Config block `{name}`", "", rules.get("meta", {}).get("doc", ""), "", *key_table(rules), ""]
    return "\n".join(lines)


def _ports(spec: StepSpec) -> list[str]:
    ports = [
        f"| `{role}` | {_either(port.kinds)} | {_how_many(port.min, port.max)} | {port.doc} |"
        for role, port in spec.consumes.items()
    ]
    return ["| role | kind | how many | |", "| --- | --- | --- | --- |", *ports] if ports else ["No products."]


def _either(kinds: Sequence[str]) -> str:
    return " or ".join(f"`{kind}`" for kind in kinds)


def _how_many(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _outputs(spec: StepSpec) -> list[str]:
    outputs = [
        f"| `{name}` | `{output.kind}` | `{output.suffix}` | {output.doc} |" for name, output in spec.produces.items()
    ]
    return ["| name | kind | file | |", "| --- | --- | --- | --- |", *outputs] if outputs else ["Nothing."]


def key_table(rules: Mapping[str, Any]) -> list[str]:
    """Markdown rows for every key of a config block, nested ones by their dotted path."""
    rows = [
        f"| `{key}`{where} | {_what(rule)} | {_default(rule)} | {_doc(rule)} |" for key, where, rule in _keys(rules)
    ]
    return ["| key | value | default | |", "| --- | --- | --- | --- |", *rows]


def _keys(rules: Mapping[str, Any], prefix: str = "", where: str = "") -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Dotted path, the condition under which the key exists, and its rules."""
    for name, rule in rules.get("schema", {}).items():
        path = f"{prefix}{name}"
        if variants := rule.get("meta", {}).get("variants"):
            for value, keys in variants["schemas"].items():
                yield from _keys({"schema": keys}, f"{path}.", f" with {variants['by']} `{value}`")
        elif "schema" in rule and rule["type"] == "dict":
            yield from _keys(rule, f"{path}.", where)
        elif each := rule.get("meta", {}).get("each"):
            doc = f"{rule['meta']['doc']}: {each['meta']['doc']}" if "schema" not in each else ""
            yield from _keys({"schema": {"<name>": {**each, "meta": {**each["meta"], "doc": doc}}}}, f"{path}.", where)
        else:
            yield path, where, rule


def _what(rule: Mapping[str, Any]) -> str:
    options = rule.get("choices") or rule.get("allowed")
    if options:
        several = "some of " if "choices" in rule else ""
        none = f" or `{rule['meta']['none']}`" if "none" in rule["meta"] else ""
        return several + ", ".join(f"`{one}`" for one in options if one is not None) + none
    if isinstance(rule["type"], list):
        return SEVERAL.get(tuple(rule["type"]), " or ".join(rule["type"]))
    if "quantity" in rule:
        several = " or quantities" if rule["type"] == "quantity_list" else ""
        return f"quantity{several}, {rule['meta']['unit'] or 'no unit'}{_range(rule['quantity'])}"
    for mark, name in KINDS.items():
        if mark in rule:
            return name
    plain = {
        "string": "text",
        "float": "number",
        "boolean": "true or false",
        "text_list": "text or texts",
        "dict": "mapping",
    }
    return plain.get(rule["type"], rule["type"]) + _range({"low": rule.get("min"), "high": rule.get("max")})


def _range(limits: Mapping[str, Any]) -> str:
    signs = {"above": ">", "low": "≥", "high": "≤"}
    said = [f"{sign} {limits[name]}" for name, sign in signs.items() if limits.get(name) is not None]
    return f" ({', '.join(said)})" if said else ""


def _default(rule: Mapping[str, Any]) -> str:
    default = rule.get("default")
    if default is None:
        return "required" if rule.get("required") else ""
    if isinstance(default, list | tuple):
        return ", ".join(f"`{one}`" for one in default)
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _doc(rule: Mapping[str, Any]) -> str:
    meta = rule.get("meta", {})
    home = f"; looked for in `include/{meta['home']}/` first" if meta.get("home") else ""
    return f"{meta.get('doc', '')}{home}".replace("|", "\\|")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REFERENCE)
