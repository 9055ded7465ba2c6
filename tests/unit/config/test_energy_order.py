"""That an energy range is in order is a matter of energies, not of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammaops.config import parse_config
from gammaops.errors import ConfigError

TEXT = """
observations: {{datastore: data}}
datasets:
  type: 1d
  on_region: {{frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.1 deg}}
  background: {{method: reflected}}
general: {{models_file: crab-1d.yaml}}
fit: {{fit_range: {{min: {low}, max: {high}}}}}
steps:
- {{name: reduce, tag: data-reduction}}
- {{name: spectrum, tag: fit}}
"""


@pytest.mark.parametrize(("low", "high"), [("2 TeV", "10 TeV"), ("300 GeV", "2 TeV"), ("60 TeV", "100 TeV")])
def test_a_range_whose_texts_sort_otherwise_is_taken(low, high):
    parse_config(TEXT.format(low=low, high=high), "order", "order.yaml")


@pytest.mark.parametrize(("low", "high"), [("10 TeV", "5 TeV"), ("10 TeV", "9.5 TeV"), ("2 TeV", "300 GeV")])
def test_a_range_that_is_reversed_is_refused(low, high):
    with pytest.raises(ConfigError, match=r"fit\.fit_range\.min: .* TeV is not below max"):
        parse_config(TEXT.format(low=low, high=high), "order", "order.yaml")


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_any_two_energies_are_in_order_or_refused(low, high):
    text = TEXT.format(low=f"{low!r} TeV", high=f"{high!r} TeV")
    if low < high:
        parse_config(text, "order", "order.yaml")
    else:
        with pytest.raises(ConfigError, match=r"is not below max"):
            parse_config(text, "order", "order.yaml")
