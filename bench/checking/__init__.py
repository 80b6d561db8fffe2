"""Checks of a variant against the contract: what every variant must do, on small networks in seconds."""

from bench.checking.report import CheckReport, CheckResult
from bench.checking.running import CHECKS, check

__all__ = ["CHECKS", "CheckReport", "CheckResult", "check"]
