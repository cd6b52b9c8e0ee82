"""Configs: read YAML, lay layers over one another, expand sweeps, check everything, and say what is wrong where."""

from __future__ import annotations

from lab.config.base import ExperimentConfig, MapConfig, ReportConfig, Section, StudyConfig, presentation
from lab.config.cells import Cell
from lab.config.experiments import load_recipe, recipes
from lab.config.new import write_new
from lab.config.places import Origin
from lab.config.plan import StudyPlan, load
from lab.config.schema import json_schema
from lab.config.shipped import ShippedConfig, configs_dir, shipped_configs, shipped_names
from lab.config.show import show_config
from lab.config.yaml_writer import from_yaml, to_yaml

__all__ = [
    "Cell",
    "ExperimentConfig",
    "MapConfig",
    "Origin",
    "ReportConfig",
    "Section",
    "ShippedConfig",
    "StudyConfig",
    "StudyPlan",
    "configs_dir",
    "from_yaml",
    "json_schema",
    "load",
    "load_recipe",
    "presentation",
    "recipes",
    "shipped_configs",
    "shipped_names",
    "show_config",
    "to_yaml",
    "write_new",
]
