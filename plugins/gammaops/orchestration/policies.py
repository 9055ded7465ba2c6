"""Who must act, as Airflow's retries understand it: bad configs, data and methods never retry.

Infrastructure does, and so does what no rule names, because nobody can say what it is: both as often as the task may.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from gammaops import errors

__all__ = ["FIRST_DELAY", "LONGEST_DELAY", "RETRY_POLICY", "retrying"]

FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(minutes=10)

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(errors.ConfigError, RetryAction.FAIL, reason="for the author of the config or of the parameters"),
        RetryRule(errors.DataError, RetryAction.FAIL, reason="the data are bad; another try reads the same"),
        RetryRule(errors.AlgorithmError, RetryAction.FAIL, reason="for the scientist: the method failed on these data"),
        RetryRule(errors.ProductError, RetryAction.FAIL, reason="for whoever runs the store"),
        RetryRule(errors.GivenUp, RetryAction.FAIL, reason="for the pipeline engineer: the same has happened twice"),
        RetryRule(errors.RunFailed, RetryAction.FAIL, reason="the verdict of the run"),
        RetryRule([OSError, TimeoutError], RetryAction.RETRY, reason="infrastructure"),
    ]
)
"""The error tree of `gammaops.errors`, declared once."""


def retrying(retries: int) -> dict[str, Any]:
    """What every task is told: to be tried again so many times, by who must act."""
    return {
        "retries": retries,
        "retry_delay": FIRST_DELAY,
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": LONGEST_DELAY,
        "retry_policy": RETRY_POLICY,
    }
