"""What a shifter reads beside an observation that was left out: in plain words, why, and what to do next."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["STATES", "meaning", "next_action"]

_ASK_AGAIN = (
    "Ask the data manager for a fresh copy of the file, then process the night again: only this observation is reduced."
)
_BY_ITSELF = "Nothing now: the next run looks for it again by itself."
_ASK_ANALYST = "Ask the analyst: the reason tells which setting does not fit. The data may be fine."
_IRF = "Ask the data manager which IRF release covers it, then process the night again: only it is reduced."

STATES = MappingProxyType(
    {
        "failed": "could not be processed (infrastructure)",
        "quarantined": "bad data, set aside",
        "missing": "not in the archive (yet)",
        "rejected": "removed by a quality cut",
        "done": "processed in this run",
        "reused": "processed earlier, unchanged",
    }
)
"""State of a ledger row to what it means; in the order in which they are listed."""

_REASONS = MappingProxyType(
    {
        "truncated": ("the file ends too early", _ASK_AGAIN),
        "unreadable": ("the file cannot be read", _ASK_AGAIN),
        "wrong-size": ("the file is not as long as the index says", _ASK_AGAIN),
        "wrong-event-count": ("the number of events is not that of the index", _ASK_AGAIN),
        "wrong-obs-id": ("the file belongs to another observation", _ASK_AGAIN),
        "missing-hdu": ("a part of the file that the index promises is not there", _ASK_AGAIN),
        "empty-gti": ("the good time intervals are empty: no time can be used", _ASK_AGAIN),
        "missing-irf": ("an instrument response is missing", _IRF),
        "irf-not-finite": ("an instrument response holds values that are no numbers", _IRF),
        "duplicate-id": (
            "the archive lists it more than once",
            "Ask the data manager which one is right, to put in order in the index or by observations.duplicates.",
        ),
        "no-off-region": (
            "there is no room for a background region",
            "Ask the analyst: a smaller ON region or other exclusion regions may help. The data are fine.",
        ),
        "outside-map": (
            "it does not see any part of the map",
            "Ask the analyst: the selection takes observations that the map does not cover. The data are fine.",
        ),
        "outside-field": (
            "the ON region is outside its field of view",
            "Ask the analyst: the selection takes observations of another place; obs_cone leaves them out.",
        ),
        "no-containment": (
            "the ON region is larger than its point-spread function is tabulated",
            "Ask the analyst: datasets.containment_correction: false, or type: 3d. The data are fine.",
        ),
        "no-background": ("the background cannot be estimated with this method", _ASK_ANALYST),
        "no-phase": ("its events carry no phase", "Ask the data manager for events with phases, or the analyst."),
        "wrong-enclosure": ("its instrument responses are made for another kind of analysis", _ASK_ANALYST),
        "not-reducible": ("gammapy cannot reduce it with these settings", _ASK_ANALYST),
        "unknown-end": (
            "the index does not say when it ended",
            "Ask the data manager to bring TSTOP or ONTIME into the index. The data may be fine.",
        ),
        "path-outside-archive": (
            "the index names a file outside the archive's folder",
            "Ask the data manager to bring the file into the archive, or to mend the index. The data may be fine.",
        ),
        "oom": (
            "its task was killed twice, most likely because it needs more memory than a worker has",
            "Tell the pipeline engineer: a larger worker or a smaller geometry is needed. The next run tries it again.",
        ),
        "vetoed": (
            "it failed in the same way in two runs, or in three in a row, so it is not tried again by itself",
            "Tell the pipeline engineer; then start a run that names it in obs_ids, or one with reuse: rebuild.",
        ),
        "absent": ("the index lists it, the file is not there", _BY_ITSELF),
        "incoming": ("the file is still being copied", _BY_ITSELF),
        "unknown-id": (
            "the archive's index does not know it",
            "Check the number. If it is right, the next run finds it once it is indexed.",
        ),
        "livetime": ("too short", ""),
        "zenith": ("too low in the sky", ""),
        "n-tels": ("too few telescopes", ""),
        "livetime-fraction": ("the telescopes were busy or blind for too much of the time", ""),
        "moon": ("too much moonlight", ""),
        "event-rate": ("events came at another rate than in those before: clouds, or a fault", ""),
        "by-hand": ("somebody has decided so", "Nothing: ask whoever decided it if you doubt it."),
        "not-judged": ("a cut had too few earlier observations to compare it with, so it was not applied", ""),
        "accepted-by-hand": ("it fails a cut, and somebody has accepted it", ""),
        "required-irf": ("it lacks data that this analysis needs", _IRF),
        "infrastructure": ("not the data: the machinery", ""),
    }
)

_BY_STATE = MappingProxyType(
    {
        "failed": (
            "Tell the pipeline engineer: the data are not at fault. A nightly analysis tries it in its next runs, "
            "two or three times in all; whoever does not want to wait clears the task in Airflow."
        ),
        "quarantined": "Show this line to the data manager. The data are at fault, not the pipeline.",
        "missing": _BY_ITSELF,
        "rejected": "Nothing: the analysis asks for this cut.",
    }
)


def _spelled(reason_class: str) -> str:
    return "-".join(reason_class.lower().replace("_", " ").replace("-", " ").split())


def meaning(reason_class: str) -> str:
    """The class of a reason in plain words; empty where its name is all there is."""
    return _REASONS.get(_spelled(reason_class), ("", ""))[0]


def next_action(state: str, reason_class: str) -> str:
    """Who should do what about a ledger row; empty where there is nothing to do."""
    if state in {"done", "reused"}:
        return ""
    known = _REASONS.get(_spelled(reason_class), ("", ""))[1]
    return known or _BY_STATE.get(state, "Show this line to the pipeline engineer.")
