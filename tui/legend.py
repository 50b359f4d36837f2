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
    ("59≠63", "the answer, and the oracle's where that is another one"),
    ("V✓ V✗", "the largest V of a right solution and of a wrong one, from 0 to 1"),
    ("▁▄█", "how a figure is spread over the trees that pass; the colour is the share of right answers"),
    ("↑ ↓", "the order: smallest or largest first"),
    ("…", "cut to the width of the column"),
)

REPLAY: Legend = (
    ("○", "a node that is not expanded"),
    ("●", "an expanded node"),
    ("◆", "a finished node, not yet verified"),
    *VERDICTS,
    ("►", "the node that was selected last"),
    ("•", "a node that the event has changed"),
    ("#", "the number of a node, in the order in which nodes joined the tree"),
    ("V", "value of a node: after backups the mean of what lies below, from 0 to 1"),
    ("N", "how often a search has come to a node"),
    ("score", "what the value model said of the partial solution, before any backup"),
    ("+", "what exploration adds to V in a selection; the sum of both decides"),
    ("[+3]", "a folded node with three children"),
)
