"""The Airflow dag that looks after the product store: paused until somebody wants it."""

from gammaops.orchestration.maintenance import maintenance_dag

dag = maintenance_dag()
