"""A grid of film thumbnails as one component: dark films, captions with label states, mouse and keyboard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import streamlit as st

from cxrdash.charts.theme import STATE_COLOURS, STATE_GLYPHS

LEAST_TILE_PIXELS = 64
NARROW_GRID_PIXELS = 720  # below this width the grid drops columns rather than shrink its films


@dataclass(frozen=True)
class GridFilm:
    """One tile: a thumbnail or the problem in its place, and the text below it.

    ``token`` is what a click gives back and is never sent to the browser; ``states`` holds pairs of a
    finding and the label of its state ("positive", "uncertain", "negative", "blank", "not_assessed").
    ``alt`` describes the film to those who cannot see it.
    """

    token: str
    jpeg: bytes | None
    problem: str | None
    title: str = ""
    lines: tuple[str, ...] = ()
    states: tuple[tuple[str, str], ...] = ()
    alt: str = ""


def film_grid(
    films: Sequence[GridFilm], *, key: str, columns: int, show_captions: bool, presentation: bool
) -> str | None:
    """Show the films and return the token of the one just opened by click or Enter, else None.

    ``columns`` is the most there are; narrow screens show fewer. In presentation mode captions are
    large and titles, which hold identifiers, are not sent.
    """
    tiles = [_tile(film, show_captions=show_captions, with_title=not presentation) for film in films]
    result = _grid(
        key=key,
        data=_payload(films, tiles, columns=columns, presentation=presentation),
        on_open_change=lambda: None,
    )
    opened = result.open
    return next((film.token for film in films if reference(film.token) == opened), None) if opened else None


def reference(token: str) -> str:
    """Return what stands for a tile in the browser: tokens may hold identifiers.

    The grid tells the page of a tile opened by the event "cxrdash-open" with this ``ref`` in its detail,
    before the server hears of it, and puts the focus on the tile named by the event "cxrdash-focus".
    """
    return hashlib.blake2b(token.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _tile(film: GridFilm, *, show_captions: bool, with_title: bool) -> dict[str, Any]:
    text: dict[str, Any] = {"ref": reference(film.token), "alt": film.alt, "problem": film.problem or "no picture"}
    if show_captions:
        text |= {"lines": film.lines, "states": film.states}
        if with_title:
            text["title"] = film.title
    return text


def _payload(
    films: Sequence[GridFilm], tiles: Sequence[dict[str, Any]], *, columns: int, presentation: bool
) -> dict[str, Any]:
    """The pictures as one binary Arrow column, all text as JSON, and a signature of both."""
    columns = max(1, columns)
    head = {
        "tiles": tiles,
        "columns": columns,
        "least": max(LEAST_TILE_PIXELS, NARROW_GRID_PIXELS // columns),
        "presentation": presentation,
    }
    text = json.dumps(head)
    signature = hashlib.blake2b(text.encode(), digest_size=16)
    for film in films:
        signature.update(hashlib.blake2b(film.jpeg or b"", digest_size=16).digest())
    pictures = pa.table({"jpeg": pa.array([film.jpeg for film in films], pa.binary())})
    return {"text": text, "pictures": pictures, "signature": signature.hexdigest()}


HTML = """
<div class="films" role="grid" aria-description="Arrow keys move, Enter opens">
  <div class="row" role="row"></div>
</div>
"""

CSS = """
.films {
  --gap: 10px; --small: 0.75rem; padding: 4px;
  font-family: var(--st-font); color: var(--st-text-color);
}
.films.presentation { --gap: 14px; --small: 1.05rem; }
.row {
  display: grid; gap: calc(var(--gap) * 1.4) var(--gap);
  /* never more than --columns; the half pixel keeps rounding from losing one */
  grid-template-columns: repeat(auto-fill, minmax(min(100%, max(var(--least),
    (100% - (var(--columns) - 1) * var(--gap)) / var(--columns) - 0.5px)), 1fr));
}
.tile {
  min-width: 0; cursor: pointer; outline: none; font-size: var(--small); line-height: 1.35;
  scroll-margin: 4rem 0 1rem;  /* clear of the bar above the page */
}
.film {
  aspect-ratio: 1; background: #0b0b0c; border-radius: 3px; overflow: hidden;
  display: flex; align-items: center; justify-content: center;
}
.film img { width: 100%; height: 100%; object-fit: contain; display: block; }
.film.none {
  border: 1px dashed #8a8a8a; box-sizing: border-box; color: #d0d0d0; padding: 6px;
  text-align: center; overflow-wrap: anywhere; font-size: 0.75rem; line-height: 1.25;
  container-type: inline-size;
}
.why { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden; }
@container (max-width: 90px) { .why { font-size: 0.65rem; } }
.tile:hover .film { box-shadow: 0 0 0 2px var(--st-border-color); }
.tile:focus .film { box-shadow: 0 0 0 2px var(--st-background-color), 0 0 0 5px var(--st-primary-color); }
.title, .line { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.title { font-family: var(--st-code-font, monospace); font-size: 0.7rem; margin-top: 4px; }
.line { opacity: 0.8; }
.presentation .line { opacity: 1; }
.chips { display: flex; flex-wrap: wrap; gap: 2px 6px; margin-top: 2px; }
.chip { display: inline-flex; align-items: center; gap: 4px; min-width: 0; max-width: 100%; }
.chip span { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.chip b {
  flex: none; box-sizing: border-box; width: 1.2em; height: 1.2em; line-height: 1.2em; border-radius: 2px;
  text-align: center; font-weight: 700; color: #000;
}
""" + "".join(f".{state} b {{ background: {colour}; }}\n" for state, colour in STATE_COLOURS.items())
CSS += """
.uncertain b { background-image: repeating-linear-gradient(45deg, transparent 0 3px, #ffffff8c 3px 5px); }
.negative b { color: #fff; }
.not_assessed b { border: 1px solid currentColor; color: inherit; }
"""

JS = (
    f"const SYMBOLS = {json.dumps(STATE_GLYPHS)};\n"
    """
const SHOWN = new WeakMap();

function element(kind, name, text) {
  const made = document.createElement(kind);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function emptyFilm(tile) {
  const film = element("div", "film none");
  film.append(element("span", "why", tile.problem));
  film.title = tile.problem;
  film.setAttribute("role", "img");
  film.setAttribute("aria-label", [tile.alt, tile.problem].filter(Boolean).join(": "));
  return film;
}

function chip([finding, state]) {
  const known = Object.hasOwn(SYMBOLS, state);
  const made = element("span", "chip " + (known ? state : "not_assessed"));
  const word = state.replace("_", " ");
  made.title = finding + ": " + word;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", made.title);
  made.append(element("b", "", known ? SYMBOLS[state] : ""), element("span", "", finding));
  return made;
}

function caption(cell, tile) {
  if (tile.title) {
    const title = element("div", "title", tile.title);
    title.title = tile.title;
    cell.append(title);
  }
  for (const line of tile.lines || []) cell.append(element("div", "line", line));
  if ((tile.states || []).length) {
    const chips = element("div", "chips");
    chips.append(...tile.states.map(chip));
    cell.append(chips);
  }
}

function forget(shown) {
  shown.urls.forEach((url) => URL.revokeObjectURL(url));
  shown.urls = [];
}

function build(grid, shown, data) {
  const head = JSON.parse(data.text), jpegs = data.pictures.getChild("jpeg"), signature = data.signature;
  const row = grid.querySelector(".row"), hadFocus = row.contains(grid.getRootNode().activeElement);
  forget(shown);
  let ready = 0;
  const painted = () => { if (shown.signature === signature) grid.dataset.ready = String(++ready); };
  Object.assign(shown, { signature, current: 0 });
  grid.dataset.ready = "0";
  grid.classList.toggle("presentation", head.presentation);
  grid.style.setProperty("--columns", head.columns);
  grid.style.setProperty("--least", head.least + "px");
  grid.setAttribute("aria-label", head.tiles.length + (head.tiles.length === 1 ? " film" : " films"));
  row.replaceChildren(...head.tiles.map((tile, i) => {
    const cell = element("div", "tile"), bytes = jpegs.get(i);
    cell.setAttribute("role", "gridcell");
    cell.tabIndex = i ? -1 : 0;
    cell.dataset.ref = tile.ref;
    if (bytes) {
      const film = element("div", "film"), picture = new Image();
      const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
      shown.urls.push(url);
      picture.alt = tile.alt;
      picture.draggable = false;
      picture.src = url;
      const broken = () => film.replaceWith(emptyFilm({ ...tile, problem: "broken thumbnail" }));
      picture.decode().catch(broken).then(painted);
      film.append(picture);
      cell.append(film);
    } else {
      cell.append(emptyFilm(tile));
      queueMicrotask(painted);
    }
    caption(cell, tile);
    return cell;
  }));
  if (hadFocus) row.firstElementChild?.focus();
}

function columnCount(cells) {
  const next = cells.findIndex((cell) => cell.offsetTop > cells[0].offsetTop);
  return next < 0 ? cells.length : next;
}

function step(key, cells, at) {
  const across = columnCount(cells), last = cells.length - 1;
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last,
    ArrowDown: at + across, ArrowUp: at - across,
  }[key];
  return to === undefined ? undefined : to < 0 || to > last ? at : to;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const grid = parentElement.querySelector(".films");
  let shown = SHOWN.get(grid);
  if (!shown) SHOWN.set(grid, (shown = { signature: null, urls: [], current: 0 }));
  if (shown.signature !== data.signature) build(grid, shown, data);
  const cells = () => [...grid.querySelectorAll(".tile")];
  const move = (to) => {
    const all = cells();
    all[shown.current].tabIndex = -1;
    shown.current = to;
    all[to].tabIndex = 0;
    all[to].focus({ preventScroll: true });
    all[to].scrollIntoView({ block: "nearest" });
  };
  const open = (tile) => {
    window.dispatchEvent(new CustomEvent("cxrdash-open", { detail: { ref: tile.dataset.ref } }));
    setTriggerValue("open", tile.dataset.ref);
  };
  shown.focus?.abort();
  shown.focus = new AbortController();
  window.addEventListener("cxrdash-focus", ({ detail }) => {
    const at = cells().findIndex((tile) => tile.dataset.ref === detail.ref);
    if (at >= 0) move(at);
  }, { signal: shown.focus.signal });
  grid.onclick = (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    move(cells().indexOf(tile));
    open(tile);
  };
  grid.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest(".tile")) return;
    const all = cells(), at = all.indexOf(event.target.closest(".tile")), to = step(event.key, all, at);
    if (to !== undefined) move(to);
    else if (event.key === "Enter" && !event.repeat) open(all[at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return () => {
    forget(shown);
    shown.focus.abort();
  };
}
"""
)

_grid = st.components.v2.component("cxrdash_film_grid", html=HTML, css=CSS, js=JS)
