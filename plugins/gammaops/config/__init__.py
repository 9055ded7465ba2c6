"""Configs: read strictly, checked as a whole, normalised."""

from gammaops.config.analysis import AnalysisConfig, StepConfig
from gammaops.config.parse import load_config, parse_config
from gammaops.config.places import (
    is_allowed,
    is_elsewhere,
    pools_file,
    project_root,
    resolve_data_path,
    sites_folder,
    store_root,
)

__all__ = [
    "AnalysisConfig",
    "StepConfig",
    "is_allowed",
    "is_elsewhere",
    "load_config",
    "parse_config",
    "pools_file",
    "project_root",
    "resolve_data_path",
    "sites_folder",
    "store_root",
]
