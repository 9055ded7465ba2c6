"""The DAG that makes a release: freezes it, compares it with the current one, and asks a person.

Each task returns the path of a file in the store: the release, the page of the comparison, the decision.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, BaseOperator, Param

from gammaops.orchestration.policies import retrying

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from gammaops.products import ProductStore

__all__ = ["COMPARE_TASK", "DAG_ID", "ApproveReleaseOperator", "CompareOperator", "FreezeOperator", "release_dag"]

# A dot, so that no analysis can be called the same.
DAG_ID = "gammaops.release"
COMPARE_TASK = "compare"
COMMENT = "comment_on_decision"
RETRIES = 2
LONGEST_COMMENT = 2000
SELECTOR = {"type": "string", "minLength": 1, "maxLength": 200}
DOC = """# A release of run versions

Freezes the chosen runs under a name (`releases/<name>.json`, never written over; refused if any of them is red, has not
ended, or has a damaged product), compares them with the release that is promoted now, and asks a person: under
*Required Actions* of the run, with the verdict of the comparison; its page is the *Products* tab of the run. *Approve*
promotes the release, *Reject* leaves it frozen; either is written down with who answered, when, and the comment.
"""


class FreezeOperator(BaseOperator):
    """Freezes the runs that the parameters choose."""

    ui_color = "#e8eef7"

    def execute(self, context: Context) -> str:
        """Returns the path of the release."""
        from gammaops.releases.choosing import choose_runs
        from gammaops.releases.freezing import freeze
        from gammaops.releases.names import Signature

        params, store, run = context["params"], _store(), context["dag_run"]
        selectors = [*([params["analysis"]] if params["analysis"] else []), *params["runs"]]
        choice = choose_runs(store, selectors, params["nights"], params["without"])
        for note in choice.notes:
            self.log.warning("%s", note)
        author = getattr(run, "triggering_user_name", None) or DAG_ID
        time = datetime.now(UTC).isoformat(timespec="seconds")
        return freeze(
            store, params["release"], choice.folders, Signature(author, time, params["comment"], _who(context))
        )


class CompareOperator(BaseOperator):
    """Compares the release with the current one.

    Parameters
    ----------
    inputs : mapping
        ``release``: the path of the frozen release.
    """

    template_fields: Sequence[str] = ("inputs",)
    ui_color = "#dcebdc"

    def __init__(self, *, inputs: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inputs = inputs

    def execute(self, context: Context) -> str:
        """Returns the path of the page."""
        from gammaops.comparison.publishing import compare_with_current, verdict_of

        store = _store()
        page = compare_with_current(store, _release_of(self.inputs["release"]))
        self.log.info("compared with %s: %s", *verdict_of(store, page))
        return page


class ApproveReleaseOperator(ApprovalOperator):
    """Asks a person whether to promote the release, and writes the answer down.

    Parameters
    ----------
    inputs : mapping
        ``release``: the path of the frozen release; ``page``: that of its comparison.
    """

    # Not the subject and the body: nothing that users or configs have written is a template.
    template_fields = ("inputs",)
    ui_color = "#f2ead8"

    def __init__(self, *, inputs: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(subject="Promote this release?", **kwargs)
        self.inputs = inputs

    def execute(self, context: Context) -> Any:
        """Ask, with what the comparison has found."""
        from gammaops.comparison.publishing import verdict_of

        before, verdict = verdict_of(_store(), self.inputs["page"])
        self.subject = f"Promote the release {_release_of(self.inputs['release'])}?"
        self.body = (
            f"Compared with {before}: **{verdict}**\n\n"
            f"The page of the comparison is the tab *Products* of this run:\n\n`{self.inputs['page']}`"
        )
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:
        """Returns the path of the decision."""
        from gammaops.releases.decisions import PROMOTED, REJECTED, decide
        from gammaops.releases.names import Signature

        answer = super().execute_complete(context, event)
        user, given = answer["responded_by_user"] or {}, answer["params_input"] or {}
        time = answer["responded_at"].astimezone(UTC).isoformat(timespec="seconds")
        author = str(user.get("name") or user.get("id") or "")
        signature = Signature(author, time, str(given.get(COMMENT) or ""), _who(context))
        verdict = PROMOTED if answer["chosen_options"] == [self.APPROVE] else REJECTED
        return decide(_store(), _release_of(self.inputs["release"]), verdict, signature)


def release_dag() -> DAG:
    """The DAG: freeze, compare, approve."""
    with DAG(
        dag_id=DAG_ID,
        description="Freezes runs as a release, compares it with the current one, asks a person to promote it.",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        tags=["gammaops", "release"],
        params=_params(),
        doc_md=DOC,
        auto_register=False,
    ) as dag:
        common = retrying(RETRIES)
        release = FreezeOperator(task_id="freeze", **common).output
        page = CompareOperator(task_id=COMPARE_TASK, inputs={"release": release}, **common).output
        comment = Param(
            "", type="string", maxLength=LONGEST_COMMENT, title="Comment", description="Kept with the answer."
        )
        ApproveReleaseOperator(
            task_id="approve", inputs={"release": release, "page": page}, params={COMMENT: comment}, **common
        )
    return dag


def _params() -> dict[str, Param]:
    return {
        "release": Param(
            type="string",
            pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$",
            title="Name of the release",
            description="Such as 2026-11-prod. It can never be given again.",
        ),
        "analysis": Param(
            None,
            type=["null", "string"],
            maxLength=80,
            title="Analysis",
            description="Takes the newest finished version of each of its runs.",
        ),
        "runs": Param(
            [],
            type="array",
            items=SELECTOR,
            title="Further runs",
            description="An analysis, <analysis>/<run id>, or <analysis>/<run id>/v002; one a line.",
        ),
        "nights": Param(
            [],
            type="array",
            items=SELECTOR,
            title="Nights",
            description="Of a whole analysis, only runs of these nights.",
        ),
        "without": Param(
            [], type="array", items=SELECTOR, title="Without", description="Runs of an analysis to leave out."
        ),
        "comment": Param("", type="string", maxLength=LONGEST_COMMENT, title="Comment", description="What it is for."),
    }


def _release_of(uri: str) -> str:
    return uri.rpartition("/")[2].removesuffix(".json")


def _who(context: Context) -> dict[str, str]:
    return {"dag_id": DAG_ID, "run_id": str(context["run_id"])}


def _store() -> ProductStore:
    from gammaops.config import store_root
    from gammaops.products import ProductStore

    return ProductStore(store_root())
