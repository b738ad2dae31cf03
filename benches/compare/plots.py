"""Bar charts as SVG, written by hand: a chart is a dozen rectangles."""

from html import escape

from report import OURS, OURS_INFO, PEER, TITLES, per_idle, shown

COLOURS = {
    "floor": "#9aa5b1", OURS: "#1f77b4", PEER: "#e07b39", "mailin-embedded": "#5a9e6f", "aiosmtpd": "#a06cb4",
}
WIDTH = 760
LABEL_WIDTH = 130
BAR_HEIGHT = 16
GROUP_GAP = 34
NUMBER_WIDTH = 70
MARGIN = 16


def draw(results, folder):
    """Writes every chart of `results`, the medians by server and measure, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    servers = {name: measured for name, measured in results.items() if name != OURS_INFO}

    def group(title, number):
        return title, [(name, value) for name, measured in servers.items() if (value := number(measured)) is not None]

    small = [case for case in TITLES if case != "large"]
    charts = {
        "cpu": ("Server CPU a message of 1 KiB, µs (less is better)",
                [group(TITLES[case], lambda of: of.get(f"{case}.cpu_us")) for case in small]),
        "throughput": ("Messages of 1 KiB a second, server on one processor (more is better)",
                       [group(TITLES[case], lambda of: of.get(f"{case}.per_second")) for case in small]),
        "large": ("Messages of 10 MiB, MB/s (more is better)",
                  [group(TITLES["large"], lambda of: of.get("large.megabytes_per_second"))]),
        "idle": ("Resident memory an idle session, bytes (less is better)",
                 [group(f"{count:,} sessions", lambda of: per_idle(of, count)) for count in (1000, 10000)]),
    }
    for name, (title, groups) in charts.items():
        (folder / f"{name}.svg").write_text(bars(title, groups))


def bars(title, groups):
    """A chart of horizontal bars: groups of (title, [(server, number)]), each with a scale of its own."""
    parts, y = [], MARGIN
    parts.append(text(MARGIN, y + 12, title, weight="bold", size=15))
    y += 20
    room = WIDTH - 2 * MARGIN - LABEL_WIDTH - NUMBER_WIDTH
    for group_title, numbers in groups:
        largest = max((number for _, number in numbers), default=0) or 1
        y += GROUP_GAP
        parts.append(text(MARGIN, y - 8, group_title, weight="bold"))
        for name, number in numbers:
            width = max(number / largest * room, 1)
            x = MARGIN + LABEL_WIDTH
            parts.append(text(x - 8, y + 12, name, anchor="end"))
            parts.append(
                f'<rect x="{x}" y="{y + 1}" width="{width:.1f}" height="{BAR_HEIGHT - 2}" '
                f'fill="{COLOURS.get(name, "#444")}"/>'
            )
            parts.append(text(x + width + 6, y + 12, shown(number)))
            y += BAR_HEIGHT
    height = y + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" fill="#222">\n'
        # A page may be dark, the letters are not.
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def text(x, y, words, anchor="start", weight="normal", size=12):
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )
