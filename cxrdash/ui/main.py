"""The script Streamlit runs for every page; see app.py."""

from cxrdash.ui import shell

shell.main()
