from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from gammaops.report import Part, render_report
from gammaops.report.advice import next_action
from gammaops.steps.base import Figure, Section, Table

HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
PNG = b"\x89PNG\r\n\x1a\nnot really"
SECTION = Section(
    title="Spectrum",
    figures=(Figure("Flux points and the best fit.", PNG),),
    tables=(Table(("Energy [TeV]", "Flux"), [("1 to 2", "3.0 ± 0.1")], "Points"),),
    notes=("7 of 8 energy bins above 2 σ.", "Second note."),
)
PART = Part("points", "flux-points", "flux_points", "flux_points", SECTION)


def verdict(record, line, ok=True):
    return {**record, "verdict": {"line": f"crab, night 2004-12-06: {line}", "ok": ok}}


@pytest.mark.parametrize(
    ("line", "ok", "word", "tone"),
    [
        ("GOOD: 2 expected: 2 done", True, "GOOD", "tone-good"),
        (
            "PARTIAL: 2 expected: 1 done, 1 quarantined",
            True,
            "PARTIAL: usable, with observations to look at",
            "tone-warn",
        ),
        ("NO_DATA: no observation was expected", True, "NO DATA", "tone-idle"),
        ("RED: 1 failed (23523: infrastructure). 2 expected", False, "RED", "tone-bad"),
    ],
)
def test_verdict_is_a_word_a_sign_and_a_colour(record, read, line, ok, word, tone):
    page = read(render_report(verdict(record, line, ok)))
    banner = next(one for one in page.having("div") if "verdict" in one.get("class", ""))
    assert banner["class"] == f"verdict {tone}"
    assert any(sign in page.text for sign in "✔✖○")
    assert f"{word} crab, night 2004-12-06: {line.split(': ', 1)[1]}" in page.text
    assert page.text.startswith(f"{word}: crab, night of 2004-12-06")


def test_a_run_without_verdict_is_not_green(read):
    page = read(render_report({}))
    assert "NO VERDICT" in page.text
    assert "tone-good" not in str(page.having("div"))


def test_an_analysis_called_like_a_verdict_does_not_change_it(record, read):
    page = read(render_report({**record, "verdict": {"line": "good, observations 1: RED: 1 failed", "ok": False}}))
    assert "RED good, observations 1: 1 failed" in page.text


def test_an_empty_record_says_what_is_missing(read):
    text = read(render_report({})).text
    for sentence in (
        "No observation was expected in this run.",
        "The record names no step: the run ended before it began to work.",
        "This run made no product.",
        "The record holds no provenance.",
    ):
        assert sentence in text


@pytest.mark.requirement("R25")
def test_every_state_is_counted_and_the_counts_add_up(record, row, read):
    states = ["done", "done", "reused", "rejected", "quarantined", "missing", "failed"]
    page = read(render_report({**record, "ledger": [row(number, state) for number, state in enumerate(states)]}))
    assert "7 observations expected." in page.text
    assert "1 failed 1 quarantined 1 missing 1 rejected 2 done 1 reused" in page.text


def test_an_unknown_state_is_shown_as_bad_and_first(record, row, read):
    page = read(render_report({**record, "ledger": [row(1, "failed"), row(2, "lost")]}))
    assert [one[0] for one in page.table("Observation")[1:]] == ["2", "1"]
    assert "1 lost" in page.text


@pytest.mark.requirement("R25")
def test_ledger_shows_what_needs_someone_first_and_says_what_to_do(record, row, read):
    ledger = [
        row(5, "done"),
        row(4, "rejected", "livetime", "LIVETIME is 8 min, less than 10 min"),
        row(3, "missing", "absent", "a.fits.gz is in the index but not in the archive"),
        row(2, "quarantined", "truncated", "b.fits.gz: ends early"),
        row(1, "failed", "infrastructure", "OSError: no space left on device"),
    ]
    left_out = read(render_report({**record, "ledger": ledger})).table("Observation")
    assert left_out[0] == ["Observation", "State", "Why", "What to do next"]
    assert [one[:2] for one in left_out[1:]] == [
        ["1", "failed"],
        ["2", "quarantined"],
        ["3", "missing"],
        ["4", "rejected"],
    ]
    assert left_out[2][2] == "truncated: the file ends too earlyb.fits.gz: ends early"
    assert "fresh copy" in left_out[2][3]
    assert "by itself" in left_out[3][3]
    assert left_out[4][3].startswith("Nothing")


@pytest.mark.parametrize(
    ("state", "reason_class", "words"),
    [
        ("failed", "infrastructure", "pipeline engineer"),
        ("quarantined", "never heard of", "data manager"),
        ("quarantined", "OOM", "larger worker"),
        ("quarantined", "no_off_region", "analyst"),
        ("rejected", "required_irf", "IRF release"),
        ("rejected", "zenith", "Nothing"),
        ("missing", "absent", "by itself"),
        ("nonsense", "", "pipeline engineer"),
    ],
)
def test_every_reason_names_who_should_act(state, reason_class, words):
    assert words in next_action(state, reason_class)


def test_good_rows_need_no_action():
    assert next_action("done", "") == next_action("reused", "") == ""


def test_steps_that_disagree_about_an_observation_are_told_apart(record, row, read):
    steps = {"reduce": {"state": "done", "path": "products/a"}, "maps": {"state": "failed", "path": ""}}
    page = read(render_report({**record, "ledger": [row(1, "done"), row(2, "failed", steps=steps)]}))
    assert "2 observations expected." in page.text
    assert "reduce: done, maps: failed" in page.text


def test_a_long_list_of_good_rows_is_folded_and_bad_rows_never_are(record, row, read):
    many = [row(number, "done") for number in range(40)] + [row(number, "failed") for number in range(100, 140)]
    html = render_report({**record, "ledger": many})
    assert "Used: 40 observations" in html
    assert html.index("<details>") > html.index("139")
    assert len(read(html).table("Observation")) == 41


def test_failed_and_skipped_steps_say_why(record, make_step, read):
    steps = [
        make_step("spectrum", "fit", "failed", "AlgorithmError: the fit did not converge"),
        make_step("points", "flux-points", "no_work", "the step 'spectrum' made no product"),
    ]
    page = read(render_report({**record, "steps": steps}))
    assert "Missing from this page" in page.text
    assert "spectrum fit · failed: AlgorithmError: the fit did not converge" in page.text
    assert "points flux-points · nothing to do: the step 'spectrum' made no product" in page.text


def test_a_step_whose_product_another_run_made_is_reused(record, read):
    record["steps"][1]["products"][0]["made_by"] = "runs/crab/other/v001"
    table = read(render_report(record)).table("Step")
    assert [one[2] for one in table[1:]] == ["done", "reused"]


def test_cost_adds_up(record, read):
    page = read(render_report(record))
    assert "2 min 3 s of CPU time, with at most 410 MB of memory in one task" in page.text
    assert page.table("Step")[1][4:] == ["1 min 1 s", "410 MB"]


def test_a_part_that_could_not_be_drawn_says_so(record, read):
    page = read(render_report(record, [replace(PART, section=None, problem="KeyError: 'dnde'")]))
    assert "This part could not be drawn: KeyError: 'dnde'" in page.text


def test_headlines_stand_under_the_verdict(record, read):
    page = read(render_report(record, [PART]))
    assert page.text.index("7 of 8 energy bins") < page.text.index("Observations")
    assert "Second note." in page.text


def test_sections_come_in_the_order_a_shifter_asks(record, read):
    kinds = ("datasets", "fit", "light_curve", "flux_points", "excess_map", "sources")
    parts = [Part("s", "t", kind, kind, Section(title=f"Title {kind}", notes=(kind,))) for kind in kinds]
    page = read(render_report(record, parts))
    order = [page.text.rindex(f"Title {kind} {kind}") for kind in kinds]
    assert [kinds[place] for place in sorted(range(len(kinds)), key=order.__getitem__)] == [
        "excess_map", "flux_points", "light_curve", "fit", "datasets", "sources",
    ]  # fmt: skip


def test_sections_with_one_title_are_told_apart(record, read):
    parts = [replace(PART, product="hess1"), replace(PART, product="hess1u")]
    text = read(render_report(record, parts)).text
    assert "Spectrum: hess1 " in text
    assert "Spectrum: hess1u " in text


def test_figures_are_in_the_page_with_alternative_text(record, read):
    (image,) = read(render_report(record, [PART])).having("img")
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == PNG
    assert image["alt"] == "Spectrum: Flux points and the best fit."


def test_tables_have_real_headings(record, read):
    page = read(render_report(record, [PART]))
    headings = page.having("th")
    assert headings
    assert {one["scope"] for one in headings} == {"col", "row"}
    assert page.table("Energy [TeV]") == [["Energy [TeV]", "Flux"], ["1 to 2", "3.0 ± 0.1"]]


def test_the_page_needs_nothing_but_itself(record, read):
    page = read(render_report(record, [PART]))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "form", "svg"}
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert addresses
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in addresses)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    policy = next(one["content"] for one in page.having("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_links_inside_the_page_lead_somewhere(record, read):
    page = read(render_report(record, [PART, replace(PART, section=None)]))
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {one["href"].removeprefix("#") for one in page.having("a")} <= targets


def test_language_and_width_are_declared(record, read):
    page = read(render_report(record))
    assert page.having("html") == [{"lang": "en"}]
    assert any(one.get("name") == "viewport" for one in page.having("meta"))


def poisoned(value):
    """The same structure with every text replaced by a hostile one."""
    if isinstance(value, dict):
        return {HOSTILE if key == "git" else key: poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def test_nothing_from_users_or_data_becomes_markup(record, row, read):
    record["ledger"].append(row(HOSTILE, "quarantined", "x", "y"))
    clean = read(render_report(record, [PART]))
    section = Section(HOSTILE, (Figure(HOSTILE, PNG),), (Table((HOSTILE,), [(HOSTILE,)], HOSTILE),), (HOSTILE,))
    html = render_report(poisoned(record), [Part(HOSTILE, HOSTILE, HOSTILE, HOSTILE, section)])
    page = read(html)
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in clean.tags} | {"h3", "caption", "p"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert HOSTILE in " ".join(page.words), "it is shown as it is, and no template is run"


def test_odd_types_in_a_record_do_not_stop_the_page(read):
    odd = {
        "analysis": None,
        "nights": None,
        "ledger": [None, {"obs_id": None, "state": None}],
        "steps": [{"products": [{}, {"path": "p", "kind": "fit"}]}, "?"],
        "verdict": None,
        "provenance": {"list": [1, None, 2.5], "none": None, "nested": {"deep": {"er": 1}}},
    }
    page = read(render_report(odd))
    assert "nested deep er" in page.text


def test_the_same_record_gives_the_same_bytes(record):
    from_disk = json.loads(json.dumps(record, sort_keys=True))
    assert render_report(from_disk, [PART]) == render_report(record, [PART])


def test_one_cell_of_provenance_per_fact_and_none_for_unset_ones(record, read):
    text = read(render_report(record)).text
    assert "run folder runs/crab/night/v001" in text
    assert "version of git 4275a3b" in text
    assert "taken nights 2004-12-06" in text
    assert "map index" not in text


@pytest.mark.parametrize(
    ("nights", "words"),
    [
        ([], "crab · scheduled"),
        (["2004-12-06"], "night of 2004-12-06"),
        (["2004-12-06", "2004-12-04"], "nights of 2004-12-04, 2004-12-06"),
        ([f"2004-12-0{day}" for day in range(1, 6)], "5 nights, 2004-12-01 to 2004-12-05"),
    ],
)
def test_nights_in_words(record, read, nights, words):
    assert words in read(render_report({**record, "nights": nights})).text


def test_alerts_stand_below_the_verdict_as_data(record, read):
    alert = {"rule": "flare", "kind": "flux", "what": f"flux of {HOSTILE}", "details": ["12 of 15 bins."]}
    page = read(render_report({**record, "alerts": [alert]}))
    assert f"Alert flare: flux of {HOSTILE} 12 of 15 bins." in page.text
    assert page.having("script") == []
    assert "Alert" not in read(render_report({**record, "alerts": []})).text
