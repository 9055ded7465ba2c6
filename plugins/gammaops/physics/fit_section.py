"""What fitted models show in the report: parameters with errors, what the fit does not describe, and what misleads.

The first note of a section is its headline: the page repeats it right under the verdict.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from gammapy.modeling.models import SkyModel

from gammaops.physics.counts_by_energy import merged
from gammaops.physics.field_units import in_field_units
from gammaops.physics.figures import draw_counts_spectrum, draw_residuals, encode
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammapy.modeling import Parameter
    from gammapy.modeling.models import Models

__all__ = ["fit_section", "low_off_warning", "without_background_warning"]

SHARE_PERCENT = 10.0
"""ON counts in bins with few OFF counts above which a joint fit is called biased."""


def fit_section(models: Models, fit: Mapping[str, Any]) -> Section:
    """Parameters of fitted models with errors and units, and how well they describe the counts.

    Parameters
    ----------
    models : `gammapy.modeling.models.Models`
        Fitted models with their covariance.
    fit : mapping
        The key ``fit`` of the product: ``message``, ``total_stat``, ``nfev``, and, where known, ``counts`` by energy,
        ``groups`` and ``off_counts``.
    """
    rows = [row for model in models for row in _parameter_rows(model)]
    about = f"{fit['message']} Fit statistic {fit['total_stat']:.1f} after {fit['nfev']} evaluations."
    warnings = tuple(filter(None, (low_off_warning(fit), without_background_warning(fit))))
    return Section(
        title="Fit",
        notes=tuple(filter(None, (_fit_headline(models), about, _without_errors(fit), _datasets_in_words(fit)))),
        warnings=warnings,
        figures=tuple(_fit_figures(fit.get("counts"))),
        tables=(Table(("Parameter", "Value ± 1 σ", "Unit", ""), rows),),
    )


def low_off_warning(fit: Mapping[str, Any]) -> str:
    """What a joint fit of ON/OFF spectra with few OFF counts does, and what to do; empty if there is nothing to say.

    A single dataset is spared: its bias is small beside its error.
    """
    found = fit.get("off_counts") or {}
    if found.get("datasets", 0) < 2 or found["on_counts_in_few_percent"] <= SHARE_PERCENT:
        return ""
    settings = fit.get("settings", {})
    how = f"fit.datasets: {settings.get('datasets', 'joint')}"
    auto = "set fit.datasets: auto, which stacks the observations before the fit, or "
    stacking = "" if settings.get("datasets") == "auto" else auto
    return (
        f"{found['datasets']} ON/OFF spectra were fitted jointly ({how}) with few OFF counts:"
        f" {found['on_counts_in_few_percent']:.0f} % of the ON counts lie in energy bins with fewer than"
        f" {settings.get('min_off_counts', 10)} OFF counts, {found['bins_none']} of {found['bins']} bins have none."
        " Such a fit is biased: a spectrum typically comes out too soft, by 0.1 or 0.2 in the index for 15 to 20 short"
        f" observations with 24 bins per decade, and too faint. What to do: {stacking}take wider energy bins."
        " gammaops toys measures the bias of this analysis."
    )


def without_background_warning(fit: Mapping[str, Any]) -> str:
    """That all counts were taken for the source's; empty if there is a background, or none of the counts is known."""
    found = fit.get("counts") or {}
    if fit.get("off_counts") or not sum(found.get("counts", ())) or sum(found["background"]):
        return ""
    return (
        "No background was estimated: all counts were fitted as the source's, those of the background among them, so"
        " that every flux from here on is too high. What to do: name a datasets.background.method."
    )


def _without_errors(fit: Mapping[str, Any]) -> str:
    """That the backend estimated no errors; empty if it did."""
    if any(parameter["error"] is not None for parameter in fit.get("parameters") or [{"error": 0.0}]):
        return ""
    return (
        f"Without errors: the backend {fit.get('backend')} makes no covariance, so its gate was not judged."
        " fit.backend: minuit gives errors."
    )


def _datasets_in_words(fit: Mapping[str, Any]) -> str:
    """Which observations were stacked before the fit."""
    groups = fit.get("groups") or {}
    words = [f"{len(members)} datasets as {name}" for name, members in groups.items()]
    return f"Stacked before the fit: {', '.join(words)}." if words else ""


def _fit_headline(models: Models) -> str:
    """The free spectral parameters of the first source."""
    for model in models:
        spectral = getattr(model, "spectral_model", None)
        if isinstance(model, SkyModel) and spectral is not None:
            names = _names(list(spectral.parameters))
            free = [one for one in spectral.parameters if not one.frozen]
            words = [" ".join(filter(None, (names[one], *_told(one)))) for one in free]
            return f"{model.name}: {', '.join(words) or 'no free spectral parameter'}."
    return "No source among the models."


def _names(parameters: Sequence[Parameter]) -> dict[Parameter, str]:
    """Names of a model's parameters; those that several parts of it have, such as two power laws, are numbered."""
    often, numbers = Counter(one.name for one in parameters), Counter[str]()
    names = {}
    for one in parameters:
        numbers[one.name] += 1
        names[one] = f"{one.name} {numbers[one.name]}" if often[one.name] > 1 else one.name
    return names


def _parameter_rows(model: Any) -> Iterator[tuple[str, ...]]:
    names = _names(list(model.parameters))
    for parameter in model.parameters:
        if parameter.frozen and not isinstance(model, SkyModel):
            continue
        yield f"{model.name}: {names[parameter]}", *_told(parameter), "fixed" if parameter.frozen else ""


def _told(parameter: Parameter) -> tuple[str, str]:
    """Value with error, and the unit, as the field writes them."""
    told = in_field_units({"value": parameter.value, "error": parameter.error, "unit": str(parameter.unit)})
    value = plain(told["value"], 4) if parameter.frozen else measured(told["value"], told["error"])
    return value, unit_text(told["unit"])


def _fit_figures(found: Mapping[str, Any] | None) -> Iterator[Figure]:
    bins = merged(found) if found else {}
    if not bins or not len(bins["counts"]):
        return
    edges, counts, predicted, background = (bins[name] for name in ("edges_tev", "counts", "predicted", "background"))
    draw = partial(draw_counts_spectrum, edges_tev=edges, counts=counts, predicted=predicted, background=background)
    yield Figure("Counts of all datasets together: measured, and predicted by the best fit.", encode(draw))
    caption = "What the fit does not describe. Most points should lie in or near the grey band, without a trend."
    yield Figure(caption, encode(partial(draw_residuals, edges_tev=edges, counts=counts, predicted=predicted)))
