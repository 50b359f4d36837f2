"""What signs on the screens mean; each screen names its own, and the help shows them."""

from __future__ import annotations

Legend = tuple[tuple[str, str], ...]
"""Signs and their meanings, in plain words."""

VERDICTS: Legend = (
    ("✓", "correct: the answer is that of the oracle"),
    ("✗", "wrong: the answer is another one"),
    ("·", "not verified: there is no oracle answer, or it was not compared"),
)

RUNS: Legend = (
    ("→", "accuracy on held-out problems after the first and after the last iteration"),
    ("( to )", "95 % interval of the last accuracy"),
    ("-", "not known, or none"),
    ("k M G", "thousands, millions, thousand millions"),
)

TREES: Legend = (
    *VERDICTS,
    ("↑ ↓", "the order: smallest or largest first"),
    ("…", "cut to the width of the column"),
)
