"""Why the last try at a row of a fan-out failed: what it said itself, or that it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.runner.attempts import killed_rows
from gammaops.runner.failures import PARTS, failure_notes

if TYPE_CHECKING:
    from gammaops.runner.run import Run

__all__ = ["killed_in_words", "last_words"]


def last_words(run: Run, step: str) -> dict[str, str]:
    """By label, of rows that failed in some try; later tries come after earlier ones."""
    said = [
        (note["who"]["try_number"], label, f"{note['class']}: {note['reason']}")
        for note in failure_notes(run, step)
        if note["role"] == PARTS
        for label in note["labels"]
    ]
    said += [(one["try_number"], one["label"], killed_in_words(one["label"])) for one in killed_rows(run, step, PARTS)]
    return {label: words for _, label, words in sorted(said, key=lambda one: one[0])}


def killed_in_words(label: str) -> str:
    """What is known of a try that was killed."""
    at = f" while it worked on {label}" if label else ""
    return f"its task was killed{at}, most likely for want of memory, and was not tried again"
