"""Starts cxrdash: ``streamlit run app.py``.

The file plays two parts. At server start it declares the app, whose script lies in a folder without a
``pages/`` beside it (Streamlit would otherwise run a deep-linked page without the frame); in a script
run it draws the app.
"""

from pathlib import Path

import streamlit as st
from streamlit import runtime

if runtime.exists():
    from cxrdash.ui import shell

    shell.main()
else:
    app = st.App(Path(__file__).parent / "cxrdash" / "ui" / "main.py")
