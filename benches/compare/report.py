"""Tables in Markdown, and what was aimed at."""

from dataclasses import dataclass
from typing import Callable

OURS = "mailoop"
OURS_INFO = "mailoop, log level info"
PEER = "smtp-sink"
KIB = 1024
MIB = 1024 * KIB

TITLES = {
    "connection": "one message a connection, 100 sessions",
    "kept": "kept, 100 sessions",
    "kept1000": "kept, 1,000 sessions",
    "pipelined": "kept and pipelined, 100 sessions",
    "large": "10 MiB messages, 10 sessions",
}


@dataclass
class Target:
    what: str
    unit: str
    # The numbers that are compared; `None` where it was not measured.
    ours: float | None
    # What the target is a multiple of, if it is one: of which server or state, and its number.
    beside: tuple | None
    limit: float
    at_least: bool = False

    def value(self):
        """The number the limit is for."""
        if self.ours is None or self.beside is None:
            return self.ours
        return self.ours / self.beside[1] if self.beside[1] else None

    def verdict(self):
        value = self.value()
        if value is None:
            return "not measured"
        return "ok" if (value >= self.limit if self.at_least else value <= self.limit) else "short"

    def row(self):
        sign = "≥" if self.at_least else "≤"
        number = f"{self.limit:g} {'×' if self.beside else self.unit}"
        beside = f"{shown(self.beside[1])} {self.unit} ({self.beside[0]})" if self.beside else ""
        ratio = f"{self.value():.2f} ×" if self.beside and self.value() is not None else ""
        return [self.what, f"{shown(self.ours)} {self.unit}", beside, ratio, f"{sign} {number}", self.verdict()]


def targets(results):
    """What mailoop has to reach; `results` are medians by server and measure."""
    ours, peer, info = (results.get(name, {}) for name in (OURS, PEER, OURS_INFO))
    found = [
        Target(
            f"CPU a message, {TITLES[case]}", "µs",
            ours.get(f"{case}.cpu_us"), (PEER, peer.get(f"{case}.cpu_us")), limit,
        )
        for case, limit in (("connection", 0.65), ("kept", 0.55), ("kept1000", 0.45), ("pipelined", 0.50))
    ]
    large = "large.megabytes_per_second"
    half = [ours.get(f"half_load.{percentile}_ms") for percentile in ("p99", "p50")]
    calls = ours.get("system_calls")
    return found + [
        Target(TITLES["large"], "MB/s", ours.get(large), (PEER, peer.get(large)), 8, at_least=True),
        Target("system calls a message, kept, one session", "", calls, None, 12.5),
        Target("of these epoll_ctl", "", ours.get("epoll_ctl"), None, 0.01),
        Target("resident memory an idle session, 10,000 of them", "bytes", per_idle(ours, 10000), None, 512),
        Target("resident memory at start", "MiB", in_mib(ours.get("idle0.rss")), None, 4),
        Target("start to first greeting", "ms", ours.get("start_ms"), None, 20),
        Target("program, all features", "MiB", in_mib(ours.get("program")), None, 4),
        Target("program, `--no-default-features`", "MiB", in_mib(ours.get("program_least")), None, 1.5),
        Target(
            f"CPU a message, {TITLES['kept']}, at `--log-level info`", "µs",
            info.get("kept.cpu_us"), ("at warn", ours.get("kept.cpu_us")), 1.15,
        ),
        Target("p99 at half load", "ms", half[0], ("p50", half[1]), 4),
    ]


def in_mib(octets):
    return None if octets is None else octets / MIB


def per_idle(measured, count, kind="rss"):
    """Bytes an idle session, of so many."""
    start, end = measured.get(f"idle0.{kind}"), measured.get(f"idle{count}.{kind}")
    sessions = measured.get(f"idle{count}.sessions")
    return (end - start) / sessions if start is not None and sessions else None


def shown(number, suffix=""):
    """A number with as many digits as one reads."""
    if number is None:
        return "–"
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f}{suffix}"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.strip() for cell in line) + " |" for line in lines) + "\n"


def all_targets(results):
    header = ["", "mailoop", "beside", "ratio", "target", ""]
    return table(header, [target.row() for target in targets(results)])


def all_measures(results):
    """Every server's numbers, and behind each its ratio to the one that is compared with."""
    names = [name for name in results if name != OURS_INFO]
    peer = results.get(PEER, {})

    def row(what, number):
        cells = []
        for name in names:
            value, base = number(results[name]), number(peer)
            ratio = f" ({value / base:.3g})" if value and base and value / base > 0 and name != PEER else ""
            cells.append(shown(value) + ratio)
        return [what, *cells]

    rows = []
    for case, title in TITLES.items():
        if case == "large":
            rows.append(row(f"{title}: MB/s", lambda of: of.get("large.megabytes_per_second")))
            rows.append(row("MB for a second of CPU", lambda of: of.get("large.megabytes_per_cpu_second")))
            continue
        rows.append(row(f"{title}: CPU, µs", lambda of: of.get(f"{case}.cpu_us")))
        rows.append(row("of it in the kernel", lambda of: of.get(f"{case}.kernel_us")))
        rows.append(row("messages/s", lambda of: of.get(f"{case}.per_second")))
        rows.append(row("p50, ms", lambda of: of.get(f"{case}.p50_ms")))
        rows.append(row("p99, ms", lambda of: of.get(f"{case}.p99_ms")))
    rows.append(row("half load, 1/s", lambda of: of.get("half_load.rate")))
    rows.append(row("p50, ms", lambda of: of.get("half_load.p50_ms")))
    rows.append(row("p99, ms", lambda of: of.get("half_load.p99_ms")))
    rows.append(row("system calls a message", lambda of: of.get("system_calls")))
    rows.append(row("resident at start, MiB", lambda of: in_mib(of.get("idle0.rss"))))
    rows.append(row("proportional at start, MiB", lambda of: in_mib(of.get("idle0.pss"))))
    for count in (1000, 10000):
        sessions = int(peer.get(f"idle{count}.sessions", count))
        rows.append(row(f"resident with {sessions:,} idle, MiB", lambda of: in_mib(of.get(f"idle{count}.rss"))))
        rows.append(row("an idle session, bytes", lambda of: per_idle(of, count)))
    rows.append(row("the kernel's share, both ends, bytes", lambda of: of.get("kernel_per_idle")))
    rows.append(row("start to first greeting, ms", lambda of: of.get("start_ms")))
    rows.append(row("program, KiB", lambda of: of["program"] / KIB if "program" in of else None))
    return table(["", *names], rows)
