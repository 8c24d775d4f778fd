"""Pictures for the report: a chart of lines, and a flame graph; SVG without scripts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 40, 50, 55
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df")
_FONT = 'font-family="sans-serif" font-size="12"'
# Frames narrower than this many pixels are left out.
_FRAME_WIDTH_MIN = 2.0
_FRAME_HEIGHT = 17
_FLAME_WIDTH = 1_200
_COMMON = 0.97


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {_FONT}>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


class _Axis:
    """Values to pixels.

    Args:
        log: equal factors are equally far apart.
    """

    def __init__(self, values: Sequence[float], start: float, end: float, *, log: bool) -> None:
        self.log = log
        low, high = min(values), max(values)
        self.low, self.high = (math.log10(low), math.log10(high)) if log else (0.0, high * 1.1)
        if self.high == self.low:
            self.high += 1
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        place = math.log10(value) if self.log else value
        return self._start + (place - self.low) / (self.high - self.low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Return round values to mark."""
        if self.log:
            return [10.0**power for power in range(math.floor(self.low), math.ceil(self.high) + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        step = step if self.high / step >= 4 else step / 4 if self.high / step < 2 else step / 2
        return [step * count for count in range(int(self.high / step) + 1)]


def chart(title: str, x: str, y: str, lines: Mapping[str, Points], *, log_x: bool = True, log_y: bool = False) -> str:
    """Return a chart.

    Args:
        x: what is to the right, with its unit; `y` upwards.
        lines: points by name, in order.
    """
    points = [point for line in lines.values() for point in line]
    across = _Axis([point[0] for point in points], _LEFT, _WIDTH - _RIGHT, log=log_x)
    up = _Axis([point[1] for point in points], _HEIGHT - _BOTTOM, _TOP, log=log_y)
    parts = [_text(_WIDTH / 2, 22, title, more='font-weight="bold"')]
    parts += [_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x)]
    parts += [_text(16, _HEIGHT / 2, y, more=f'transform="rotate(-90 16 {_HEIGHT / 2:g})"')]
    for value in up.ticks():
        if _TOP - 1 <= up.at(value) <= _HEIGHT - _BOTTOM + 1:
            level = up.at(value)
            parts.append(f'<path d="M{_LEFT} {level:.1f}H{_WIDTH - _RIGHT}" stroke="#d0d7de"/>')
            parts.append(_text(_LEFT - 6, level + 4, f"{value:,.6g}", "end"))
    for value in sorted({point[0] for point in points}):
        parts.append(_text(across.at(value), _HEIGHT - _BOTTOM + 18, f"{value:,.6g}"))
    for number, (name, line) in enumerate(lines.items()):
        parts += _line(name, [(across.at(a), up.at(b)) for a, b in line], number)
    return _svg(_WIDTH, _HEIGHT, parts)


def _line(name: str, points: Points, number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    return [*parts, _text(_LEFT + 8, _TOP - 8 + 16 * number, name, "start", f'fill="{colour}"')]


class _Frame:
    def __init__(self) -> None:
        self.samples = 0
        self.called: dict[str, _Frame] = {}


def flame(title: str, stacks: Mapping[tuple[str, ...], int]) -> str:
    """Return a flame graph: as wide as a function and all it called took, callers below what they called.

    Args:
        stacks: samples by stack, outermost first.
    """
    root = _Frame()
    for stack, samples in stacks.items():
        root.samples += samples
        frame = root
        for name in stack:
            frame = frame.called.setdefault(name, _Frame())
            frame.samples += samples
    # Callers that nearly all have in common say nothing.
    while len(root.called) and max(found.samples for found in root.called.values()) > _COMMON * root.samples:
        root = max(root.called.values(), key=lambda found: found.samples)
    boxes: list[tuple[float, int, float, str, int]] = []
    _boxes(root, 0.0, 0, _FLAME_WIDTH / max(1, root.samples), boxes)
    depth = 1 + max((level for _, level, *_ in boxes), default=0)
    height = depth * _FRAME_HEIGHT + 40
    parts = [_text(_FLAME_WIDTH / 2, 20, title, more='font-weight="bold"')]
    for x, level, width, name, samples in boxes:
        y = height - (level + 1) * _FRAME_HEIGHT
        share = f"{name}: {samples / root.samples:.1%}"
        shade = 110 + sum(map(ord, name)) % 110
        shown = name[: int(width / 6.5)] if width > 30 else ""
        size = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_FRAME_HEIGHT - 1}"'
        box = f'<rect {size} fill="#ff{shade:02x}55"/>'
        label = _text(x + 3, y + 12, shown, "start", _SMALL) if shown else ""
        parts.append(f"<g><title>{escape(share)}</title>{box}{label}</g>")
    return _svg(_FLAME_WIDTH, height, parts)


_SMALL = 'font-size="10"'


def _boxes(frame: _Frame, x: float, level: int, unit: float, boxes: list[Any]) -> None:
    for name, called in sorted(frame.called.items()):
        width = called.samples * unit
        if width >= _FRAME_WIDTH_MIN:
            boxes.append((x, level, width, name, called.samples))
            _boxes(called, x, level + 1, unit, boxes)
        x += width
