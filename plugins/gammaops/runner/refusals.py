"""What a row is not tried for: it has killed its task twice, or failed in too many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.products import content_key
from gammaops.runner.attempts import KILLS, OOM, refuse_after_kills, twice_killed
from gammaops.runner.task import Cost
from gammaops.runner.vetoes import VETOED, veto_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.products import Product
    from gammaops.runner.attempts import Attempt
    from gammaops.runner.task import StepTask

__all__ = ["Beginning"]


class Beginning:
    """The moment before a row is computed: it is refused, or the marker of this try names it.

    Parameters
    ----------
    task : StepTask
    tried : Attempt
    """

    def __init__(self, task: StepTask, tried: Attempt) -> None:
        self._task, self._tried = task, tried

    def __call__(self, kind: str, key: str, described: Mapping[str, Any]) -> Product | None:
        """The outcome of a row that is not to be tried; None where it is.

        Raises
        ------
        GivenUp
            If it has killed its task twice and is no observation, which could be set aside.
        """
        task, label = self._task, described["item"]["label"]
        if not task.step.spec.observations:
            refuse_after_kills(self._tried, label)
        elif self._tried.kills[label] >= KILLS:
            return self._set_aside(kind, key, described, OOM, twice_killed(label))
        elif veto := veto_of(task.run, task.step, int(described["item"]["row"]["obs_id"])):
            return self._set_aside(kind, key, described, VETOED, veto)
        self._tried.at(label)
        return None

    def _set_aside(self, kind: str, key: str, described: Mapping[str, Any], reason_class: str, reason: str) -> Product:
        """An outcome of this run alone: a larger worker or a mended machine is in no key, so the next asks again."""
        once = content_key({reason_class: key, "run": self._task.run.folder.relative})
        sidecar = self._task.sidecar(Cost(), {}, reason_class=reason_class, reason=reason, **described)
        return self._task.run.store.publish_outcome(kind, once, "quarantined", sidecar)
