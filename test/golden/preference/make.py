"""Writes the golden files of preference tuning: python test/golden/packed.py test/golden/preference/make.py, after make.py. Needs trl 1.16.0,
peft, datasets and accelerate.

TRL's trainers (DPO, KTO, CPO and ORPO) on small decoders, from adapters whose B is not zero: tokens, the loss and what else each step reports,
and the adapter after the steps. CPO's and ORPO's rows have DPO's tokens.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRL_EXPERIMENTAL_SILENCE": "1"}
sys.dont_write_bytecode = True

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

HERE = Path(__file__).parent
ROOT = HERE.parent

TARGETS = {"gpt2": ["c_attn"], "llama": ["q_proj", "v_proj"], "qwen3": ["q_proj", "v_proj"], "gemma3_text": ["q_proj", "v_proj"]}
TEMPLATE = (
    "{% for message in messages %}[CLS] {{ message['role'] }} : {{ message['content'] }} [SEP]{% endfor %}"
    "{% if add_generation_prompt %}[CLS] assistant :{% endif %}"
)

PAIRS = [
    {"prompt": "The small boat", "chosen": " left the harbour before sunrise.", "rejected": " apples"},
    {"prompt": "A teacher wrote", "chosen": " long words", "rejected": " and then seven red apples fell from the tree"},
    {"prompt": "old", "chosen": " stone wall near the river", "rejected": " small small small"},
    {"prompt": "seven red apples fell from", "chosen": " the tree [SEP]", "rejected": " the stone"},
    {"prompt": "morning on the board, and then the", "chosen": " river", "rejected": " river river"},
    {"prompt": "three long", "chosen": " words on the board", "rejected": " the"},
]
COMPLETIONS = [
    {"prompt": "The small boat", "completion": " left the harbour before sunrise.", "label": True},
    {"prompt": "A teacher wrote", "completion": " and then seven red apples fell", "label": False},
    {"prompt": "old", "completion": " stone wall near the river", "label": True},
    {"prompt": "seven red apples fell from", "completion": " the stone", "label": False},
    {"prompt": "three long", "completion": " words on the board", "label": True},
    {"prompt": "morning", "completion": " river", "label": True},
]
CHATS = [
    {
        "prompt": [{"role": "user", "content": "the small boat"}],
        "chosen": [{"role": "assistant", "content": "left"}],
        "rejected": [{"role": "assistant", "content": "left the harbour"}],
    },
    {
        "prompt": [{"role": "system", "content": "old"}, {"role": "user", "content": "three long words"}],
        "chosen": [{"role": "assistant", "content": "seven red apples"}],
        "rejected": [{"role": "assistant", "content": "stone"}, {"role": "user", "content": "wall"}, {"role": "assistant", "content": "tree"}],
    },
]

# name: TRL's settings, and ours where they are other words
LOSSES = {
    "sigmoid": ({}, {}),
    "hinge": ({}, {}),
    "ipo": ({}, {}),
    "robust": ({"label_smoothing": 0.2}, {"labelSmoothing": 0.2}),
    "sigmoid-norm": ({"beta": 0.5}, {"beta": 0.5}),
    "sppo": ({"beta": 0.3}, {"beta": 0.3}),
    "apo-zero": ({}, {}),
    "apo-down": ({"beta": 0.4}, {"beta": 0.4}),
    "kto": ({"beta": 0.6, "desirable_weight": 1.3, "undesirable_weight": 0.8}, {"beta": 0.6, "desirableWeight": 1.3, "undesirableWeight": 0.8}),
    "orpo": ({}, {}),
    "cpo": ({"cpo_alpha": 0.7}, {"nllWeight": 0.7}),
    "simpo": ({"cpo_alpha": 0.0, "simpo_gamma": 0.3, "beta": 2.0}, {"gamma": 0.3, "beta": 2.0}),
}
NAMES = {"sigmoid-norm": "sigmoid_norm", "sppo": "sppo_hard", "apo-zero": "apo_zero", "apo-down": "apo_down", "cpo": "sigmoid"}
STEPS, BATCH, RATE = 3, 2, 1e-2
# TRL's names of what steps report, and ours
METRICS = {
    "rewards/chosen": "rewards_chosen", "rewards/rejected": "rewards_rejected", "rewards/accuracies": "rewards_accuracy",
    "rewards/margins": "rewards_margin", "logps/chosen": "logps_chosen", "logps/rejected": "logps_rejected", "kl": "kl",
    "nll_loss": "nll", "log_odds_chosen": "log_odds",
}


def tokenizer_of(model):
    tokenizer = AutoTokenizer.from_pretrained(ROOT / model / "lm")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def base_of(model):
    return AutoModelForCausalLM.from_pretrained(ROOT / model / "lm", dtype=torch.float32, attn_implementation="eager")


def start_of(model, dora, folder):
    """Saves an adapter that changes its model."""
    torch.manual_seed(7)
    config = LoraConfig(r=2, lora_alpha=6, target_modules=TARGETS[model], use_dora=dora, init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = get_peft_model(base_of(model), config)
    adapted.save_pretrained(folder)


def common(output, **more):
    return dict(
        output_dir=str(output), per_device_train_batch_size=BATCH, max_steps=STEPS, learning_rate=RATE, lr_scheduler_type="linear",
        warmup_steps=1, weight_decay=0.01, max_grad_norm=0.0, logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, bf16=False,
        fp16=False, seed=0, dataloader_pin_memory=False, train_sampling_strategy="sequential", remove_unused_columns=False,
        gradient_checkpointing=False, **more,
    )


def with_tokens(trainer_class, tokenized):
    """A trainer of CPO or ORPO with DPO's tokens."""
    rows = iter(tokenized)

    class WithTokens(trainer_class):
        def tokenize_row(self, feature, model=None):
            row = next(rows)
            fields = {"prompt_input_ids": row["prompt_ids"], "prompt_attention_mask": [1] * len(row["prompt_ids"])}
            for side in ("chosen", "rejected"):
                ids = row["prompt_ids"] + row[f"{side}_ids"]
                fields |= {
                    f"{side}_input_ids": ids,
                    f"{side}_attention_mask": [1] * len(ids),
                    f"{side}_labels": [-100] * len(row["prompt_ids"]) + row[f"{side}_ids"],
                }
            return fields

    return WithTokens


def trainer_for(loss, model, adapted, output, tokenized):
    settings, _ = LOSSES[loss]
    tokenizer = tokenizer_of(model)
    shared = dict(model=adapted, processing_class=tokenizer)
    if loss == "kto":
        args = KTOConfig(**common(output, max_length=None, **settings))
        return KTOTrainer(**shared, args=args, train_dataset=Dataset.from_list(COMPLETIONS))
    rows = Dataset.from_list(PAIRS)
    if loss == "orpo":
        return with_tokens(ORPOTrainer, tokenized)(**shared, args=ORPOConfig(**common(output, **settings)), train_dataset=rows)
    if loss in ("cpo", "simpo"):
        args = CPOConfig(**common(output, loss_type=NAMES.get(loss, loss), **settings))
        return with_tokens(CPOTrainer, tokenized)(**shared, args=args, train_dataset=rows)
    args = DPOConfig(**common(output, max_length=None, loss_type=[NAMES.get(loss, loss)], **settings))
    return DPOTrainer(**shared, args=args, train_dataset=rows)


def tokens_of(model, rows, max_length):
    """DPO's tokens, and what its collator keeps of them."""
    with tempfile.TemporaryDirectory() as output:
        start_of(model, False, output)
        adapted = PeftModel.from_pretrained(base_of(model), output, is_trainable=True)
        args = DPOConfig(**common(output, max_length=max_length))
        trainer = DPOTrainer(model=adapted, processing_class=tokenizer_of(model), args=args, train_dataset=Dataset.from_list(rows))
        keys = ("prompt_ids", "chosen_ids", "rejected_ids")
        return [{key: row[key] for key in keys} for row in trainer.train_dataset]


def run(loss, model, start, tokenized):
    with tempfile.TemporaryDirectory() as output:
        adapted = PeftModel.from_pretrained(base_of(model), start, is_trainable=True)
        trainer = trainer_for(loss, model, adapted, output, tokenized)
        trainer.train()
        steps = [entry for entry in trainer.state.log_history if "loss" in entry]
        metrics = [{ours: entry[name] for name, ours in METRICS.items() if name in entry} for entry in steps]
        trainer.model.save_pretrained(output)
        return [entry["loss"] for entry in steps], metrics, load_file(Path(output) / "adapter_model.safetensors")


def main():
    for folder in [*HERE.glob("adapters/*-lora"), *HERE.glob("adapters/*-dora")]:
        shutil.rmtree(folder)
    tokens = {"pairs": tokens_of("llama", PAIRS, None), "cut": tokens_of("llama", PAIRS, 8), "chats": tokens_of("llama", CHATS, None)}
    cases, tensors = [], {}
    for model in TARGETS:
        for dora in (False, True):
            method = "dora" if dora else "lora"
            start = HERE / "adapters" / f"{model}-{method}"
            start_of(model, dora, start)
            (start / "README.md").unlink()
            for loss in LOSSES if not dora else ("sigmoid", "kto", "orpo"):
                losses, metrics, after = run(loss, model, start, tokens_of(model, PAIRS, None))
                name = f"{model}/{method}/{loss}"
                cases.append({"name": name, "model": model, "method": method, "loss": loss, "settings": LOSSES[loss][1], "losses": losses, "metrics": metrics})
                tensors |= {f"{name}/{key}": value for key, value in after.items()}
                print(name, losses, flush=True)
    save_file(tensors, HERE / "after.safetensors")
    facts = {"pairs": PAIRS, "completions": COMPLETIONS, "chats": CHATS, "template": TEMPLATE, "tokens": tokens, "cases": cases}
    facts |= {"steps": STEPS, "batch": BATCH, "rate": RATE}
    (HERE / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")


main()
