"""Starts cxrdash: ``streamlit run app.py``.

The file plays two parts. At server start it declares the app, whose script lies in a folder without a
``pages/`` beside it (Streamlit would otherwise run a deep-linked page without the frame); in a script
run it draws the app.
"""

import threading
from importlib import import_module
from pathlib import Path

import streamlit as st
from streamlit import runtime

if runtime.exists():
    from cxrdash.ui import shell

    shell.main()
else:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    # The first page needs these; they load while the browser is still fetching the app.
    ahead = ("numpy", "duckdb", "pyarrow", "pandas")
    threading.Thread(target=lambda: [import_module(name) for name in ahead], daemon=True).start()

    def film(request: Request) -> Response:
        """Answer for one film; imported late, because the app's caches want the server to be there first."""
        from cxrdash.ui.routes import answer

        return answer(request)

    # The second for a server under a path of its own, told of it or hidden behind a proxy.
    PLACES = ("/cxr-film/{place:path}", "/{base:path}/cxr-film/{place:path}")
    app = st.App(
        Path(__file__).parent / "cxrdash" / "ui" / "main.py",
        routes=[Route(place, film) for place in PLACES],
    )
