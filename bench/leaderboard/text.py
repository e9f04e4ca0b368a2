"""How numbers and names stand in tables of every format."""

import re
from html import escape as escape_html
from math import isfinite

from bench.visible import visible

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "†": r"\textdagger{}",
    **{char: rf"\{char}" for char in "&%$#_{}"},
}


def fraction(value: float) -> str:
    """Three decimals, without the zero before the point."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def bounds(low: float, high: float, form: str = ".4f") -> str:
    """An interval beside a value of four decimals; a dash where there is none."""
    return f"{low:{form}} to {high:{form}}" if isfinite(low) else "–"


def amount(value: float) -> str:
    """Three digits or the whole number; never 0 for what is not."""
    if value >= 99.95:
        return f"{value:,.0f}"
    if 0 < value < 0.005:
        return "<0.01"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def count(value: float) -> str:
    """A whole number as such; a mean of several, or a rate, in three digits."""
    return f"{value:,.0f}" if value == round(value) else amount(value)


def paragraphs(text: str) -> list[str]:
    """The parts of a text between empty lines, each in one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    marked = re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", escape_html(visible(" ".join(text.split())), quote=False))
    return marked.replace("\\|", "&#124;")


def latex(text: str) -> str:
    """Text that LaTeX shows as it is."""
    return "".join(_LATEX.get(char, char) for char in visible(" ".join(text.split())))
