"""The built-in task: apply a chain of small operations to a number, modulo a prime.

A problem reads ``Apply +5, *3, -8 to 17``; its solution has one value a line (with modulus 97:
22, 66, 58), and the last value is the answer. Each step depends on the one before and on one
operation, so that a small model trained for a minute makes local mistakes in long chains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random

from restmcts.errors import InputError
from restmcts.problems.problem import Problem

SENTENCE = "Apply{operations} to{start}"
"""The wording. Operations and numbers bring the space in front of them along; see :func:`number`."""

OPERATORS = "+-*"
MIN_FACTOR = 2
PATIENCE = 2000
"""A split is given up after this many draws in a row without a new problem."""


@dataclass(frozen=True, slots=True)
class TinyTask:
    """The size of the task.

    Attributes:
        modulus: all values are taken modulo this; a prime keeps every operation reversible.
        minimum_operations: shortest chain.
        maximum_operations: longest chain.
        largest_operand: ``+`` and ``-`` take 1 to this.
        largest_factor: ``*`` takes 2 to this.
        operators: some of ``+``, ``-`` and ``*``, each at most once.

    Raises:
        InputError: a value is out of its range.
    """

    modulus: int = 97
    minimum_operations: int = 10
    maximum_operations: int = 10
    largest_operand: int = 9
    largest_factor: int = 5
    operators: str = OPERATORS

    def __post_init__(self) -> None:
        chosen = set(self.operators)
        if not chosen or len(chosen) < len(self.operators) or not chosen <= set(OPERATORS):
            raise InputError(f"operators {self.operators!r}: use some of + - *, each at most once")
        if self.modulus < 3:
            raise InputError(f"modulus {self.modulus}: use 3 or more")
        if not 1 <= self.minimum_operations <= self.maximum_operations:
            raise InputError(
                f"operations from {self.minimum_operations} to {self.maximum_operations}: "
                "the minimum must be 1 or more and at most the maximum"
            )
        _check_range("largest_operand", self.largest_operand, 1, self.modulus - 1)
        _check_range("largest_factor", self.largest_factor, MIN_FACTOR, self.modulus - 1)

    def operations(self) -> tuple[tuple[str, int], ...]:
        """Every operation of the task: its operator and its operand."""
        first = {"+": 1, "-": 1, "*": MIN_FACTOR}
        last = {"+": self.largest_operand, "-": self.largest_operand, "*": self.largest_factor}
        return tuple(
            (operator, operand)
            for operator in self.operators
            for operand in range(first[operator], last[operator] + 1)
        )

    def problems(self) -> int:
        """How many different problems there are."""
        lengths = range(self.minimum_operations, self.maximum_operations + 1)
        return sum(self.modulus * len(self.operations()) ** length for length in lengths)


def generate_tiny(counts: Mapping[str, int], seed: int, settings: TinyTask) -> dict[str, list[Problem]]:
    """Draw problems for splits such as ``train`` and ``test``, ``counts[split]`` for each.

    No problem occurs twice, in one split or in two: a hash of its text decides which split a problem may
    stand in. Each split has a random stream of its own, so that a larger split begins with the problems
    of the smaller one and the others stay as they are. Other names of splits give other problems.

    Raises:
        InputError: a count is negative, or the task has too few problems.
    """
    splits = sorted(counts)
    for split in splits:
        if counts[split] < 0:
            raise InputError(f"cannot generate {counts[split]} problems for {split!r}: use 0 or more")
    return {split: _draw(split, splits, counts[split], seed, settings) for split in counts}


def value_after(value: int, operator: str, operand: int, modulus: int) -> int:
    """The next value of a chain, from 0 to ``modulus`` - 1."""
    if operator == "*":
        return value * operand % modulus
    return (value + (operand if operator == "+" else -operand)) % modulus


def number(value: int) -> str:
    """How a value is written: with a space in front, everywhere.

    A value is one token, the same one in the problem and in a step, and two values without anything
    between them cannot be read as a third.
    """
    return f" {value}"


def _draw(split: str, splits: list[str], count: int, seed: int, settings: TinyTask) -> list[Problem]:
    stream = _stream(split, splits, seed, settings)
    problems = list(islice(stream, count))
    if len(problems) < count:
        raise InputError(
            f"cannot generate {count} problems for {split!r}: only {len(problems)} were found among the "
            f"{settings.problems()} of the task, which all splits share; ask for fewer, "
            "or allow longer chains"
        )
    return problems


def _stream(split: str, splits: list[str], seed: int, settings: TinyTask) -> Iterator[Problem]:
    """The problems of one split, without repeats, until new ones become too rare."""
    random = Random(f"{seed}/{split}")
    operations = settings.operations()
    seen: set[str] = set()
    misses = 0
    while misses < PATIENCE * len(splits):
        length = random.randint(settings.minimum_operations, settings.maximum_operations)
        start = random.randrange(settings.modulus)
        chain = [operations[random.randrange(len(operations))] for _ in range(length)]
        text = _sentence(chain, start)
        misses += 1
        if text not in seen and _owner(text, splits, seed) == split:
            misses = 0
            seen.add(text)
            yield _problem(f"tiny-{split}-{len(seen):05d}", text, chain, start, settings.modulus)


def _owner(text: str, splits: list[str], seed: int) -> str:
    digest = hashlib.blake2b(text.encode(), key=str(seed).encode()[:64], digest_size=8).digest()
    return splits[int.from_bytes(digest) % len(splits)]


def _sentence(chain: list[tuple[str, int]], start: int) -> str:
    operations = ",".join(f" {operator}{operand}" for operator, operand in chain)
    return SENTENCE.format(operations=operations, start=number(start))


def _problem(name: str, text: str, chain: list[tuple[str, int]], start: int, modulus: int) -> Problem:
    values = [start]
    for operator, operand in chain:
        values.append(value_after(values[-1], operator, operand, modulus))
    lines = "".join(f"{number(value)}\n" for value in values[1:])
    return Problem(name, text, str(values[-1]), lines, fields={"operations": len(chain)})


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"{name} {value}: use {least} to {most}")
