"""The only Streamlit in the package: frame, cache, show, doors, components."""

from cxrdash.ui.controls import Frame, frame

__all__ = ["Frame", "frame"]
