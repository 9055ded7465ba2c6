"""The DAG that makes a release: frozen, compared with the current one, and promoted or rejected by a person.

Each task leaves a file in ``releases/`` or ``comparisons/`` of the store and returns its path.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, BaseOperator, Param
from airflow.sdk.exceptions import AirflowSkipException

from gammaops.orchestration.policies import retrying

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from gammaops.products import ProductStore
    from gammaops.releases import Comparison

__all__ = ["DAG_ID", "CompareOperator", "DecideOperator", "FreezeOperator", "release_dag"]

# A dot, so that no analysis can be called the same.
DAG_ID = "gammaops.release"
RETRIES = 2
PROMOTE, REJECT = "Promote", "Reject"
_SHOWN = 20
DOC = """# A release

Trigger it with a name. `freeze` verifies every product of the newest finished runs and gives them that name, for good.
`compare` writes the page that tells what has changed since the current release. `decide` waits until somebody promotes
or rejects, with a comment, under *Required Actions*; who it was and why is kept in `releases/decisions/` of the store.
"""


class FreezeOperator(BaseOperator):
    """Freezes finished runs under the name that the run of this DAG was given."""

    ui_color = "#e8eef7"

    def execute(self, context: Context) -> str:
        """Returns the path of the release."""
        from gammaops.releases import all_releases, finished_runs, freeze

        params, store = context["params"], _store()
        runs = finished_runs(store, params["analyses"], params["nights"])
        for known in all_releases(store):
            # A try that was killed after it had written it.
            if known.name == params["name"] and known.document.get("made_by") == context["run_id"]:
                return known.uri
        release = freeze(
            store, params["name"], runs, _triggered_by(context), params["comment"], made_by=context["run_id"]
        )
        self.log.info("%s: %d runs", release.name, len(release.runs))
        return release.uri


class CompareOperator(BaseOperator):
    """Compares the new release with the current one, if there is one."""

    ui_color = "#dcebdc"

    def execute(self, context: Context) -> str:
        """Returns the path of the page."""
        from gammaops.report import render_comparison

        store, name = _store(), context["params"]["name"]
        found = _comparison(store, name)
        if found is None:
            raise AirflowSkipException("there is no current release to compare with")
        self.log.info("%s", found.headline)
        page = f"comparisons/{name}.html"
        with suppress(FileExistsError):
            store.files.create(page, render_comparison(found.as_dict()).encode())
        return store.uri_of(page)


class DecideOperator(HITLOperator):
    """Waits for the person who promotes or rejects the release, and writes down who it was and why."""

    ui_color = "#f2ead8"
    template_fields = ()

    def execute(self, context: Context) -> None:
        """Ask."""
        store, name = _store(), context["params"]["name"]
        self.subject = f"Promote the release {name}?"
        self.body = _in_words(store, name)
        super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:
        """Returns the path of the decision."""
        from gammaops.releases import decide
        from gammaops.releases.promotions import PROMOTED, REJECTED

        answer = super().execute_complete(context, event)
        verdict = PROMOTED if answer["chosen_options"] == [PROMOTE] else REJECTED
        comment = str(answer["params_input"].get("comment", ""))
        name = context["params"]["name"]
        decision, uri = decide(_store(), name, verdict, _name_of(answer["responded_by_user"]), comment)
        self.log.info("%s was %s by %s", name, decision.verdict, decision.author)
        return uri


def release_dag() -> DAG:
    """The DAG; it runs when somebody triggers it."""
    params = {
        "name": Param("", type="string", minLength=1, maxLength=80, title="Name", description="Such as 2026-11-prod."),
        "comment": Param("", type="string", minLength=1, maxLength=2000, title="What for"),
        "analyses": Param([], type="array", items={"type": "string"}, title="Analyses", description="None: all."),
        "nights": Param([], type="array", items={"type": "string"}, title="Nights", description="None: all."),
    }
    with DAG(
        dag_id=DAG_ID,
        description="Freezes finished runs as a release, compares it with the current one, asks a person.",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        tags=["gammaops", "release"],
        params=params,
        doc_md=DOC,
        auto_register=False,
    ) as dag:
        common = retrying(RETRIES)
        compare = CompareOperator(task_id="compare", **common)
        decide = DecideOperator(
            task_id="decide",
            subject="Promote this release?",
            options=[PROMOTE, REJECT],
            params={"comment": Param("", type="string", minLength=1, maxLength=2000, title="Why")},
            trigger_rule="none_failed",
            **common,
        )
        FreezeOperator(task_id="freeze", **common) >> compare >> decide
    return dag


def _store() -> ProductStore:
    from gammaops.config import store_root
    from gammaops.products import ProductStore

    return ProductStore(store_root())


def _comparison(store: ProductStore, name: str) -> Comparison | None:
    """The new release and the current one; None before the first."""
    from gammaops.releases import Tolerances, compared, current_release, side_called

    current = current_release(store)
    if current is None:
        return None
    return compared(side_called(store, current.name), side_called(store, name), Tolerances())


def _in_words(store: ProductStore, name: str) -> str:
    """What the person has to know, in Markdown; names and reasons are shown as they are."""
    from gammaops.releases import release_called

    release = release_called(store, name)
    lines = [f"{len(release.runs)} runs, frozen by {release.document['author']}: {release.document['comment']}", ""]
    found = _comparison(store, name)
    if found is None:
        return "\n".join([*map(_literal, lines), "There is no current release to compare with."])
    lines += [f"Compared with {found.first}: {found.headline}.", ""]
    changes = [f"{one.where}: {one.item}: {one.what} {one.before} → {one.after}" for one in found.flagged[:_SHOWN]]
    more = len(found.flagged) - len(changes)
    rest = [f"… and {more} more"] if more > 0 else []
    page = f"Page: {store.uri_of(f'comparisons/{name}.html')}"
    return "\n".join(map(_literal, [*lines, *(f"- {change}" for change in (*changes, *rest)), "", page]))


def _literal(line: str) -> str:
    """Nothing in it is a link, a picture or HTML."""
    for sign in ("\\", "<", "[", "]", "`", "*", "_", "!"):
        line = line.replace(sign, f"\\{sign}")
    return line


def _triggered_by(context: Context) -> str:
    return str(getattr(context["dag_run"], "triggering_user_name", None) or "Airflow")


def _name_of(user: Mapping[str, Any] | None) -> str:
    """The person who answered; nobody did where the answer came without a name."""
    return str((user or {}).get("name") or (user or {}).get("id") or "")
