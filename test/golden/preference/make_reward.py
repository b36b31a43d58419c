"""Writes the golden files of reward models: python test/golden/packed.py test/golden/preference/make_reward.py, after make.py. Needs trl 1.16.0.

TRL's RewardTrainer on a decoder and an encoder, from adapters whose B is not zero: the loss of each step, and the adapter after the steps.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.dont_write_bytecode = True

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

HERE = Path(__file__).parent
ROOT = HERE.parent

MODELS = {"llama": ("llama/lm", ["q_proj", "v_proj"]), "bert": ("bert/single", ["query", "value"])}
ROWS = [
    {"prompt": "The small boat", "chosen": " left the harbour before sunrise.", "rejected": " apples", "margin": 0.5},
    {"prompt": "A teacher wrote", "chosen": " long words", "rejected": " and then seven red apples fell from the tree", "margin": 0.0},
    {"prompt": "old", "chosen": " stone wall near the river", "rejected": " small small small", "margin": 1.25},
    {"prompt": "seven red apples fell from", "chosen": " the tree [SEP]", "rejected": " the stone", "margin": -0.5},
    {"prompt": "morning on the board, and then the", "chosen": " river", "rejected": " river river", "margin": 0.1},
    {"prompt": "three long", "chosen": " words on the board", "rejected": " the", "margin": 2.0},
]
# name: TRL's settings, ours, and whether rows have their margins
CASES = {
    "plain": ({}, {}, False),
    "margin": ({}, {}, True),
    "centered": ({"center_rewards_coefficient": 0.3}, {"centerRewards": 0.3}, True),
}
STEPS, BATCH, RATE = 3, 2, 1e-2


def base_of(folder):
    torch.manual_seed(3)
    return AutoModelForSequenceClassification.from_pretrained(
        ROOT / folder, num_labels=1, dtype=torch.float32, attn_implementation="eager", ignore_mismatched_sizes=True
    )


def start_of(model, folder):
    base, targets = MODELS[model]
    torch.manual_seed(7)
    config = LoraConfig(r=2, lora_alpha=6, target_modules=targets, init_lora_weights=False, task_type="SEQ_CLS")
    get_peft_model(base_of(base), config).save_pretrained(folder)
    (folder / "README.md").unlink()


def run(model, start, settings, rows):
    base, _ = MODELS[model]
    with tempfile.TemporaryDirectory() as output:
        tokenizer = AutoTokenizer.from_pretrained(ROOT / base)
        if model == "bert":
            tokenizer.eos_token = "[SEP]"
        adapted = PeftModel.from_pretrained(base_of(base), start, is_trainable=True)
        adapted.config.pad_token_id = tokenizer.pad_token_id
        args = RewardConfig(
            output_dir=output, per_device_train_batch_size=BATCH, max_steps=STEPS, learning_rate=RATE, lr_scheduler_type="linear",
            warmup_steps=1, weight_decay=0.01, max_grad_norm=0.0, logging_steps=1, report_to=[], save_strategy="no", use_cpu=True,
            bf16=False, seed=0, dataloader_pin_memory=False, train_sampling_strategy="sequential", gradient_checkpointing=False,
            max_length=None, **settings,
        )
        trainer = RewardTrainer(model=adapted, processing_class=tokenizer, args=args, train_dataset=Dataset.from_list(rows))
        tokens = [[row["chosen_ids"], row["rejected_ids"]] for row in trainer.train_dataset]
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        trainer.model.save_pretrained(output)
        return tokens, losses, load_file(Path(output) / "adapter_model.safetensors")


def main():
    cases, tensors = [], {}
    for model in MODELS:
        start = HERE / "adapters" / f"{model}-reward"
        start_of(model, start)
        for name, (settings, ours, has_margins) in CASES.items():
            rows = [row if has_margins else {key: value for key, value in row.items() if key != "margin"} for row in ROWS]
            tokens, losses, after = run(model, start, settings, rows)
            full = f"{model}/{name}"
            cases.append(dict(name=full, model=MODELS[model][0], settings=ours, rows=rows, tokens=tokens, losses=losses))
            tensors |= {f"{full}/{key}": value for key, value in after.items()}
            print(full, losses, flush=True)
    save_file(tensors, HERE / "after_reward.safetensors")
    facts = {"cases": cases, "steps": STEPS, "batch": BATCH, "rate": RATE}
    (HERE / "reward.json").write_text(json.dumps(facts, indent=1) + "\n")


main()
