"""Parts of the review page: which review, who reads, and the marking itself."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAuthError

from cxrdash.analysis.review_marks import of_dataset
from cxrdash.errors import CxrdashError
from cxrdash.reviews.events import FINISH, LONGEST_NAME, REOPEN, Event, finished, reader_name
from cxrdash.reviews.events import now as moment
from cxrdash.reviews.sessions import RATE, Session
from cxrdash.ui import cache as cached
from cxrdash.ui import show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.review_board import Sitting, board, question
from cxrdash.ui.text import plural, safe

QUESTION = "How often is the label wrong?"
NEW, MARK, RESULTS = "New review", "Mark", "Results"
VIEWS = (NEW, MARK, RESULTS)
CHOSEN = "rv_session"  # link parameter: the review that is open; the reader is never in the link
SIZES = (18, 32)


def view() -> str:
    """Draw the choice of what to do and return it."""
    chosen = st.segmented_control(
        "What to do", VIEWS, required=True, key="rv_view", bind="query-params", label_visibility="collapsed",
        default=None if "rv_view" in st.session_state else NEW,  # a button may have set it
    )  # fmt: skip
    return chosen or NEW


def sessions(now: Frame) -> list[Session]:
    """Return this dataset's reviews, the newest first."""
    return of_dataset(now.index, cached.reviews().sessions())[::-1]


def session(now: Frame) -> Session | None:
    """Return the review that the link or the selectbox names, the newest unless told."""
    known = {each.session_id: each for each in sessions(now)}
    asked = st.query_params.get(CHOSEN)
    if asked and asked not in known:
        st.warning(
            f"This link names review {safe(asked)}, which is not kept here. Bring it with `cxrdash review import FILE`."
        )
    if not known:
        st.info("No review of this dataset yet. Start one under New review.")
        return None
    ids = list(known)
    chosen = st.selectbox(
        "Review", ids, index=ids.index(asked) if asked in known else 0, key="_rv_session",
        format_func=lambda one: _name(known[one]), on_change=_choose, label_visibility="collapsed",
    )  # fmt: skip
    if chosen is None:
        return None
    st.query_params[CHOSEN] = chosen
    return known[chosen]


def _choose() -> None:
    st.query_params[CHOSEN] = st.session_state["_rv_session"]


def _name(one: Session) -> str:
    """A name that gives the label away only where it need not be hidden."""
    day, by = one.created_at[:10], f", {one.created_by}" if one.created_by else ""
    what = f"{one.finding}, {one.planned} films" if one.blind else one.title
    return f"{what} · {day}{by} · {one.session_id[:6]}"


def open_session(session_id: str) -> None:
    """Go to the marking of a review."""
    st.query_params[CHOSEN] = session_id
    st.session_state["_rv_session"] = session_id
    st.session_state["rv_view"] = MARK


def has_login() -> bool:
    """Whether the server asks people to log in ([auth] in .streamlit/secrets.toml), so that no name is typed."""
    return "is_logged_in" in st.user


def login_name() -> str:
    """Return the name of the login, with the address that tells two people of one name apart; '' without a login."""
    if not getattr(st.user, "is_logged_in", False):
        return ""
    name, address = (str(st.user.get(claim) or "").strip() for claim in ("name", "email"))
    both = f"{name} ({address})" if name and address else name or address
    told = both if 0 < len(both) <= LONGEST_NAME else address or name or str(st.user.get("sub") or "")
    return reader_name(told[:LONGEST_NAME])


def _log_in() -> None:
    try:
        st.login()
    except StreamlitAuthError as fault:
        hint = 'See [auth] in .streamlit/secrets.toml, and run: pip install "streamlit[auth]"'
        show_fault(CxrdashError(f"This server cannot offer the login that it asks for: {fault}", hint))


def reader() -> str:
    """Draw who reads and return it: the name of the login, else what was typed; '' where it is not known yet."""
    if has_login():
        name = login_name()
        if name:
            st.text(name)  # not Markdown, which would make a link of the address
        else:
            st.button("Log in", on_click=_log_in, width="stretch")
        return name
    typed = st.text_input(
        "Your name", key="_rv_reader", persist_state="session", placeholder="Your name or initials",
        max_chars=80, label_visibility="collapsed",
        help="Stands with every mark. It is not part of the link: a colleague who opens it marks under their own name.",
    )  # fmt: skip
    try:
        return reader_name(typed) if typed.strip() else ""
    except CxrdashError as fault:
        show_fault(fault)
        return ""


def mark(now: Frame, top: st.delta_generator.DeltaGenerator) -> None:
    """Draw the marking of a review."""
    chosen, who, size = st.columns([5, 2.4, 1.5], vertical_alignment="center")
    with chosen:
        review = session(now)
    if review is None:
        with top:
            show.headline(QUESTION, "No review of this dataset yet")
        return
    with who:
        name = reader()
    many = size.segmented_control(
        "Films at once", SIZES, default=32, required=True, key="rv_n", bind="query-params", label_visibility="collapsed"
    )
    with top:
        show.headline(QUESTION, question(review))
    if review.blind:
        _hide_filters()
    store = cached.reviews()
    if store.refusal:
        st.warning(f"Marks cannot be kept: {safe(store.refusal)}")
    elif not name:
        how = "Type your name or initials at the top right to begin."
        if has_login():  # which leads back to the first page
            how = "Log in at the top right, then open the link of this review again."
        st.info(f"{how} Every mark is kept with the reader's name.")
    else:
        _sit(now, Sitting(review, name, store), many or 32)


def _sit(now: Frame, sitting: Sitting, size: int) -> None:
    """The board, and below it what ends the sitting."""
    extended = bool(st.session_state.get(f"_rv_more_{sitting.session.session_id}"))
    board(now, sitting, size=size, extended=extended)
    _below(sitting, extended=extended)
    absent = sum(film.path is None for film in cached.films_named(now.index, _planned(sitting.session)).values())
    if absent:
        st.caption(
            f"{plural(absent, 'film')} of this sample not on disk; mark them unreadable (5), or start a review of "
            "the images on disk."
        )


def _planned(review: Session) -> tuple[str, ...]:
    return review.image_ids[: review.planned]


def _below(sitting: Sitting, *, extended: bool) -> None:
    review, events = sitting.session, sitting.store.events(sitting.session.session_id, sitting.reader)
    done = (review.session_id, sitting.reader) in finished(events)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "1–5 judge · arrows move · F findings · N note · 6 identifier visible · U undo · Enter one film large: "
            "drag for window and level, wheel zoom, I invert, R rotate, 0 reset"
        )
        if len(review.items) > review.planned and review.purpose == RATE:
            st.toggle(
                f"{len(review.items) - review.planned} more films", value=extended,
                key=f"_rv_more_{review.session_id}", persist_state="session",
                help="The sample goes on in random order, for a narrower interval.",
            )  # fmt: skip
        if done:
            st.button("Resume", on_click=_say, args=(sitting, REOPEN))
        else:
            st.button(
                "I am finished", on_click=_say, args=(sitting, FINISH),
                help="Opens the other readers' verdicts to you. You may resume.",
            )  # fmt: skip
        st.popover("Share").code(st.context.url or "", language=None, wrap_lines=True)


def _say(sitting: Sitting, kind: str) -> None:
    import secrets

    from cxrdash import __version__

    act = Event(
        event_id=secrets.token_hex(12), session_id=sitting.session.session_id, reader=sitting.reader, place=0,
        kind=kind, decided_at=moment(), app_version=__version__,
    )  # fmt: skip
    try:
        sitting.store.append(act)
    except CxrdashError as fault:
        show_fault(fault)


def _hide_filters() -> None:
    """In a blind review nothing on the screen says what was filtered for."""
    st.html(
        "<style>[data-testid='stSidebar'], [data-testid='stExpandSidebarButton'] { display: none; }"
        "[data-testid='stMarkdown']:has([aria-label='filter_alt icon']) { display: none; }</style>"
    )
