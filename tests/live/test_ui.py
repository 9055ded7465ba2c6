"""What a person does in the browser: reads what an analysis does, fills the form, backfills nights, opens reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from gammaops.orchestration.local.settings import ADMIN

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.ui]

BROWSER = Path("/usr/bin/chromium-headless-shell")
# The machine may be at work on other things.
PATIENCE_MS = 60_000
NIGHTS = ["2025-11-17", "2025-11-18"]


@pytest.fixture(scope="module")
def page(live) -> Iterator[Page]:
    """A browser in which the admin has logged in; the analysis is there and paused."""
    live.add("seen")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER)
        page = browser.new_page(viewport={"width": 1500, "height": 2200})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(live.airflow.url)
        page.fill("input[name=username]", ADMIN)
        page.fill("input[name=password]", live.airflow.password)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Dags")).to_be_visible()
        yield page
        browser.close()


def form(page: Page, url: str) -> Page:
    """The form for a run or a backfill."""
    page.goto(f"{url}/dags/seen")
    page.get_by_role("button", name="Trigger").first.click()
    expect(page.locator("#element_obs_ids")).to_be_visible()
    return page


@pytest.mark.requirement("R16")
def test_the_schedule_is_in_words_and_the_docs_say_what_is_done(live, page):
    page.goto(f"{live.airflow.url}/dags/seen")
    expect(page.get_by_text("nightly, 10:54 UTC")).to_be_visible()
    page.get_by_label("Dag Docs").click()
    expect(page.get_by_text("Reduces DL3 observations to datasets")).to_be_visible()
    expect(page.get_by_text("It can be backfilled")).to_be_visible()


@pytest.mark.requirement("R14")
def test_the_form_has_titles_help_and_a_field_of_lines_for_observations(live, page):
    form(page, live.airflow.url)
    shown = page.get_by_role("dialog").last
    for title in ("Observations", "Night", "Targets", "As in release", "Steps", "Products that exist", "Dry run"):
        expect(shown).to_contain_text(title)
    expect(shown).to_contain_text("OBS_IDs to take, one a line; empty: those that the analysis selects.")
    assert page.locator("#element_obs_ids").get_attribute("placeholder") == "Enter each string on a new line"
    assert page.locator("#element_night").get_attribute("type") == "date"


@pytest.mark.requirement("R14")
def test_observations_typed_line_by_line_are_those_of_the_run_and_a_dry_run_computes_nothing(live, page):
    form(page, live.airflow.url)
    page.locator("#element_obs_ids").fill("3\n4")
    page.locator("#element_label").fill("typed")
    page.locator("label", has=page.locator("[name=element_dry_run]")).click()
    page.get_by_role("button", name="Trigger").last.click()
    live.client.unpause("seen")
    (run,) = live.wait(lambda: [run for run in live.client.runs("seen") if run["run_type"] == "manual"])
    assert live.client.wait_run("seen", run["dag_run_id"]) == "success"
    record = live.record("seen", run["dag_run_id"])
    assert record["run"].startswith("runs/seen/typed-")
    request = json.loads((live.store / record["run"] / "request.json").read_text(encoding="utf-8"))
    assert request["scope"]["obs_ids"] == [3, 4]
    assert request["params"]["dry_run"] is True
    assert not any(step["products"] for step in record["steps"])


@pytest.mark.requirement("R11")
def test_nights_backfilled_from_the_form_show_their_report(live, page):
    form(page, live.airflow.url)
    page.get_by_text("Run this Dag for a range of dates").click()
    for place, night in enumerate(NIGHTS):
        page.get_by_test_id("datetime-input").nth(place).click()
        opened = page.locator("[data-scope=popover][data-part=content][data-state=open]")
        opened.get_by_placeholder("YYYY/MM/DD").fill(night.replace("-", "/"))
        opened.get_by_placeholder("HH:mm").fill("10:54")
        page.get_by_text("Date Range").click()
        expect(opened).to_have_count(0)
    expect(page.get_by_text("2 runs will be triggered.")).to_be_visible()
    page.get_by_role("button", name="Run Backfill").click()
    page.get_by_text("Backfill generated").wait_for()
    names = [run["dag_run_id"] for run in live.client.runs("seen") if run["run_type"] == "backfill"]
    live.client.unpause("seen")
    assert [live.client.wait_run("seen", name) for name in names] == ["success", "success"]
    assert [live.record("seen", name)["nights"] for name in names] == [[night] for night in NIGHTS]
    page.goto(f"{live.airflow.url}/dags/seen/runs/{quote(names[0], safe='')}")
    expect(page.get_by_text("2 quarantined: truncated").first).to_be_visible()
    page.get_by_role("link", name="Products").click()
    report = page.frame_locator("iframe")
    expect(report.get_by_text("PARTIAL: usable, with observations to look at")).to_be_visible()
    expect(report.get_by_text("2 expected: 1 done, 1 quarantined (2: truncated)").first).to_be_visible()
