"""The tokenizer of the built-in task: one token a number, operation, word and mark.

Apart from :mod:`restmcts.demo.task`, so that problems can be generated without transformers.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from restmcts.demo.task import SENTENCE, TinyTask, number

END = "<end>"
PADDING = "<pad>"
UNKNOWN = "<unknown>"


def tiny_tokenizer(settings: TinyTask) -> PreTrainedTokenizerFast:
    """The tokenizer for the problems and solutions of ``settings``, about 130 tokens large.

    A token carries the space in front of it, so that decoding is joining: any run of tokens decodes
    alone to the same text as within a longer one, and the texts of the task come back exactly. A number
    at the beginning of a line is read as if the space were there. No special token is added to a text.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {token: index for index, token in enumerate(_tokens(settings))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Replace(Regex(r"(?m)^(?=[0-9])"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?[+*-]?[0-9]+| ?[A-Z]?[a-z]+|\n|,"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def _tokens(settings: TinyTask) -> list[str]:
    words = [piece for piece in SENTENCE.format(operations="|", start="|").split("|") if piece]
    operations = [f" {operator}{operand}" for operator, operand in settings.operations()]
    numbers = [number(value) for value in range(settings.modulus)]
    return [PADDING, END, UNKNOWN, "\n", ",", *words, *operations, *numbers]
