"""A synthetic dataset to try cxrdash on: drawn films, imitated label structure, planted faults."""

from cxrdash.demo.write import is_current, write_demo

__all__ = ["is_current", "write_demo"]
