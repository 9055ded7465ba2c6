"""What the person reads who is told.

Plain text throughout. Names and reasons in it come from configs, archives and files: whoever sends it escapes it for
the medium, and nobody renders it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.alerts.rules import DEADLINE, FAILED, FLUX, QUARANTINED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.alerts.rules import Alert

__all__ = ["Message", "message_of"]

LONGEST_LINE = 2000
LONGEST_SUBJECT = 200
HEADS = {
    FLUX: "flux above {threshold}",
    QUARANTINED: "more than {threshold} quarantined or missing",
    FAILED: "the run is red",
    DEADLINE: "no report after {threshold}",
}


@dataclass(frozen=True)
class Message:
    """An alert as it is sent.

    Parameters
    ----------
    subject : str
        One line.
    text : str
        Lines of plain text.
    fields : mapping
        The same for programs, as JSON types.
    """

    subject: str
    text: str
    fields: Mapping[str, Any]


def message_of(
    alert: Alert, *, analysis: str, nights: Sequence[str], run: str, verdict: str = "", link: str = "", report: str = ""
) -> Message:
    """The message of an alert.

    Parameters
    ----------
    alert : Alert
    analysis : str
        Name of the analysis.
    nights : sequence of str
        Nights that the run is about.
    run : str
        The run's name, and its version if it has one.
    verdict : str
        The run's verdict line.
    link : str
        Where the report is seen.
    report : str
        Product path of the report.
    """
    night = _nights(nights)
    head = HEADS[alert.kind].format(threshold=alert.threshold)
    subject = _line(": ".join(filter(None, [", ".join(filter(None, [analysis, night])), f"{alert.rule}: {head}"])))
    rows = [
        ("", alert.what),
        *(("", detail) for detail in alert.details),
        ("Threshold", alert.threshold),
        ("Analysis", analysis),
        ("Night", night.removeprefix("night ")),
        ("Run", run),
        ("Verdict", "" if verdict == alert.what else verdict),
        ("Report", link),
        ("Stored as", report),
    ]
    text = "\n".join(_line(f"{name}: {value}" if name else value) for name, value in rows if value)
    fields = {
        **{key: value for key, value in alert.as_dict().items() if key not in ("tell", "backfills")},
        "analysis": analysis,
        "nights": list(nights),
        "run": run,
        "verdict": verdict,
        "link": link,
        "report": report,
        "id": alert.digest,
        "subject": subject[:LONGEST_SUBJECT],
        "text": text,
    }
    return Message(subject[:LONGEST_SUBJECT], text, fields)


def _nights(nights: Sequence[str]) -> str:
    if not nights:
        return ""
    return f"night {nights[0]}" if len(nights) == 1 else f"nights {nights[0]} to {nights[-1]}"


def _line(text: str) -> str:
    """One line: a reason may hold several, and a header must not."""
    joined = " ".join(text.split())
    return joined if len(joined) <= LONGEST_LINE else f"{joined[: LONGEST_LINE - 1]}…"
