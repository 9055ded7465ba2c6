"""No Airflow dag: raises the errors of all broken configs, so that they show among Airflow's import errors.

Raised in ``analyses.py`` they would take all good DAGs out of service.
"""

from gammaops.orchestration.configs import raise_config_errors

raise_config_errors()
