"""From any product down to the files of the archive: as W3C PROV, as a tree, as a table of the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prov.constants import PROV_ATTR_ACTIVITY, PROV_ATTR_ENTITY, PROV_ATTR_USED_ENTITY
from prov.model import (
    ProvActivity,
    ProvAgent,
    ProvAssociation,
    ProvDelegation,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvGeneration,
    ProvMembership,
    ProvUsage,
)

import gammaops
from gammaops.care.describing import in_words
from gammaops.care.prov import prov_json
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.lineage import Lineage
from gammaops.products import ProductStore, file_sha256

GOOD = (1, 3, 4, 5, 6, 7, 8)


def one(store: ProductStore, kind: str) -> str:
    (sidecar,) = store.sidecars(kind)
    return store.relative(store.open(store.uri_of(sidecar)).uri)


def digests(archive: Path) -> dict[str, str]:
    """SHA-256 of the files of the observations that can be used, by name."""
    names = [f"sim_obs_{obs_id:06d}.fits.gz" for obs_id in GOOD]
    return {name: file_sha256(archive / "archive" / "data" / name) for name in names}


@pytest.fixture
def document(filled: ProductStore) -> ProvDocument:
    return ProvDocument.deserialize(content=prov_json(Lineage(filled), one(filled, "light_curve")))


def ends(document: ProvDocument, record: type, end: object) -> set[str]:
    return {str(value) for one in document.get_records(record) for name, value in one.attributes if name == end}


@pytest.mark.requirement("R22")
def test_prov_leads_from_the_light_curve_to_each_file_of_the_archive(document, filled, archive):
    curve = f"store:{one(filled, 'light_curve')}"
    derived: dict[str, set[str]] = {}
    for relation in document.get_records(ProvDerivation):
        made, source = (str(value) for _, value in relation.attributes[:2])
        derived.setdefault(made, set()).add(source)
    reached, queue = set(), [curve]
    while queue:
        for source in derived.get(queue.pop(), ()):
            if source not in reached:
                reached.add(source)
                queue.append(source)
    files = {f"sha256:{digest}" for digest in digests(archive).values()}
    models = file_sha256(Path(__file__).resolve().parents[2] / "include" / "models" / "demo.yaml")
    assert {name for name in reached if name.startswith("sha256:")} == {*files, f"sha256:{models}"}
    labels = {entity.label for entity in document.get_records(ProvEntity) if str(entity.identifier) in files}
    assert labels == set(digests(archive))


@pytest.mark.requirement("R22")
def test_every_end_of_every_relation_is_described(document):
    known = {
        kind: {str(record.identifier) for record in document.get_records(kind)}
        for kind in (ProvEntity, ProvActivity, ProvAgent)
    }
    assert len(known[ProvActivity]) >= 17, "seven observations, seven intervals, fit, two collects"
    for record in (ProvUsage, ProvGeneration):
        assert ends(document, record, PROV_ATTR_ENTITY) <= known[ProvEntity]
        assert ends(document, record, PROV_ATTR_ACTIVITY) == known[ProvActivity]
    assert ends(document, ProvDerivation, PROV_ATTR_USED_ENTITY) <= known[ProvEntity]
    assert ends(document, ProvMembership, PROV_ATTR_ENTITY) <= known[ProvEntity]
    assert ends(document, ProvAssociation, PROV_ATTR_ACTIVITY) == known[ProvActivity]
    assert ends(document, ProvDelegation, PROV_ATTR_ACTIVITY) == known[ProvActivity]
    generated = [str(dict(record.attributes)[PROV_ATTR_ENTITY]) for record in document.get_records(ProvGeneration)]
    assert len(generated) == len(set(generated)), "each product was made once"


def test_prov_tells_time_cost_host_versions_and_who(document, filled):
    fit = filled.open(filled.uri_of(one(filled, "fit"))).sidecar
    (task,) = [task for task in document.get_records(ProvActivity) if task.label == "spectrum"]
    facts = {str(name): value for name, value in task.attributes}
    assert task.get_startTime().isoformat() == fit["started"]
    assert task.get_endTime().isoformat() == fit["ended"]
    assert (facts["terms:cpu_seconds"], facts["terms:host"]) == (fit["cpu_seconds"], fit["host"])
    agents = {agent.label for agent in document.get_records(ProvAgent)}
    assert {f"gammapy {fit['packages']['gammapy']}", f"numpy {fit['packages']['numpy']}"} <= agents
    assert f"command line on {fit['host']}" in agents
    (entity,) = [one for one in document.get_records(ProvEntity) if one.label == "fit"]
    assert {str(value) for name, value in entity.attributes if str(name) == "terms:sha256"} == {
        fit["payload"]["sha256"]
    }


@pytest.mark.parametrize("kind", ["dataset", "datasets", "excess_map", "fit", "observations"])
def test_prov_of_any_product_is_read_back_as_it_was_written(filled, kind):
    for name in filled.sidecars(kind):
        text = prov_json(Lineage(filled), name)
        read = ProvDocument.deserialize(content=text)
        assert ProvDocument.deserialize(content=read.serialize()) == read
        assert prov_json(Lineage(filled), name) == text


def test_export_writes_a_file_or_to_standard_output(filled, tmp_path, capsys):
    name = one(filled, "fit")
    out = tmp_path / "fit.prov.json"
    assert main(["products", "export", name, "--store", filled.uri, "--prov", "--out", str(out)]) == 0
    assert main(["products", "export", name, "--store", filled.uri, "--prov"]) == 0
    assert capsys.readouterr().out == out.read_text(encoding="utf-8")
    assert main(["products", "export", name, "--store", filled.uri]) == 1
    assert "say in which form: --prov" in capsys.readouterr().err


@pytest.mark.requirement("R22", "R35")
def test_the_tree_leads_down_to_the_archive_with_digests(filled, archive, capsys):
    name = one(filled, "light_curve")
    assert main(["products", "show", name, "--store", filled.uri, "--lineage"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith(name)
    for file, digest in digests(archive).items():
        (line,) = [line for line in lines if file in line]
        assert line.endswith(f"archive  {file}  sha256 {digest[:16]}")
    models = file_sha256(Path(__file__).resolve().parents[2] / "include" / "models" / "demo.yaml")
    assert sum(line.endswith(f"general.models_file  demo.yaml  sha256 {models[:16]}") for line in lines) == 1


def test_a_stack_leads_to_the_observations_in_it(filled, archive):
    for step in ("stack", "reduce and stack"):
        sidecars = [filled.sidecar(name) for name in filled.sidecars("dataset")]
        (stacked,) = [sidecar for sidecar in sidecars if sidecar["step"]["name"] == step]
        name = f"products/dataset/{stacked['key'][:2]}/{stacked['key']}.json"
        files = [file for origin in Lineage(filled).ancestry(name).values() for file in origin.files]
        assert {file.sha256 for file in files} == set(digests(archive).values())


def test_a_sidecar_in_words(filled, archive, capsys):
    name = one(filled, "fit")
    assert main(["products", "show", name, "--store", filled.uri]) == 0
    words = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in capsys.readouterr().out.splitlines()}
    sidecar = filled.open(filled.uri_of(name)).sidecar
    assert words["product"] == name
    assert words["status"] == "ok"
    assert words["made by"] == f"step 'spectrum' (fit, version {sidecar['step']['version']})"
    assert words["payload"] == f"{sidecar['payload']['size']} bytes, SHA-256 {sidecar['payload']['sha256']}"
    assert f"gammapy {sidecar['packages']['gammapy']}" in words["with"]
    assert words["from datasets"].startswith("products/datasets/")
    assert words["from file"].startswith("demo.yaml (")
    bad = next(name for name in filled.sidecars("dataset") if filled.sidecar(name)["status"] == "quarantined")
    rows = dict(in_words(Lineage(filled).origin(bad)))
    assert rows["status"].startswith("quarantined truncated ")
    assert rows["row"] == "2"


def test_products_are_listed_by_kind_analysis_and_status(filled, capsys):
    def lines(*arguments: str) -> list[str]:
        assert main(["products", "ls", "--store", filled.uri, *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    everything = lines()
    assert everything[-1].startswith(f"{len(list(filled.sidecars()))} products, ")
    assert len(everything) == len(list(filled.sidecars())) + 1
    bad = lines("--kind", "dataset", "--status", "quarantined")
    assert [line.split()[:2] for line in bad[:-1]] == [["dataset", "quarantined"]] * 2  # spectrum, map
    assert lines("--kind", "fit")[0].endswith(one(filled, "fit"))
    assert "everything/spectrum" in lines("--analysis", "everything", "--kind", "fit")[0]
    assert lines("--analysis", "other") == ["0 products, 0 bytes"]


@pytest.mark.requirement("R22", "R35")
def test_the_report_leads_from_each_product_to_the_archive(everything, archive):
    out, result = everything
    store = ProductStore(out)
    page = store.files.read(store.relative(result.report)).decode()
    lineage = page[page.index('<section id="lineage">') : page.index('<section id="origin">')]
    for file, digest in digests(archive).items():
        assert lineage.count(f'<td>← {file}</td><td class="digest">{digest[:16]}</td>') == 3, "two reductions and maps"
    record = json.loads(store.files.read(store.relative(result.report).replace("report.html", "run.json")))
    names = [product["name"] for step in record["steps"] for product in step["products"]]
    assert "lineage" not in record
    for number, name in enumerate(names, 1):
        assert f'<p id="from-{number}"' in lineage
        assert f"<summary>{name} " in lineage
    spectrum = names.index("spectrum") + 1
    assert f'<a href="#from-{spectrum}">made from</a>' in page
    points = lineage[lineage.index("<summary>points ") :].partition("</details>")[0]
    assert f'<a href="#from-{spectrum}">spectrum</a>' in points


def test_products_of_other_runs_have_their_lineage_on_the_page_too(copied, archive):
    name = next(one for one in copied.sidecars("datasets") if copied.sidecar(one)["step"]["name"] == "reduce")
    text = f"general: {{models_file: demo.yaml}}\nsteps: [{{name: refit, tag: fit, inputs: [{name}]}}]\n"
    result = gammaops.run(parse_config(text, name="refit", source="refit.yaml"), copied.uri)
    page = copied.files.read(copied.relative(result.report)).decode()
    assert '<a href="#from-2">datasets of another run</a>' in page
    for file in digests(archive):
        assert f"← {file}" in page
