r"""One notation for mathematics: Unicode, plain text and LaTeX that mean the same are written alike.

What is treated here is how an answer is written, never what it is: no unit, no name and no digit is lost.
"""

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")

FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_GREEK = "αβγδεζηθικλνξρστφχψωΓΔΘΛΞΠΣΦΨ"


def _command(letter: str) -> str:
    """The LaTeX command of a Greek letter, by its name in Unicode."""
    name = unicodedata.name(letter).rpartition(" ")[2].lower().replace("lamda", "lambda")
    return rf"\{name.capitalize() if letter.isupper() else name} "


_CHARACTERS = {
    **FULL_WIDTH,
    **{ord(letter): _command(letter) for letter in _GREEK},
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u205f\u3000"), r"\,"),
    **dict.fromkeys(map(ord, "\u200b\u2060\ufeff"), ""),
    **dict.fromkeys(map(ord, "“”"), '"'),
    **dict.fromkeys(map(ord, "\u2018\u2019\u2032"), "'"),
    **dict.fromkeys(map(ord, "⋅∙"), r"\cdot "),
    ord("\u00d7"): r"\times ",
    ord("÷"): r"\div ",
    ord("π"): r"\pi ",
    ord("∞"): r"\infty ",
    ord("≤"): r"\le ",
    ord("⩽"): r"\le ",
    ord("≥"): r"\ge ",
    ord("⩾"): r"\ge ",
    ord("≠"): r"\ne ",
    ord("±"): r"\pm ",
    ord("≈"): r"\approx ",
    ord("\u222a"): r"\cup ",
    ord("∩"): r"\cap ",
    ord("∈"): r"\in ",
    ord("∅"): r"\emptyset ",
    ord("…"): r"\ldots ",
    ord("½"): r"\frac{1}{2}",
    ord("⅓"): r"\frac{1}{3}",
    ord("⅔"): r"\frac{2}{3}",
    ord("¼"): r"\frac{1}{4}",
    ord("¾"): r"\frac{3}{4}",
    ord("⟨"): r"\langle ",
    ord("⟩"): r"\rangle ",
}

_UNICODE_ROOT = re.compile(r"√ ?(?:\(([^()]*)\)|([0-9]+|[A-Za-z]))")
_POWER = re.compile(r"(?<=[\w)}\]]) ?\*\* ?(?=[\w({+-])")

_SYNONYMS = tuple(
    (re.compile(rf"\\(?:{names})(?![A-Za-z])"), replacement)
    for names, replacement in (
        ("leq|leqslant", r"\\le "),
        ("geq|geqslant", r"\\ge "),
        ("neq", r"\\ne "),
        ("varnothing", r"\\emptyset "),
        ("lbrace", r"\\{"),
        ("rbrace", r"\\}"),
        ("lbrack", "["),
        ("rbrack", "]"),
        ("lparen", "("),
        ("rparen", ")"),
        ("vert|lvert|rvert", "|"),
        ("dots|cdots", r"\\ldots "),
        ("varepsilon", r"\\epsilon "),
        ("varphi", r"\\phi "),
        ("colon", ":"),
        ("degree", r"^\\circ "),
        ("lt", "<"),
        ("gt", ">"),
    )
)
_EMPTY = re.compile(r"\\(?:h|v)?phantom\s*\{[^{}]*\}|\\(?:hspace|vspace|label|tag|color)\*?\s*\{[^{}]*\}")
_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|scriptstyle|limits|nolimits|[bB]igg?[lr]?|mathstrut|strut"
    r"|tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge|bf|rm|it|sf|tt|em|boldmath"
    r"|noindent|centering|hfill|newline)(?![A-Za-z])"
)
_SPACE = re.compile(r"(?<!\\)\\[,;:> ]|\\q?quad(?![A-Za-z])|\\(?:thinspace|enspace|space)(?![A-Za-z])|[~\s]")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]|\\?\$|[€£¥₹]")

_GROUPED = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?!,[0-9])")
_SPACED = re.compile(r"(?<![0-9.,] )(?<![0-9.,])[0-9]{1,3}(?:(?:\\[,;]|~) ?[0-9]{3})+(?![0-9])")
_PLAIN_SPACED = re.compile(r"([+-]?[0-9]{1,3}(?: [0-9]{3})+(?:\.[0-9]+)?)")
_TIGHT_COMMA = re.compile(r"\{,\}|, ?\\!\s*|\\!")
_BRACKET = re.compile(r"\\\{|\\\}|[()\[\]]")


def unify_characters(text: str) -> str:
    r"""Letters, signs and digits of Unicode as LaTeX or ASCII of the same meaning: ``√3`` is ``\sqrt{3}``."""
    text = _RAISED.sub(lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _LOWERED.sub(lambda found: f"_{{{found[0].translate(_SUBSCRIPTS)}}}", text)
    text = _UNICODE_ROOT.sub(lambda found: rf"\sqrt{{{found[1] or found[2]}}}", text.translate(_CHARACTERS))
    return _POWER.sub("^", text)


def unify_commands(text: str) -> str:
    """One name for each command; commands for layout, empty space and font size are left out."""
    text = _LAYOUT.sub("", without_empty_space(text))
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    return text


def without_empty_space(text: str) -> str:
    r"""Without ``\phantom{…}``, ``\hspace{…}`` and their like, which show nothing."""
    return _EMPTY.sub("", text)


def join_thousands(text: str) -> str:
    r"""``1,600``, ``1{,}600``, ``1\,600`` and ``1 600`` are 1600; within brackets commas separate items."""
    text = _TIGHT_COMMA.sub(lambda found: "" if found[0] == r"\!" else ",", text)
    text = _SPACED.sub(lambda found: re.sub(r"[^0-9]", "", found[0]), text)
    if _PLAIN_SPACED.fullmatch(text):
        return text.replace(" ", "")
    if "," not in text:
        return text
    pieces, depth, end = [], 0, 0
    for bracket in _BRACKET.finditer(text):
        pieces.append(_joined(text[end : bracket.start()], depth))
        pieces.append(bracket[0])
        depth = max(0, depth + (1 if bracket[0] in ("(", "[", r"\{") else -1))
        end = bracket.end()
    return "".join([*pieces, _joined(text[end:], depth)])


def _joined(piece: str, depth: int) -> str:
    return piece if depth else _GROUPED.sub(lambda found: found[0].replace(",", ""), piece)


def plain_spaces(text: str) -> str:
    """Every kind of space as one space; none at the ends."""
    return " ".join(_SPACE.sub(" ", text).split())


def without_delimiters(text: str) -> str:
    r"""``$…$``, ``\(…\)``, ``\[…\]`` and signs of currency are taken off."""
    return _DELIMITER.sub("", text)
