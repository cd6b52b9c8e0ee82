"""Trackers: other programs that watch runs, such as MLflow and TensorBoard. The run directory stays the truth."""

from lab.trackers.installed import load_trackers as load_trackers
from lab.trackers.tracker import Facts as Facts
from lab.trackers.tracker import Tracker as Tracker
