"""A little SVG: panels with one scale each, curves, bars and marks. No more than the picture needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

INK, SOFT, GRID = "#1f2933", "#52606d", "#e4e7eb"
FONT = "font-family='Arial, Helvetica, DejaVu Sans, sans-serif'"


@dataclass(frozen=True, slots=True)
class Scale:
    """Values `low` to `high` onto pixels `start` to `end`; `log`: by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, kept inside."""
        low, high, value = (math.log(max(one, 1e-12)) if self.log else one for one in (self.low, self.high, value))
        share = 0.0 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
        return self.start + share * (self.end - self.start)

    def marks(self) -> list[float]:
        """Return a few round values."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            step = max(1, (last - first + 3) // 4)
            powers = [10.0**power for power in range(first, last + 1, step)]
            return [one for one in powers if self.low <= one <= self.high]
        rough = (self.high - self.low) / 5 or 1.0
        size = 10.0 ** math.floor(math.log10(rough))
        step_size = next(size * nice for nice in (1, 2, 5, 10) if size * nice >= rough)
        first = math.ceil(self.low / step_size)
        return [number * step_size for number in range(first, int(self.high / step_size + 1e-9) + 1)]


@dataclass(slots=True)
class Panel:
    """One frame with its scales; what is drawn is kept as text."""

    title: str
    x: Scale
    y: Scale
    parts: list[str] = field(default_factory=list)

    def frame(self, unit: str | None) -> None:
        """Draw the title, the grid and the scales; `unit` below the horizontal one, None: it is another panel's."""
        left, right = self.x.start, self.x.end
        self.text(left, self.y.end - 8, self.title, INK, weight=600)
        for value in self.y.marks():
            at = self.y(value)
            self.parts.append(f"<line x1='{left}' x2='{right}' y1='{at:.1f}' y2='{at:.1f}' stroke='{GRID}'/>")
            self.text(left - 6, at + 4, short(value), SOFT, anchor="end")
        for value in self.x.marks() if unit is not None else ():
            self.text(self.x(value), self.y.start + 16, short(value), SOFT, anchor="middle")
        if unit is not None:
            self.text(right, self.y.start + 32, unit, SOFT, anchor="end")

    def curve(self, x: Sequence[float], y: Sequence[float], colour: str, *, dashed: bool = False) -> None:
        """Draw a step curve: a value holds until the next."""
        points: list[str] = []
        for number, (at, value) in enumerate(zip(x, y, strict=True)):
            if number:
                points.append(f"{self.x(at):.1f},{self.y(y[number - 1]):.1f}")
            points.append(f"{self.x(at):.1f},{self.y(value):.1f}")
        dash = " stroke-dasharray='4 3'" if dashed else ""
        self.parts.append(
            f"<polyline fill='none' stroke='{colour}' stroke-width='1.8'{dash} points='{' '.join(points)}'/>"
        )

    def level(self, value: float, colour: str, words: str) -> None:
        """Draw a threshold with its name at the right."""
        at, right = self.y(value), self.x.end
        self.parts.append(
            f"<line x1='{self.x.start}' x2='{right}' y1='{at:.1f}' y2='{at:.1f}' stroke='{colour}' "
            "stroke-dasharray='5 4'/>"
        )
        self.text(right + 6, at + 4, words, colour)

    def moment(self, value: float, colour: str, words: str | None, *, before: bool = False) -> None:
        """Draw a vertical line at a moment, named at its top, after it or `before` it."""
        at = self.x(value)
        self.parts.append(
            f"<line x1='{at:.1f}' x2='{at:.1f}' y1='{self.y.start}' y2='{self.y.end}' stroke='{colour}'/>"
        )
        if words is not None:
            self.text(at + (-4 if before else 4), self.y.end + 11, words, colour, anchor="end" if before else "start")

    def bar(self, low: float, high: float, value: float, colour: str) -> None:
        """Draw one bar from the bottom."""
        left, right, top = self.x(low), self.x(high), self.y(value)
        width, height = max(1.0, right - left - 1), max(0.0, self.y.start - top)
        self.parts.append(
            f"<rect x='{left:.1f}' y='{top:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{colour}'/>"
        )

    def text(self, x: float, y: float, words: str, colour: str, *, anchor: str = "start", weight: int = 400) -> None:
        """Write words."""
        self.parts.append(
            f"<text x='{x:.1f}' y='{y:.1f}' fill='{colour}' font-size='12' font-weight='{weight}' "
            f"text-anchor='{anchor}' {FONT}>{escape(words)}</text>"
        )


def document(width: int, height: int, title: str, panels: Sequence[Panel]) -> str:
    """Return the whole file."""
    body = "\n".join(part for panel in panels for part in panel.parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img'>\n<title>{escape(title)}</title>\n<rect width='100%' height='100%' fill='white'/>\n"
        f"<text x='70' y='30' font-size='16' font-weight='700' fill='{INK}' {FONT}>{escape(title)}</text>\n"
        f"{body}\n</svg>\n"
    )


def short(value: float) -> str:
    """Write a value of a scale: 40k for 40 000."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
