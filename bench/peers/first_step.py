"""The peer of a whole process: from the command to the first training step, on MRPC as published. Arguments: model, file."""

import csv
import json
import sys

import peft
import torch
import transformers

model_folder, file = sys.argv[1:]
with open(file, encoding="utf-8-sig", newline="") as lines:
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
encoded = tokenizer([row["#1 String"] for row in rows], [row["#2 String"] for row in rows], truncation=True)
examples = [{**{k: v[i] for k, v in encoded.items()}, "labels": int(row["Quality"])} for i, row in enumerate(rows)]

model = transformers.AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=2)
config = peft.LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"])
model = peft.get_peft_model(model, config).train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
collate = transformers.DataCollatorWithPadding(tokenizer)
batch = next(iter(torch.utils.data.DataLoader(examples, batch_size=32, shuffle=True, collate_fn=collate)))
with torch.autocast("cpu", dtype=torch.bfloat16):
    loss = model(**batch).loss
loss.backward()
optimizer.step()
print(json.dumps({"event": "step", "loss": loss.item()}, separators=(",", ":")), flush=True)
