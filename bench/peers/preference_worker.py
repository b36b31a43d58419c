"""The peer for preference tuning: TRL's DPOTrainer with PEFT. Its loss is called on batches of its own collator, without its loop.

Rows are tokenized in advance. The reference is the model with its adapter switched off, computed in each step, as by default. Precisions are
those of peft_worker.py.
"""

import itertools
import json
import os
import tempfile

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import peft
import torch
import transformers
import trl
from datasets import Dataset
from peft_worker import load, training
from protocol import serve
from tokenizers import Tokenizer, models


def tokenizer():
    """For a trainer that is given tokens."""
    words = {"[PAD]": 0, "[EOS]": 1, "[UNK]": 2}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="[UNK]")), pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]"
    )


def trainer_of(model, spec):
    args = trl.DPOConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=spec["batchSize"], max_length=None, report_to=[], use_cpu=True,
        bf16=False, gradient_checkpointing=False, disable_tqdm=True,
    )
    rows = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c d"}])
    return trl.DPOTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer())


def prepare(spec):
    torch.manual_seed(0)
    torch.set_num_threads(spec["threads"])
    with open(spec["data"]) as file:
        rows = json.load(file)["rows"]
    model = load({**spec, "kind": "causal-lm"})
    trainer = trainer_of(model, spec)
    size = spec["batchSize"]
    tokens = [{"prompt_ids": row["ids"], "chosen_ids": row["answers"][0], "rejected_ids": row["answers"][1]} for row in rows]
    batches = itertools.cycle([trainer.data_collator(tokens[i : i + size]) for i in range(0, len(tokens), size)])
    step = training(trainer.model, spec, lambda batch: trainer.compute_loss(trainer.model, batch))
    facts = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "trl": trl.__version__,
        "threads": torch.get_num_threads(),
        "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
    return facts, lambda: step(next(batches))


if __name__ == "__main__":
    serve(prepare)
