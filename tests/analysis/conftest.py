"""Fixtures of the analysis tests."""

from tests.datasets import real_nih

__all__ = ["real_nih"]
