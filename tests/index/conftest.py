"""Fixtures of the index tests."""

from tests.datasets import real_nih

__all__ = ["real_nih"]
