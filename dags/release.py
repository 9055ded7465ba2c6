"""The Airflow dag that freezes a release, compares it with the current one, and asks a person to promote it."""

from gammaops.orchestration.release import release_dag

dag = release_dag()
