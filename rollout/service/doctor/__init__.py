"""`rollout doctor`: is this machine, and what lies in the data folder, sound? One command mends each finding."""

from rollout.service.doctor.report import report

__all__ = ["report"]
