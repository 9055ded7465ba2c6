"""Who must act decides whether a task is tried again."""

from __future__ import annotations

import pytest
from airflow.sdk import RetryAction

from gammaops import errors
from gammaops.orchestration.policies import RETRY_POLICY


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigError([]),
        errors.DataError("truncated", "half of it is missing"),
        errors.AlgorithmError("no convergence"),
        errors.ProductError("broken"),
        errors.ProductMissing("gone"),
        errors.ProductCorrupt("changed"),
        errors.GivenUp("twice the same"),
        errors.RunFailed("RED"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.requirement("R15")
def test_what_another_try_cannot_mend_fails_at_once(error):
    assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=2).action is RetryAction.FAIL


@pytest.mark.parametrize("error", [OSError("no space"), ConnectionResetError(), TimeoutError()])
@pytest.mark.requirement("R15")
def test_infrastructure_is_tried_again(error):
    assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=2).action is RetryAction.RETRY


def test_an_unknown_error_follows_the_task():
    assert RETRY_POLICY.evaluate(ValueError(), try_number=1, max_tries=2).action is RetryAction.DEFAULT
