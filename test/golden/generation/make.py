"""The results of transformers' `generate` for single prompts, with tiny random decoders. See README.md in the folder above.

VENV/bin/python test/golden/packed.py test/golden/generation/make.py
"""

import json
import re
import shutil
import zlib
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config, SmolLM3Config

HERE = Path(__file__).parent
END, OTHER_END, START = "<end>", "<other>", "<start>"
PROMPTS = ["a", "The cat sat on the mat.", "Grüße, 東京!", "one two one two one", "x = [1, 2, 3]\nprint(x)\n", "🙂"]
CORPUS = PROMPTS + ["the cat and the dog and the mat", "one two three four", "print(x, y)", "Grüße aus Köln, 東京と京都"]
NEW = 24
CONFIGS = {
    "llama": (LlamaConfig, {"num_key_value_heads": 1, "tie_word_embeddings": False}),
    "qwen2": (Qwen2Config, {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "smollm3": (SmolLM3Config, {"num_key_value_heads": 2, "no_rope_layer_interval": 2, "use_sliding_window": True, "sliding_window": 7}),
}
END_SCALE = {"llama": 1.35, "qwen2": 1.8, "smollm3": 1.8}
SCALE = {"llama": 0.5, "qwen2": 0.35, "smollm3": 0.35}

CASES = {
    "greedy": {},
    "greedy-64": {"max_new_tokens": 64},
    "repetition-penalty": {"repetition_penalty": 1.7},
    "below-one": {"repetition_penalty": 0.9},
    "no-repeat-ngram-1": {"no_repeat_ngram_size": 1},
    "no-repeat-ngram-2": {"no_repeat_ngram_size": 2, "max_new_tokens": 64},
    "both": {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "max_new_tokens": 40},
    "min-new-tokens": {"min_new_tokens": 15},
    "min-length": {"min_length": 20},
    "suppress": {"suppress_tokens": "SOME", "begin_suppress_tokens": "FIRST"},
    "forced": {"forced_bos_token_id": 70, "forced_eos_token_id": 5, "begin_suppress_tokens": "FIRST"},
    "stop": {"stop_strings": "FOUND", "max_new_tokens": 64},
    "beams": {"num_beams": 5, "max_new_tokens": 64},
    "beams-2": {"num_beams": 2},
    "beams-short": {"num_beams": 5, "length_penalty": -1.0},
    "beams-flat": {"num_beams": 4, "length_penalty": 0.0},
    "beams-long": {"num_beams": 5, "length_penalty": 2.5, "max_new_tokens": 40},
    "beams-early": {"num_beams": 5, "early_stopping": True, "max_new_tokens": 64},
    "beams-never": {"num_beams": 5, "early_stopping": "never", "length_penalty": 1.5, "max_new_tokens": 40},
    "beams-never-short": {"num_beams": 3, "early_stopping": "never", "length_penalty": -0.5},
    "beams-ngram": {"num_beams": 5, "no_repeat_ngram_size": 2, "max_new_tokens": 64},
    "beams-penalty": {"num_beams": 5, "repetition_penalty": 1.4, "max_new_tokens": 40},
    "beams-min": {"num_beams": 3, "min_new_tokens": 12},
    "beams-stop": {"num_beams": 4, "stop_strings": "FOUND", "max_new_tokens": 40},
    "sample-temperature": {"temperature": 0.7},
    "sample-all": {"temperature": 1.5, "top_k": 0},
    "sample-top-k": {"top_k": 5},
    "sample-top-p": {"top_k": 0, "top_p": 0.8},
    "sample-top-p-0": {"top_k": 0, "top_p": 0.0},
    "sample-min-p": {"top_k": 0, "min_p": 0.1},
    "beams-sample": {"num_beams": 3, "top_k": 0, "temperature": 1.2, "max_new_tokens": 12},
    "beams-sample-top-p": {"num_beams": 2, "top_k": 0, "top_p": 0.6, "max_new_tokens": 12},
    "beams-sample-everything": {"num_beams": 3, "temperature": 0.8, "top_k": 40, "min_p": 0.01, "repetition_penalty": 1.2, "max_new_tokens": 12},
    "sample-everything": {"temperature": 1.3, "top_k": 9, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2},
}


def train_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=301, special_tokens=[END, OTHER_END, START], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END, additional_special_tokens=[OTHER_END, START])


@torch.no_grad()
def build(name: str, vocabulary: int):
    kind, own = CONFIGS[name]
    sizes = {"hidden_size": 24, "intermediate_size": 36, "num_attention_heads": 4, "num_hidden_layers": 2}
    config = kind(vocab_size=vocabulary, max_position_embeddings=96, eos_token_id=[0, 1], pad_token_id=None, bos_token_id=2, **sizes, **own)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for path, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(zlib.crc32(f"{name}.{path}".encode())))
        if path.endswith("norm.weight"):
            parameter.copy_(1 + 0.2 * noise)
        else:
            parameter.copy_(SCALE[name] * noise)
    # makes end tokens likely enough to occur
    output = model.get_output_embeddings().weight
    output[:2] *= END_SCALE[name]
    model.generation_config.eos_token_id = [0, 1]
    return model.eval()


def uniforms(case: str, prompt: int, count: int) -> list[float]:
    generator = torch.Generator().manual_seed(zlib.crc32(f"{case}.{prompt}".encode()))
    return torch.rand(count, dtype=torch.float64, generator=generator).tolist()


class TooFew(Exception):
    """Fewer tokens have a nonzero probability than are to be sampled; torch would sample others."""


def draw_from(numbers: list[float]):
    """`torch.multinomial` with given random numbers: picks the first token at which the cumulative probability exceeds the number."""
    remaining = list(numbers)

    def multinomial(probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
        """Samples without replacement."""
        assert len(probabilities) == 1
        if (probabilities > 0).sum() < num_samples:
            raise TooFew
        weights, drawn = probabilities.double(), []
        for _ in range(num_samples):
            sums = weights.cumsum(-1)
            drawn.append(torch.searchsorted(sums, torch.tensor([[remaining.pop(0)]], dtype=torch.float64) * sums[:, -1:], right=True))
            weights = weights.scatter(1, drawn[-1], 0)
        return torch.cat(drawn, 1)

    return multinomial


def draws(settings: dict) -> int:
    """How many random numbers a prompt needs."""
    numbers = settings.get("max_new_tokens", NEW)
    return numbers * 3 * settings["num_beams"] if "num_beams" in settings else numbers


def generate(model, tokenizer, ids: list[int], numbers: list[float], settings: dict) -> list[int]:
    is_drawn = bool({"temperature", "top_k", "top_p", "min_p"} & settings.keys())
    whole = torch.multinomial
    torch.multinomial = draw_from(numbers)
    try:
        arguments = {"max_new_tokens": NEW, "do_sample": is_drawn, "pad_token_id": 0} | settings
        inputs = torch.tensor([ids])
        output = model.generate(inputs, attention_mask=torch.ones_like(inputs), tokenizer=tokenizer, **arguments)
    finally:
        torch.multinomial = whole
    return output[0, len(ids) :].tolist()


def filled(settings: dict, tokenizer, greedy: list[list[int]]) -> dict:
    """Fills in suppressed tokens and stop strings that would otherwise occur in the greedy results."""
    texts = [tokenizer.decode(tokens, skip_special_tokens=True) for tokens in greedy]
    found = [re.findall(r"[^\ufffd]{2}", text)[-1:] for text in texts]
    words = {
        "SOME": sorted({tokens[3] for tokens in greedy if len(tokens) > 3}),
        "FIRST": sorted({tokens[0] for tokens in greedy}),
        "FOUND": sorted({text for texts in found for text in texts}),
    }
    return {key: words[value] if isinstance(value, str) and value in words else value for key, value in settings.items()}


def text_before(text: str, stops: list[str]) -> str:
    return text[: min([text.index(stop) for stop in stops if stop in text], default=len(text))]


def main() -> None:
    tokenizer = train_tokenizer()
    encoded = [tokenizer(text)["input_ids"] for text in PROMPTS]
    golden: dict = {"prompts": [{"text": t, "ids": i} for t, i in zip(PROMPTS, encoded)], "cases": []}
    for name in CONFIGS:
        model = build(name, len(tokenizer))
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        precise = build(name, len(tokenizer)).double()
        greedy = [generate(model, tokenizer, ids, [], {}) for ids in encoded]
        for case, settings in CASES.items():
            settings = filled(settings, tokenizer, greedy)
            rows = []
            for prompt, ids in enumerate(encoded):
                numbers = uniforms(case, prompt, draws(settings))
                try:
                    tokens = generate(model, tokenizer, ids, numbers, settings)
                    # leaves out results that depend on rounding
                    same = tokens == generate(precise, tokenizer, ids, numbers, settings)
                except TooFew:
                    tokens, same = [], False
                if not same:
                    print("left out", name, case, prompt)
                text = text_before(tokenizer.decode(tokens, skip_special_tokens=True), settings.get("stop_strings", []))
                rows.append({"tokens": tokens, "text": text} if same else None)
            ends = sum(row is not None and row["tokens"][-1] in (0, 1) for row in rows)
            print(f"{name:6} {case:20} lengths {[len(row['tokens']) for row in rows if row]} ends {ends}")
            entry = {"model": name, "case": case, "settings": settings, "rows": rows}
            if {"temperature", "top_k", "top_p", "min_p"} & settings.keys():
                entry["uniforms"] = [uniforms(case, prompt, draws(settings)) for prompt in range(len(encoded))]
            golden["cases"].append(entry)
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).replace('{"model"', '\n{"model"') + "\n")


main()
