"""Find out whether a chest X-ray dataset suits your study: the same numbers as the pages, from Python."""

__version__ = "0.1.0"
