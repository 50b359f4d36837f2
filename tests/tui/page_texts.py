"""Texts of models that want to break a page or a terminal, each of another kind."""

from __future__ import annotations

HOSTILE = {
    "script": "</script><script>window.owned = 1; alert(1)</script>",
    "comment": "<!--<script>",
    "image": '"><img src=x onerror="window.owned = 1"><img src=https://example.org/a.png>',
    "link": '<a href="javascript:window.owned=1" ping="https://example.org/">x</a><base href=https://example.org/>',
    "svg": "<svg onload=window.owned=1><style>@import url(https://example.org/a.css)</style></svg>",
    "style": "</style><link rel=stylesheet href=https://example.org/a.css><iframe src=https://example.org/>",
    "template": "{{ 7 * 7 }}{% for x in range(10**9) %}x{% endfor %}",
    "latex": "$\\def\\a{\\a\\a}\\a$ \\input{/etc/passwd}",
    "json": '"}]]>\\u003cscript\\u003e\u2028\u2029\\',
    "ansi": "\x1b[2J\x1b[31m\r\x08\x00",
    "osc": "\x1b]0;owned\x07\x1b]8;;https://example.org/\x1b\\x\x1b]8;;\x1b\\\x1b]52;c;b3duZWQ=\x07",
    "c1": "\x9b31m\x9d0;owned\x9c\x7f",
    "markup": "[bold red]m[/] [/nonsense] [@click=app.quit]x[/] $x {y}",
    "bidi": "\u202eabc\u2066 \u200b\ufeff\U000e0041",
    "marks": "z" + "\u0301" * 400,
    "wide": "漢字 \U0001f469\u200d\U0001f52c " * 40,
    "lines": "\n" * 100_000,
    "long": "word " * 200_000,
}
"""By kind. What begins with a script sets ``window.owned`` if it runs."""
