"""The peer: transformers with PEFT, set up as in PEFT's documentation. Attention is transformers' default, `sdpa`.

precision "float32"; "bfloat16-autocast": float32 weights under torch.autocast; "bfloat16-weights": the base model loaded in
bfloat16, adapters and head in float32 as PEFT makes them; "bitsandbytes-nf4" and "bitsandbytes-int8": as "bfloat16-weights", with
the matrices of linear layers quantized by bitsandbytes while the model is loaded, as in QLoRA, without gradient checkpointing.
"""

import contextlib
import importlib.metadata
import itertools

import peft
import torch
import transformers
from batches import count_targets, make_batches
from protocol import serve

HEADS = {
    "sequence-classification": (transformers.AutoModelForSequenceClassification, "SEQ_CLS"),
    "regression": (transformers.AutoModelForSequenceClassification, "SEQ_CLS"),
    "causal-lm": (transformers.AutoModelForCausalLM, "CAUSAL_LM"),
}
TARGETS = {"query-value": ["query", "value"], "all-linear": "all-linear"}


QUANTIZATIONS = {
    "bitsandbytes-nf4": {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.bfloat16,
    },
    "bitsandbytes-int8": {"load_in_8bit": True},
}


def quantization(precision):
    settings = QUANTIZATIONS.get(precision)
    return {} if settings is None else {"quantization_config": transformers.BitsAndBytesConfig(**settings)}


def load(spec):
    precision = spec["precision"]
    dtype = torch.float32 if precision in ("float32", "bfloat16-autocast") else torch.bfloat16
    model_class, task_type = HEADS[spec["kind"]]
    head = {"num_labels": spec["labels"]} if task_type == "SEQ_CLS" else {"use_cache": False}  # as in the Trainer
    model = model_class.from_pretrained(
        spec["model"],
        dtype=dtype,
        attn_implementation="sdpa",
        ignore_mismatched_sizes=True,  # a regression head replaces the checkpoint's
        **quantization(precision),
        **head,
    )
    config = peft.LoraConfig(
        task_type=task_type,
        r=spec["rank"],
        lora_alpha=2 * spec["rank"],
        target_modules=TARGETS[spec["targets"]],
        use_dora=spec["method"] == "dora",
    )
    return peft.get_peft_model(model, config).to(device_of(spec))


def device_of(spec):
    return spec.get("device", "cpu")


def compute_type(spec):
    """A context in which the model computes in the requested precision."""
    if spec["precision"] == "float32":
        return contextlib.nullcontext
    return lambda: torch.autocast(torch.device(device_of(spec)).type, dtype=torch.bfloat16)


def training(model, spec, loss_of=None):
    loss_of = loss_of or (lambda batch: model(**batch).loss)
    model.train()
    context = compute_type(spec)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0, fused=True)

    def step(batch):
        with context():
            loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def for_inference(model, spec):
    """The model in evaluation mode and in the requested precision, and the context in which it runs."""
    model = model.eval()
    if spec["precision"] == "bfloat16-weights":
        model = model.to(torch.bfloat16)
    return model, compute_type(spec) if spec["precision"] == "bfloat16-autocast" else contextlib.nullcontext


def prediction(model, spec):
    model, context = for_inference(model.merge_and_unload(), spec)

    def step(batch):
        with torch.inference_mode(), context():
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return logits.float().tolist()

    return step


def prepare(spec):
    torch.manual_seed(0)
    torch.set_num_threads(spec["threads"])
    model = load(spec)
    device = device_of(spec)
    batches = [{key: value.to(device) for key, value in batch.items()} for batch in make_batches(spec)]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    step = (prediction if spec["task"] == "predict" else training)(model, spec)
    endless = itertools.cycle(batches)
    tokens = sum(batch["input_ids"].numel() for batch in batches)  # padding included
    count = len(batches) if spec.get("unit") == "pass" else 1

    def run():
        for _ in range(count):
            step(next(endless))

    quantized = spec["precision"] in QUANTIZATIONS
    facts = {
        **({"bitsandbytes": importlib.metadata.version("bitsandbytes")} if quantized else {}),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "threads": torch.get_num_threads(),
        "batches": len(batches),
        "tokens": tokens,
        "bearLoss": count_targets(batches, spec["kind"]),
        "trained": trained,
    }
    return facts, run


if __name__ == "__main__":
    serve(prepare)
