"""When a fit's result is refused, and in which words."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from gammaops.errors import AlgorithmError
from gammaops.steps import load_science

INDEX, AMPLITUDE = 0, 1


@pytest.fixture
def refit(driver, observations, faint_file, tmp_path):
    """Fits the observations with the models changed by a function."""

    def fit(change, **settings):
        document = yaml.safe_load(faint_file.read_text())
        change(document["components"])
        path = tmp_path / "models.yaml"
        path.write_text(yaml.safe_dump(document))
        config = driver.blocks("fit", general={"models_file": str(path)}, fit=settings)
        return driver.run_one("fit", config, tmp_path / "fit", {"datasets": (observations,)})

    return fit


def parameters(components):
    return components[0]["spectral"]["parameters"]


def test_parameter_at_its_bound_is_named_with_value_and_unit(refit):
    def below(components):
        parameters(components)[AMPLITUDE] |= {"value": 1e-8, "unit": "m-2 s-1 TeV-1", "max": 1e-8, "min": 0.0}

    with pytest.raises(AlgorithmError, match=r"^source\.spectral\.amplitude is at its upper bound: ") as caught:
        refit(below)
    # 1e-8 m-2 = 1e-12 cm-2: a third of the truth.
    assert "bound 1.00 × 10⁻¹² TeV⁻¹ s⁻¹ cm⁻²; widen it, or fix it" in str(caught.value)
    assert caught.value.metrics["gates"] == {"converged": True, "covariance": True, "bounds": False}


def test_parameters_that_do_the_same_cannot_be_told_apart(refit):
    def twice(components):
        second = yaml.safe_load(yaml.safe_dump(components[0])) | {"name": "second"}
        parameters([second])[INDEX]["frozen"] = True
        parameters(components)[INDEX]["frozen"] = True
        components.append(second)

    words = r"cannot tell source\.spectral\.amplitude and second\.spectral\.amplitude apart"
    with pytest.raises(AlgorithmError, match=words) as caught:
        refit(twice)
    assert caught.value.metrics["gates"]["bounds"]
    assert not caught.value.metrics["gates"]["covariance"]


@pytest.mark.parametrize("names", [("source", "second"), ("4FGL J0534.5+2201i", "4FGL J0534.5+2201s")])
def test_one_source_given_twice_is_told_though_the_indices_are_free_too(refit, names):
    def twice(components):
        components[0]["name"] = names[0]
        components.append(yaml.safe_load(yaml.safe_dump(components[0])) | {"name": names[1]})

    first, second = (re.escape(name) + r"\.spectral\.\w+" for name in names)
    with pytest.raises(AlgorithmError, match=f"cannot tell {first} and {second} apart"):
        refit(twice)


def test_free_parameter_without_effect_has_no_error(refit):
    def dim(components):
        second = yaml.safe_load(yaml.safe_dump(components[0])) | {"name": "second"}
        second["spectral"] = {
            "type": "ExpCutoffPowerLawSpectralModel",
            "parameters": [
                {"name": "index", "value": 2.0, "frozen": True},
                {"name": "amplitude", "value": 0.0, "unit": "cm-2 s-1 TeV-1", "frozen": True},
                {"name": "lambda_", "value": 0.1, "unit": "TeV-1"},
            ],
        }
        components.append(second)

    with pytest.raises(AlgorithmError) as caught:
        refit(dim)
    assert not caught.value.metrics["gates"]["covariance"]


def test_good_fit_passes_all_gates_and_tells_the_fields_units(refit):
    def in_si(components):
        parameters(components)[AMPLITUDE] |= {"value": 3.0e-17, "unit": "m-2 s-1 GeV-1"}

    product = refit(in_si)
    assert product.metrics["gates"] == {"converged": True, "covariance": True, "bounds": True}
    told = product.metrics["parameters"]["source.spectral.amplitude"]
    assert told["unit"] == "1 / (TeV s cm2)"
    # Six observations of the truth 3e-12, to 8 %.
    assert told["value"] == pytest.approx(3e-12, abs=3 * told["error"])
    assert told["error"] == pytest.approx(2.4e-13, rel=0.3)


def test_linked_parameters_are_one_and_come_out_in_the_same_bytes(refit, tmp_path):
    def linked(components):
        parameters(components)[INDEX]["link"] = "slope"
        first = parameters(components)
        second = yaml.safe_load(yaml.safe_dump(components[0])) | {"name": "second", "datasets_names": ["obs-1"]}
        components[0]["datasets_names"] = [f"obs-{number}" for number in range(2, 7)]
        assert first[INDEX]["link"] == parameters([second])[INDEX]["link"]
        components.append(second)

    product = refit(linked)
    told = product.metrics["parameters"]
    assert told["source.spectral.index"] == told["second.spectral.index"]
    first = product.path.read_bytes()
    assert refit(linked).path.read_bytes() == first
    matrix = np.array(yaml.safe_load(first)["fit"]["covariance"]["matrix"])
    assert matrix[0, 3] == matrix[3, 3] == matrix[0, 0] > 0


def test_backend_without_covariance_gives_no_errors_and_is_not_judged(refit):
    def with_errors(components):
        for parameter, error in zip(parameters(components), (0.3, 1.0e-13), strict=False):
            parameter["error"] = error

    product = refit(with_errors, backend="scipy")
    assert product.metrics["gates"] == {"converged": True, "covariance": None, "bounds": True}
    assert [told["error"] for told in product.metrics["parameters"].values()] == [None] * 3
    document = yaml.safe_load(product.path.read_text())
    assert not np.any(document["fit"]["covariance"]["matrix"])
    assert not any(parameter.get("error") for parameter in parameters(document["components"]))
    assert "covariance, so its gate was not judged" in " ".join(load_science("fit").report(product).notes)
    # The optimum is Minuit's, to the tolerance of either.
    told, other = (one.metrics["parameters"]["source.spectral.index"] for one in (product, refit(with_errors)))
    assert told["value"] == pytest.approx(other["value"], abs=0.05 * other["error"])
