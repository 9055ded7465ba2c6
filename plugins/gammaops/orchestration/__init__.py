"""The glue to Airflow: the only package that imports it. See `factory` for what a config becomes."""
