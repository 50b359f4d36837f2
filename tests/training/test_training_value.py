"""Training a value model, on models with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
)

from restmcts.errors import InputError, PhaseError
from restmcts.evaluation.answer_file import ANSWERS
from restmcts.prompts import load_format, problem_tokens
from restmcts.training.batches import UNLABELLED, collate
from restmcts.training.samples import value_chains
from restmcts.training.settings import ValueTraining
from restmcts.training.values.examples import example
from restmcts.training.values.held_out import predict_values
from restmcts.training.values.losses import value_loss
from restmcts.training.values.model import backbone, value_model
from restmcts.training.values.nodes import unique_labels
from restmcts.training.values.training import train_value
from store.files.folders import find_whole, marked_files
from store.records import ValueSample
from tests.training.training_models import TOKEN, Weights, judged_sums, step, write_policy

SETTINGS = ValueTraining(learning_rate=3e-3, batch_size=16, updates=80, warmup_ratio=0.1, seed=3)


def sample(labels: tuple[float | None, ...], digits: str, trees: tuple[str, ...] = ("t/1",)) -> ValueSample:
    steps = tuple(step(f"{digit}\n") for digit in digits)
    return ValueSample("p1", "1+2", steps, labels, trees)


def with_random_head(model: Any) -> Any:
    """A new value model says 0 everywhere, which would hide what these tests look at."""
    torch.manual_seed(0)
    torch.nn.init.normal_(model.score.weight, std=0.1)
    return model


def test_prompt_is_the_prompt_of_search_and_labels_stand_at_step_ends(policy: Path) -> None:
    (chain,), _ = value_chains(policy, [sample((0.5, None, 1.0), "123")], 99)
    prompt = problem_tokens(AutoTokenizer.from_pretrained(policy), "1+2", load_format(policy))
    assert chain.tokens == (*prompt, *(TOKEN[letter] for letter in "1\n2\n3\n"))
    labels = example(chain).labels
    assert [place for place, label in enumerate(labels) if label != UNLABELLED] == [
        chain.prompt + 1,
        chain.prompt + 5,
    ]
    assert labels[chain.prompt + 5] == 1.0


def test_end_of_text_is_no_part_of_a_partial_solution(policy: Path) -> None:
    plain = sample((0.5, 1.0), "12")
    ended = replace(plain.steps[1], tokens=(*plain.steps[1].tokens, TOKEN["<end>"]))
    chains, _ = value_chains(policy, [plain, replace(plain, steps=(plain.steps[0], ended))], 99)
    assert chains[0].tokens == chains[1].tokens and chains[0].ends == chains[1].ends


def test_loss_is_the_mean_squared_error_at_step_ends(policy: Path) -> None:
    """By hand: each partial solution alone, through the model as transformers runs it."""
    samples = [sample((0.25, None, 1.0), "123"), replace(sample((0.5,), "9"), question="7+7+7")]
    chains, _ = value_chains(policy, samples, 99)
    model = with_random_head(value_model(policy)).eval()
    batch = collate([example(chain) for chain in chains], torch.float32)
    batch["count"] = torch.tensor(3)
    total = 0.0
    for chain in chains:
        for end, label in zip(chain.ends, chain.labels, strict=True):
            if label is not None:
                alone = torch.tensor([chain.tokens[: end + 1]])
                total += (model(input_ids=alone).logits.item() - label) ** 2
    assert value_loss(model, batch).item() == pytest.approx(total / 3, rel=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_values_do_not_depend_on_padding(policy: Path, tmp_path: Path, side: str) -> None:
    """What training sees in one pass is what a padded batch of partial solutions gives, on either side."""
    samples = judged_sums(6)
    train_value(policy, samples, SETTINGS.model_copy(update={"updates": 20}), tmp_path / "v", device="cpu")
    found = predict_values(tmp_path / "v", samples, max_length=99, device="cpu")
    chains, _ = value_chains(tmp_path / "v", samples, 99)
    prefixes = [list(chain.tokens[: end + 1]) for chain in chains for end in chain.ends]
    longest = max(map(len, prefixes))
    ids, mask = [], []
    for prefix in prefixes:
        fill = [TOKEN["<pad>"]] * (longest - len(prefix))
        ids.append(fill + prefix if side == "left" else prefix + fill)
        mask.append([int(token != TOKEN["<pad>"]) for token in ids[-1]])
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "v")
    positions = (torch.tensor(mask).cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask), position_ids=positions
        ).logits[:, 0]
    expected = [value for values in found if values is not None for value in values]
    assert logits.clamp(0, 1).tolist() == pytest.approx(expected, abs=1e-5)
    assert len(set(expected)) > 3


def test_training_lowers_the_error_and_ranks_held_out_steps(policy: Path, tmp_path: Path) -> None:
    samples, held_out = judged_sums(80, end=""), judged_sums(60, seed=9, end="")
    report = train_value(policy, samples, SETTINGS, tmp_path / "v", held_out=held_out, device="cpu")
    assert report.last_loss < 0.3 * report.first_loss
    assert report.metrics["held_out.auc"] > 0.9
    assert report.metrics["held_out.squared_error"] < 0.1
    assert report.metrics["held_out.likelihood_sum.auc"] < 0.75


def test_checkpoint_is_an_ordinary_regression_model(policy: Path, tmp_path: Path) -> None:
    train_value(
        policy, judged_sums(8), SETTINGS.model_copy(update={"updates": 1}), tmp_path / "v", device="cpu"
    )
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "v")
    assert model.config.architectures == ["LlamaForSequenceClassification"]
    assert (model.config.num_labels, model.config.problem_type) == (1, "regression")
    assert model.config.pad_token_id == TOKEN["<pad>"]
    assert load_format(tmp_path / "v") == load_format(policy)


def test_steps_without_a_label_change_nothing(policy: Path) -> None:
    """A chain cut after its last label has the gradient of the chain with unlabelled steps after it."""
    cut = sample((0.5, 1.0), "12")
    tail = replace(cut, steps=(*cut.steps, step("5\n")), labels=(*cut.labels, None))
    gradients = []
    for one in (cut, tail):
        model = with_random_head(value_model(policy))
        chains, _ = value_chains(policy, [one], 99)
        batch = collate([example(chain) for chain in chains], torch.float32)
        value_loss(model, {**batch, "count": torch.tensor(2)}).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(torch.allclose(gradients[0][name], gradients[1][name], atol=1e-5) for name in gradients[0])
    assert gradients[0]["score.weight"].abs().sum() > 0


def test_equal_seeds_give_equal_weights(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    settings = SETTINGS.model_copy(update={"updates": 5, "extra_layers": 1})
    train_value(policy, judged_sums(20), settings, tmp_path / "first", device="cpu")
    torch.rand(5)
    train_value(policy, judged_sums(20), settings, tmp_path / "second", device="cpu")
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_goes_on_from_a_value_model(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    settings = SETTINGS.model_copy(update={"extra_layers": 1})
    first = train_value(policy, judged_sums(80), settings, tmp_path / "v0", device="cpu")
    again = train_value(tmp_path / "v0", judged_sums(80, seed=1), settings, tmp_path / "v1", device="cpu")
    assert again.first_loss < 0.3 * first.first_loss
    before, after = weights(tmp_path / "v0"), weights(tmp_path / "v1")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_new_value_model_starts_from_the_policy(policy: Path, weights: Callable[[Path], Weights]) -> None:
    start = weights(policy)
    model = value_model(policy)
    assert all(torch.equal(model.state_dict()[name], start[name]) for name in start)
    assert model.state_dict()["score.weight"].abs().sum() == 0


def test_extra_layers_change_nothing_at_the_start(policy: Path) -> None:
    tokens = torch.randint(3, 18, (2, 9))
    old: Any = AutoModelForCausalLM.from_pretrained(policy)
    new: Any = value_model(policy, 2)
    assert new.config.num_hidden_layers == 4 and len(backbone(new).layers) == 4
    with torch.no_grad():
        assert torch.equal(old.model(tokens).last_hidden_state, new.model(tokens).last_hidden_state)
    new.model(tokens).last_hidden_state.pow(3).sum().backward()
    for layer in new.model.layers[2:]:
        assert layer.self_attn.o_proj.weight.grad.abs().sum() > 0
        assert layer.mlp.down_proj.weight.grad.abs().sum() > 0


def test_extra_layers_survive_saving_and_learn(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    settings = SETTINGS.model_copy(update={"extra_layers": 2})
    train_value(policy, judged_sums(20), settings, tmp_path / "v", device="cpu")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "v")
    assert model.config.num_hidden_layers == 4
    assert weights(tmp_path / "v")["model.layers.3.mlp.down_proj.weight"].abs().sum() > 0


def test_extra_layers_are_refused_for_other_architectures(policy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    config = GPTNeoXConfig(
        vocab_size=18, hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=32
    )
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    with pytest.raises(InputError, match="extra_layers is only possible for Llama-like models"):
        value_model(folder, 1)
    assert value_model(folder).config.num_labels == 1


def test_fresh_layers_start_from_nothing_but_know_the_vocabulary(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    start = weights(policy)
    torch.manual_seed(5)
    model = value_model(policy, fresh_layers=3)
    assert model.config.num_hidden_layers == len(backbone(model).layers) == 3
    assert model.config.vocab_size == len(TOKEN)
    assert model.state_dict()["score.weight"].abs().sum() == 0
    shared = [name for name, weight in model.state_dict().items() if name in start and "norm" not in name]
    assert shared
    assert not any(torch.equal(model.state_dict()[name], start[name]) for name in shared)
    settings = SETTINGS.model_copy(update={"fresh_layers": 1, "updates": 2})
    train_value(policy, judged_sums(8), settings, tmp_path / "v", device="cpu")
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "v").config.num_hidden_layers == 1


def test_fresh_layers_do_not_touch_a_value_model(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    settings = SETTINGS.model_copy(update={"updates": 1})
    train_value(policy, judged_sums(8), settings, tmp_path / "v", device="cpu")
    before = weights(tmp_path / "v")
    model = value_model(tmp_path / "v", fresh_layers=5)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_language_loss_is_the_cross_entropy_of_good_steps(policy: Path) -> None:
    """By hand: the tokens of the one good step, read through the embeddings; added with its weight."""
    samples = [sample((1.0, 0.0), "12"), replace(sample((0.0,), "9"), question="7+7+7")]
    chains, _ = value_chains(policy, samples, 99)
    examples = [example(chains[0], (True, False)), example(chains[1], (False,))]
    assert sum(map(sum, (one.written for one in examples))) == len("1\n")
    model = with_random_head(value_model(policy)).eval()
    batch = collate(examples, torch.float32)
    batch["count"] = torch.tensor(3)
    tokens = torch.tensor([chains[0].tokens])
    hidden = backbone(model)(input_ids=tokens).last_hidden_state[0]
    total = 0.0
    for place in range(chains[0].prompt, chains[0].ends[0] + 1):
        scores = hidden[place - 1] @ model.get_input_embeddings().weight.T
        total -= scores.log_softmax(-1)[tokens[0, place]].item()
    plain, both = value_loss(model, batch).item(), value_loss(model, batch, language_weight=0.5).item()
    assert both - plain == pytest.approx(0.5 * total / 3, rel=1e-3)


def test_language_loss_without_good_steps_is_none(policy: Path) -> None:
    chains, _ = value_chains(policy, [sample((0.0, 0.0), "12")], 99)
    batch = collate([example(chains[0], (False, None))], torch.float32)
    batch["count"] = torch.tensor(2)
    model = with_random_head(value_model(policy)).eval()
    assert torch.equal(value_loss(model, batch, language_weight=0.5), value_loss(model, batch))


def test_sharing_nodes_decides_how_often_a_node_counts(policy: Path, tmp_path: Path) -> None:
    """The first loss is that of a head of zeros: the mean square of the labels that take part."""
    samples = [sample((0.5, 1.0), "12"), sample((0.5, 0.0), "13")]
    settings = SETTINGS.model_copy(update={"updates": 1, "batch_size": 2})
    shared = train_value(policy, samples, settings, tmp_path / "a", device="cpu")
    counted = train_value(policy, samples, settings, tmp_path / "b", share_nodes=False, device="cpu")
    assert shared.first_loss == pytest.approx((0.25 + 1 + 0) / 3, rel=1e-5)
    assert counted.first_loss == pytest.approx((0.25 + 1 + 0.25 + 0) / 4, rel=1e-5)


def test_classifiers_with_more_labels_are_refused(policy: Path, tmp_path: Path) -> None:
    model: Any = AutoModelForSequenceClassification.from_pretrained(policy, num_labels=3)
    model.save_pretrained(tmp_path / "three")
    with pytest.raises(InputError, match="one regression label"):
        value_model(tmp_path / "three")


def test_a_policy_without_padding_gets_a_token_for_it(policy: Path) -> None:
    config = AutoModelForCausalLM.from_pretrained(policy).config
    config.pad_token_id = None
    config.save_pretrained(policy)
    assert value_model(policy).config.pad_token_id == TOKEN["<end>"]


def test_nothing_to_train_on_is_an_error(policy: Path, tmp_path: Path) -> None:
    unlabelled = [sample((None, None), "12")]
    with pytest.raises(PhaseError, match="no samples to train on, 1 without labels"):
        train_value(policy, unlabelled, SETTINGS, tmp_path / "v", device="cpu")
    assert not (tmp_path / "v").exists()


def test_long_and_unlabelled_chains_are_counted(policy: Path, tmp_path: Path) -> None:
    samples = [sample((0.5,), "1"), sample((0.1,) * 6, "123456"), sample((None,), "3")]
    settings = SETTINGS.model_copy(update={"max_length": 12, "updates": 1})
    report = train_value(policy, samples, settings, tmp_path / "v", device="cpu")
    assert report.samples == 1
    assert report.skipped == {"too long": 1, "without steps": 0, "without labels": 1}


def test_nodes_shared_by_chains_of_a_tree_count_once() -> None:
    first, second, third = unique_labels(
        [sample((0.3, 0.6), "12"), sample((0.3, 0.1), "13"), sample((0.3, 0.6), "12")]
    )
    assert first.labels == (0.3, 0.6)
    assert second.labels == (None, 0.1)
    assert third.labels == (None, None)


def test_equal_steps_elsewhere_are_other_nodes() -> None:
    """In another tree, for another problem, or after other steps."""
    samples = [
        sample((0.3, 0.6), "12"),
        sample((0.4, 0.5), "12", ("t/2",)),
        replace(sample((0.1, 0.2), "12"), problem="p2"),
        sample((0.7, 0.8), "22"),
    ]
    assert [one.labels for one in unique_labels(samples)] == [one.labels for one in samples]


def test_a_chain_of_several_trees_carries_what_is_new_in_one_of_them() -> None:
    samples = [sample((0.3,), "1"), sample((0.4,), "1", ("t/1", "t/2")), sample((0.4,), "1", ("t/2",))]
    assert [one.labels for one in unique_labels(samples)] == [(0.3,), (0.4,), (None,)]


def test_samples_without_trees_share_nodes_by_problem() -> None:
    samples = [sample((0.5, 1.0), "12", ()), sample((0.5, 0.2), "13", ())]
    assert [one.labels for one in unique_labels(samples)] == [(0.5, 1.0), (None, 0.2)]


def test_prediction_reports_long_chains_and_keeps_the_order(policy: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"updates": 1})
    train_value(policy, judged_sums(8), settings, tmp_path / "v", device="cpu")
    samples = [sample((0.1,) * 6, "123456"), sample((0.5,), "1"), sample((0.5, 0.5), "12")]
    found = predict_values(tmp_path / "v", samples, max_length=12, device="cpu")
    assert [None if values is None else len(values) for values in found] == [None, 1, 2]
    assert found[1] is not None and found[2] is not None
    assert found[1][0] == pytest.approx(found[2][0], abs=1e-6)


def test_a_value_model_is_no_policy(policy: Path, tmp_path: Path) -> None:
    from restmcts.training.checkpoint import load_policy

    train_value(
        policy, judged_sums(8), SETTINGS.model_copy(update={"updates": 1}), tmp_path / "v", device="cpu"
    )
    with pytest.raises(InputError, match="holds a value model"):
        load_policy(tmp_path / "v")


def test_policies_of_another_width_work_too(tmp_path: Path) -> None:
    folder = write_policy(tmp_path / "narrow", layers=1, width=32)
    settings = SETTINGS.model_copy(update={"updates": 1})
    assert train_value(folder, judged_sums(8), settings, tmp_path / "v", device="cpu").updates == 1


def test_what_is_written_beside_a_value_model_is_a_part_of_its_folder(policy: Path, tmp_path: Path) -> None:
    """It can use the model, it is there with the model or not at all, and it is not that of a later model."""
    settings, rows = SETTINGS.model_copy(update={"updates": 2}), judged_sums(8)

    def fails(folder: Path) -> None:
        raise PhaseError("no trees")

    def writes(folder: Path) -> None:
        assert any(predict_values(folder, rows, max_length=99, device="cpu"))
        (folder / ANSWERS).write_bytes(b"{}")

    first, second = tmp_path / "first", tmp_path / "second"
    with pytest.raises(PhaseError, match="no trees"):
        train_value(policy, rows, settings, first, beside=fails, device="cpu")
    assert not first.exists()
    train_value(policy, rows, settings, first, beside=writes, device="cpu")
    assert ANSWERS in (marked_files(first) or {}) and find_whole(first)
    train_value(first, rows, settings, second, device="cpu")
    assert find_whole(second) and not (second / ANSWERS).exists()
