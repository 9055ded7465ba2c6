"""The Airflow dag that makes a release of finished runs: it waits for a person to promote or reject it."""

from gammaops.orchestration.release import release_dag

dag = release_dag()
