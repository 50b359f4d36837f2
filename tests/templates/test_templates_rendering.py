"""Chat templates are programs of strangers: they are rendered as transformers does, within limits."""

from __future__ import annotations

from typing import Any

import pytest

from restmcts.errors import InputError
from restmcts.prompts import PromptFormat, problem_tokens
from restmcts.templates.rendering import render, user_prompt
from tests.engines.engine_models import merging_tokenizer

PLAIN = (
    "{% for turn in messages %}<s>{{ turn.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>{% endif %}"
)
TEMPLATES = {
    "plain": PLAIN,
    "special tokens": (
        "{{ bos_token }}{% for m in messages %}{{ m['content'] | trim }}{{ eos_token }}{% endfor %}"
    ),
    "blocks": (
        "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n{{- m.content }}\n    {% endif %}\n"
        "{%- if loop.last %}{% break %}{% endif %}{%- endfor %}"
    ),
    "generation": (
        "{% for m in messages %}{{ m.content }}{% generation %}{{ m.role | upper }}{% endgeneration %}"
        "{% endfor %}"
    ),
    "json": "{{ messages | tojson }}{{ {'ü': 1} | tojson(indent=2) }}",
    "tools": "{% if tools %}tools{% endif %}{% if documents is none %}-{% endif %}{{ messages[0].content }}",
    "namespace": (
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ m.content }}"
        "{% endfor %}{{ ns.n }}"
    ),
}
CONTENT = "  What is 3 < 4 & 5? \\boxed{}\nünder\u2028'\"  "


def tokenizer(template: Any) -> Any:
    made = merging_tokenizer()
    made.chat_template = template
    return made


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_text_is_that_of_transformers(name: str) -> None:
    chat = tokenizer(TEMPLATES[name])
    turns = [{"role": "user", "content": CONTENT}]
    for opens in (True, False):
        expected = chat.apply_chat_template(turns, tokenize=False, add_generation_prompt=opens)
        assert render(chat, turns, opens_reply=opens) == expected
    expected = chat.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert list(problem_tokens(chat, CONTENT, PromptFormat(instruction=""))) == expected


def test_content_as_parts_where_text_is_not_shown() -> None:
    parts = (
        "{% for m in messages %}<s>{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}"
        "{% endif %}{% endfor %}{% endfor %}"
    )
    assert user_prompt(tokenizer(parts), "1 + 1?") == "<s>1 + 1?"


HOSTILE = {
    "the problem is left out": ("<s>user</s>", "does not show the problem"),
    "it raises": ("{{ raise_exception('no system turn') }}", "TemplateError: no system turn"),
    "syntax": ("{% for %}", "TemplateSyntaxError"),
    "undefined": ("{{ messages[0].a.b.c }}", "UndefinedError"),
    "attributes": (
        "{{ messages.__class__.__mro__ }}{{ ''.__class__.__base__.__subclasses__() }}",
        "SecurityError",
    ),
    "changes": ("{{ messages.append(1) }}", "SecurityError"),
    "no default": ({"tool_use": PLAIN, "rag": PLAIN}, "there are several, and none is the default"),
    "memory": ("{{ 'a' * 10**10 }}{{ messages[0].content }}", "takes too much memory"),
    "wide": ("{{ '%10000000000d' % 1 }}{{ messages[0].content }}", "Memory"),
    "long": ("{{ 'a' * 10**7 }}{{ messages[0].content }}", "more than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_cannot_be_used(name: str) -> None:
    template, told = HOSTILE[name]
    with pytest.raises(InputError) as caught:
        user_prompt(tokenizer(template), "1 + 1?")
    message = str(caught.value)
    assert told in message or (name == "wide" and "memory" in message)
    assert "restmcts.json" in message
    assert "\n" not in message


def test_a_template_that_does_not_end() -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(InputError, match="it takes more than 2 s"):
        user_prompt(tokenizer(loops + "{{ messages[0].content }}"), "1 + 1?")
    assert user_prompt(tokenizer(PLAIN), "1 + 1?") == "<s>1 + 1?</s><s>"


def test_a_template_that_turns_hostile_later() -> None:
    template = "{{ messages[0].content }}{% if 'bomb' in messages[0].content %}{{ 'a' * 10**10 }}{% endif %}"
    chat = tokenizer(template)
    assert user_prompt(chat, "1 + 1?") == "1 + 1?"
    with pytest.raises(InputError, match="memory"):
        user_prompt(chat, "a bomb")
    assert user_prompt(chat, "1 + 1?") == "1 + 1?"


def test_every_day_is_the_same_day() -> None:
    chat = tokenizer("{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}")
    assert user_prompt(chat, "1?") == "26 Jul 2024 1?"


def test_the_folder_is_named(tmp_path: Any) -> None:
    tokenizer("{{ raise_exception('never') }}").save_pretrained(tmp_path)
    from restmcts.engines.loading import load_tokenizer

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=str(tmp_path)):
        problem_tokens(load_tokenizer(tmp_path), "1?")
