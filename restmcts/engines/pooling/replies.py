"""What vLLM's pooling endpoint replies."""

from __future__ import annotations

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from restmcts.engines.openai.replies import OddReplyError


class Pooled(BaseModel):
    """The label of one prompt; None where it is not a number."""

    index: int = Field(ge=0)
    data: list[float | None] = Field(min_length=1, max_length=1)


class PoolingReply(BaseModel):
    """The labels of the prompts of a request."""

    data: list[Pooled] = Field(fail_fast=True)


def read_labels(content: bytes, prompts: int) -> list[float | None]:
    """The labels of ``prompts`` prompts, in their order.

    Raises:
        OddReplyError: the reply is none to such a request.
    """
    try:
        reply = PoolingReply.model_validate(from_json(content, cache_strings="keys"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise OddReplyError(f"replied with something that is no label ({place}: {first['msg']})") from None
    except (ValueError, RecursionError) as error:
        raise OddReplyError(f"replied with something that is no label: {error}") from None
    labels = {pooled.index: pooled.data[0] for pooled in reply.data}
    if len(reply.data) != prompts or labels.keys() != set(range(prompts)):
        raise OddReplyError(f"replied with {len(reply.data)} labels where {prompts} were asked for")
    return [labels[place] for place in range(prompts)]
