"""Airflow DAGs of all analyses: one for each YAML file in ``include/configs``.

A config that is wrong becomes a DAG that says so; it never takes another one down (see also ``config_errors.py``).
"""

from airflow.sdk import get_parsing_context

from gammaops.orchestration.configs import config_files, dag_of

only = get_parsing_context().dag_id  # a task builds its own DAG alone

for path in config_files():
    if only in (None, path.stem):
        globals()[f"dag {path.stem}"] = dag_of(path)  # the blank: a config may be called `path` or `only`
