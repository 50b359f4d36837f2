"""What the marks of a replay mean, for the help."""

from __future__ import annotations

MARKS: tuple[tuple[str, str], ...] = (
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
