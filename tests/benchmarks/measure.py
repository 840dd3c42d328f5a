"""Medians over interleaved repeats, the table of goals, and facts of the machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

Call = Callable[[], object]


@dataclass(frozen=True)
class Result:
    """One line of the table. ``met`` is None where the line has no goal and stands for comparison only."""

    goal: str
    what: str
    measured: str
    wanted: str
    met: bool | None


def side_by_side(calls: Mapping[str, Call], *, repeats: int = 7) -> dict[str, float]:
    """Return the median seconds of each call; every round runs all of them, so drifts hit all alike."""
    for call in calls.values():
        call()
    return cold_side_by_side(calls, repeats=repeats)


def processor_seconds(calls: Mapping[str, Call], *, repeats: int) -> dict[str, float]:
    """Return the median processor seconds of each call, over all its threads: what a busy machine cannot stretch."""
    return _medians(calls, repeats, time.process_time)


def cold_side_by_side(calls: Mapping[str, Call], *, repeats: int) -> dict[str, float]:
    """As ``side_by_side`` without the round that warms up (for calls of many seconds)."""
    return _medians(calls, repeats, time.perf_counter)


def _medians(calls: Mapping[str, Call], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            times[name].append(clock() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def at_most(goal: str, what: str, seconds: float, bare: float, *, times: float, plus: float = 0.0) -> Result:
    """Judge a time against ``times`` the bare one plus ``plus`` seconds."""
    wanted = f"<= {times:g}x" + (f" + {plus * 1e3:.0f} ms" if plus else "")
    return Result(goal, what, _ratio(seconds, bare), wanted, seconds <= times * bare + plus)


def faster(goal: str, what: str, seconds: float, rival: float, *, times: float) -> Result:
    """Judge how many times faster than a rival something is."""
    measured = f"{rival / seconds:6.1f}x faster ({_ms(seconds)} against {_ms(rival)})"
    return Result(goal, what, measured, f">= {times:g}x" if times else "-", rival >= times * seconds if times else None)


def compared(goal: str, what: str, seconds: float, bare: float) -> Result:
    """State a ratio that has no goal."""
    return Result(goal, what, _ratio(seconds, bare), "-", None)


def limited(goal: str, what: str, value: float, limit: float, unit: str) -> Result:
    """Judge a value against a limit in the same unit."""
    return Result(goal, what, f"{value:6.2f} {unit}", f"<= {limit:g} {unit}", value <= limit)


def _ratio(seconds: float, bare: float) -> str:
    return f"{seconds / bare:6.1f}x ({_ms(seconds)} against {_ms(bare)})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def print_results(title: str, results: Iterable[Result]) -> None:
    """Print lines of goal, measured ratio, goal and whether it is met."""
    print(f"\n{title}")
    for line in results:
        verdict = {True: "met", False: "missed", None: ""}[line.met]
        print(f"{line.goal:<3} {line.what:<50} {line.measured:<44} {line.wanted:<15} {verdict}", flush=True)


def machine_facts() -> str:
    """Return processors, memory, load and versions in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pandas", "numpy", "streamlit"))
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} processors ({_processor()}), {memory:.0f} GB, load {load:.1f}, "
        f"{platform.system()}, Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
