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

RUN: Legend = (
    ("→", "accuracy on held-out problems after the first and after the last iteration"),
    ("( to )", "95 % interval"),
    ("a b c", "points of a curve; the lines beside the chart say whose"),
    ("┼ │", "the 95 % interval of the points of the first curve"),
    ("█ ▓ ▒ ░", "time of phases by kind: search, train, evaluate, other"),
    ("✓", "a checkpoint from which the next iteration goes on"),
    ("←", "the checkpoint that another one was trained from"),
    ("control", "log-probability of the steps alone: what a value model has to beat"),
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
    ("◆", "a finished node whose answer has no verdict"),
    ("✓", "finished and right"),
    ("✗", "finished and wrong"),
    ("►", "the node that the round selected; the way to it is bold"),
    ("•", "a node that the last event is about"),
    ("+#", "X-ray: a right solution was found from here"),
    ("!#", "X-ray: first mistake; the way to a right solution was left, only wrong ones were found below"),
    ("[+3]", "a folded node with three children"),
    ("⋯3", "a deep row: three more levels of branches lie to its left"),
    ("first columns", "V as a bar and as a number, and N; the samples instead of N where nothing is visited"),
    ("V", "value of a node: after backups the mean of what lies below, from 0 to 1"),
    ("N", "how often a search has come to a node"),
    ("score", "what the value model said of the partial solution, before any backup"),
    ("█ ▒", "in a selection: V, and what exploration adds to it; the sum of both decides"),
    ("*", "in a selection: the bonus of a child without a visit"),
    ("▸", "the child that was chosen"),
    ("✕", "a child that took no part in the comparison, and why"),
    ("q · gain", "in a posterior search: the chance that a child is right, times what a step below is worth"),
    ("u", "in a posterior search: the chance that the right next step was not drawn yet"),
    ("╷ · ▴", "events: a selection, a judgement, a backup"),
    ("▫ ~ ▪", "events: values, a rollout, steps that joined"),
    ("◇ ■", "events: verdicts, the end of the search"),
    ("△", "the answer changed here"),
    ("┃", "where the replay is"),
    ("'", "a bookmark"),
)
"""Marks and their meanings."""

COMPARE: Legend = (
    ("A B", "the first and the second side"),
    ("( to )", "95 % interval of an accuracy, or of the difference on the same problems"),
    ("A-B", "how much more the first side has right, in percentage points"),
    ("p", "exact McNemar test: how likely so unequal counts are where both sides are equally good"),
    ("✓ ✗", "right in half of the answers or more, or less; a share stands where answers were drawn often"),
    ("never sampled", "the side that did worse has found no right solution"),
    ("preferred", "it has found a right solution, and another answer was given"),
    ("whole searches", "what problems were worth at a budget is not stored: the answers at the end count"),
)

MATRIX: Legend = (
    *VERDICTS[:2],
    (".50", "the share of right answers where they were drawn more than once"),
    ("-", "the side has no verdict on the problem"),
)

SIDE_BY_SIDE: Legend = (
    *REPLAY,
    ("≠", "the first step of the answer's solution that the other answer's solution does not have"),
)
