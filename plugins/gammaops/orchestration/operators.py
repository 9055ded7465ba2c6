"""Operators: one class per step type, made from its spec, and what starts every DAG; for its end see `end`.

Each is a thin `execute` around the runner. Their template fields hold nothing but references to other tasks' outputs;
those that are mapped have none at all, because whatever is mapped over would be rendered there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from gammaops.orchestration.end import EDITED
from gammaops.orchestration.parameters import refuse_unknown
from gammaops.orchestration.scope import run_scope
from gammaops.orchestration.tasks import (
    StepTasks,
    gathered,
    log_at_level,
    log_late_imports,
    one_path,
    opened_run,
    paths,
    pulled_by_role,
    skipping,
    successes,
    warn_of_no_effect,
    who_asks,
)
from gammaops.steps import step_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from gammaops.config import AnalysisConfig
    from gammaops.runner import Run

__all__ = [
    "ConfigErrorOperator",
    "MappedStepOperator",
    "StartOperator",
    "StepOperator",
    "operator_class",
]


class StartOperator(BaseOperator):
    """Freezes the effective config of a run, and with it which observations the run takes."""

    ui_color = "#e8eef7"

    def __init__(self, *, analysis: AnalysisConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.analysis = analysis

    def execute(self, context: Context) -> str:
        """Returns the product path of the frozen config."""
        from gammaops.config import store_root
        from gammaops.products import ProductStore
        from gammaops.runner import begin

        params = context["params"]
        refuse_unknown({*params, *(context["dag_run"].conf or {})})
        config = self.analysis.with_params({"config": params.get("config") or {}})
        _refuse_other_tasks(self.analysis, config)
        warn_of_no_effect(config, self.log)
        return begin(
            config,
            ProductStore(store_root()),
            run_scope(config, context),
            name=params.get("label") or context["run_id"],
            reuse=params["reuse"],
            steps=tuple(params.get("steps") or ()),
            params={name: value for name, value in params.items() if value not in (None, {}, [], False)},
            who=who_asks(context),
        )


class EndingOperator(BaseOperator):
    """A task that ends by itself when somebody clears or stops it: so it is not taken for one that was killed."""

    def on_kill(self) -> None:
        """End, on the way out through whatever is to be tidied up."""
        raise SystemExit("ended from outside")


class StepOperator(EndingOperator):
    """A task of a step: ``role`` is ``task``, or ``split`` and ``collect`` of a step that fans out.

    Parameters
    ----------
    role : str
        Which part of the step's work it does.
    step : str
        Name of the step.
    inputs : mapping
        Outputs of other tasks: ``consumed`` by role of the step type; for ``collect`` instead ``fragments`` and
        ``parts``.
    sources : mapping, optional
        For ``collect``, the ids of the tasks whose products the step reads, by role: it does not wait for these itself.
    split, mapped : str
        For ``collect``, the ids of the task that lists the rows and of the mapped one.
    behind : sequence of StepTasks, optional
        For a task that publishes a product, the tasks of the steps before it that start from data.
    """

    template_fields: Sequence[str] = ("inputs",)
    ui_color = "#dcebdc"

    def __init__(
        self,
        *,
        role: str,
        step: str,
        inputs: Mapping[str, Any],
        sources: Mapping[str, Sequence[str]] | None = None,
        split: str = "",
        mapped: str = "",
        behind: Sequence[StepTasks] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.role = role
        self.step = step
        self.inputs = inputs
        self.sources = sources
        self.split = split
        self.mapped = mapped
        self.behind = tuple(behind)

    def execute(self, context: Context) -> str | list[str]:
        """Returns product paths: of the product, or of the rows to map over."""
        run = opened_run(context)
        log_at_level(run)
        _skip_unless_chosen(run, self.step)
        with skipping():
            result: str | list[str] = self._roles[self.role](self, run, context)
        self._announce(run, context, result)
        log_late_imports(self.log)
        return result

    def _split(self, run: Run, context: Context) -> list[str]:
        from gammaops.runner import split

        return split(run, self.step, self._consumed(), who_asks(context))

    def _collect(self, run: Run, context: Context) -> str:
        from gammaops.runner import collect

        # Tasks that did not start again after a clear keep what they had returned before.
        succeeded = successes(context, [self.split, self.mapped])
        fragments = paths(self.inputs["fragments"]) if succeeded[self.split] else []
        if not fragments:
            raise AirflowSkipException("its rows were not listed; see the log of the task before the mapped one")
        consumed = pulled_by_role(context, self.sources or {})
        parts = paths(self.inputs["parts"])[: succeeded[self.mapped]]
        return collect(run, self.step, consumed, fragments, parts, who_asks(context))

    def _task(self, run: Run, context: Context) -> str:
        from gammaops.runner import run_task

        return run_task(run, self.step, self._consumed(), who_asks(context))

    _roles: ClassVar[Mapping[str, Callable[..., Any]]] = {"split": _split, "collect": _collect, "task": _task}

    def _consumed(self) -> dict[str, list[str]]:
        """The product path of each source by role; empty where it had none to give."""
        found = self.inputs["consumed"]
        return {role: [one_path(paths(source)) for source in sources] for role, sources in found.items()}

    def _announce(self, run: Run, context: Context, result: str | list[str]) -> None:
        """Describe each product in its asset event."""
        if not self.outlets or not isinstance(result, str):
            return
        from gammaops.runner import judged_so_far

        product = run.store.open(result)
        tasks = [*self.behind, StepTasks(self.step, "", self.split, self.mapped)]
        known = judged_so_far(run, self.step, gathered(context, tasks))
        # A step type with several outputs leaves an index of them.
        outputs = {member.row["name"]: member for member in product.members} if product.kind == "outputs" else {}
        names = run.plan[self.step].products
        nights = run.scope.nights
        for asset, output in zip(self.outlets, names, strict=True):
            made = outputs.get(output, product)
            context["outlet_events"][asset].extra = {
                "night": nights[0] if len(nights) == 1 else "",
                "nights": [*nights],
                "run": run.folder.relative,
                "path": made.uri,
                **known,
                "metrics": dict(made.metrics),
            }


class MappedStepOperator(EndingOperator):
    """The rows of a step that one mapped task takes.

    Parameters
    ----------
    step : str
        Name of the step.
    sources : mapping
        Ids of the tasks whose products it reads, by role of the step type.
    fragment : str
        Product path that names the rows.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#dcebdc"

    def __init__(
        self, *, role: str, step: str, sources: Mapping[str, Sequence[str]], fragment: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.role = role
        self.step = step
        self.sources = sources
        self.fragment = fragment

    def execute(self, context: Context) -> str:
        """Returns the product path of the rows' outcome, and labels the task with it in the UI."""
        from gammaops.runner import run_part

        run = opened_run(context)
        log_at_level(run)
        _skip_unless_chosen(run, self.step)
        with skipping():
            inputs = pulled_by_role(context, self.sources)
            outcome = run_part(run, self.step, inputs, self.fragment, who_asks(context))
        log_late_imports(self.log)
        context["outcome"] = outcome.label  # type: ignore[typeddict-unknown-key]
        return outcome.path


class ConfigErrorOperator(BaseOperator):
    """The one task of the DAG of a broken config: it fails with what is wrong."""

    ui_color = "#f4d6d2"

    def __init__(self, *, problems: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problems = problems

    def execute(self, context: Context) -> None:
        """Fail."""
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(f"the config is broken; nothing was run:\n{self.problems}")


def _refuse_other_tasks(written: AnalysisConfig, asked: AnalysisConfig) -> None:
    """A parameter of a run cannot change which tasks its DAG has."""
    from gammaops.errors import ConfigError, Problem
    from gammaops.plan import make_plan

    if make_plan(asked).shape != make_plan(written).shape:
        expected = "values that leave the steps as they are; for other steps, a config of its own"
        raise ConfigError([Problem("params", 0, 0, "config", "changes which tasks the analysis has", expected)])


def _skip_unless_chosen(run: Run, step: str) -> None:
    if run.dry:
        raise AirflowSkipException("a dry run computes nothing; its report tells what would run")
    from gammaops.plan import make_plan

    if step not in {planned.name for planned in make_plan(run.config).steps}:
        raise AirflowSkipException(EDITED)
    if step not in {planned.name for planned in run.plan.steps}:
        raise AirflowSkipException("not among the steps that were chosen for this run, nor needed by one of them")


@cache
def operator_class(tag: str, *, mapped: bool = False) -> type[BaseOperator]:
    """Operator of a step type: ``DataReductionOperator`` for ``data-reduction``.

    The class for its mapped tasks is another one, ``MappedDataReductionOperator``, because it must have no template
    fields.
    """
    spec = step_specs()[tag]
    camel = "".join(word.capitalize() for word in tag.split("-"))
    base: type[BaseOperator] = MappedStepOperator if mapped else StepOperator
    name = f"{'Mapped' if mapped else ''}{camel}Operator"
    namespace = {"__doc__": spec.doc, "__module__": __name__, "custom_operator_name": f"{camel}Operator"}
    return type(name, (base,), namespace)


def __getattr__(name: str) -> type[BaseOperator]:
    """Operator classes of all step types, for DAGs written by hand."""
    for tag in step_specs():
        for mapped in (False, True):
            found = operator_class(tag, mapped=mapped)
            if found.__name__ == name:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
