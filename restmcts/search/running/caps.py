"""Hard limits of a search besides its token budget: value tokens, calls, FLOPs and seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from restmcts.engines.base import PromptedValue
from restmcts.errors import InputError
from restmcts.search.running.ledger import BudgetSpentError
from restmcts.search.running.task import Engines
from restmcts.search.settings import Limits
from store.events import FREE, Cost


class Caps:
    """What a search and its jobs have taken together, and whether the next request fits the limits.

    Args:
        limits: the limits.
        engines: what answers the requests.
        clock: the time in seconds.

    Attributes:
        exact: whether something is limited that depends on the requests alone, which are then made in order.
        reached: a request did not fit, or samples were cut short by a limit: the search is at its end.

    Raises:
        InputError: what a request takes is not known before it is made.
    """

    def __init__(self, limits: Limits, engines: Engines, clock: Callable[[], float] = time.monotonic) -> None:
        check_limits(limits, engines)
        self._limits = limits
        self._flops = engines.flops
        self._clock = clock
        self._end = None if limits.seconds is None else clock() + limits.seconds
        self._used = FREE
        self.exact = bool(limits.given.keys() - {"seconds"})
        self.reached = False

    @property
    def valued(self) -> bool:
        """Whether a limit counts what the value model reads."""
        return self._limits.value is not None or self._limits.flops is not None

    def book(self, cost: Cost) -> None:
        """Count what a request took."""
        if self.exact:
            self._used += cost

    def fits(self, cost: Cost) -> bool:
        """Whether a request that takes ``cost`` at most stays within the limits."""
        if not self.exact:
            return True
        total, limits = self._used + cost, self._limits
        if limits.value is not None and total.value > limits.value:
            return False
        if limits.calls is not None and total.calls > limits.calls:
            return False
        return limits.flops is None or self._flops is None or self._flops.of(total) <= limits.flops

    def reserve(self, cost: Cost) -> None:
        """Make sure that a request that takes ``cost`` at most fits.

        Raises:
            BudgetSpentError: it does not.
        """
        if not self.fits(cost):
            self.reached = True
            raise BudgetSpentError

    def tokens(self, prompt: int) -> int | None:
        """The most tokens that a request with ``prompt`` tokens may generate; None: there is no limit.

        0: the request does not fit, which is the end of the search.
        """
        if not self.exact:
            return None
        asked = Cost(prompt=prompt, calls=1)
        most: int | None = None
        if self._limits.flops is not None and self._flops is not None:
            left = self._limits.flops - self._flops.of(self._used + asked)
            most = max(0, int(left // self._flops.policy))
        if most == 0 or not self.fits(asked):
            self.reached = True
            return 0
        return most

    def check_time(self) -> None:
        """Make sure that there is time for another request.

        Raises:
            BudgetSpentError: there is none.
        """
        if self._end is not None and self._clock() >= self._end:
            self.reached = True
            raise BudgetSpentError


def check_limits(limits: Limits, engines: Engines) -> None:
    """Refuse limits on what is not known before a request.

    Raises:
        InputError: there are such limits.
    """
    prompted = isinstance(engines.value, PromptedValue)
    if limits.flops is not None and (engines.flops is None or prompted):
        raise InputError(
            "FLOPs cannot be limited: the size of a model is not known, because it is on a server, or because"
            " its config.json describes a kind that is not known here. Limit tokens or calls instead"
        )
    if limits.value is not None and prompted:
        raise InputError(
            "value tokens cannot be limited where a language model is asked for values: how many it reads is"
            " not known before. Limit generated tokens or calls instead"
        )
