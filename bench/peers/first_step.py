"""The peer as a whole process: from the command to the first training step, on MRPC as published.
Arguments: model, file, and the precision: "float32"; "bfloat16-autocast": float32 weights under torch.autocast;
"bfloat16-weights": the base model loaded in bfloat16.
"""

import csv
import json
import sys

import peft
import torch
import transformers

model_folder, file, precision = sys.argv[1:]
with open(file, encoding="utf-8-sig", newline="") as lines:
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
encoded = tokenizer([row["#1 String"] for row in rows], [row["#2 String"] for row in rows], truncation=True)
examples = [{**{k: v[i] for k, v in encoded.items()}, "labels": int(row["Quality"])} for i, row in enumerate(rows)]

dtype = torch.bfloat16 if precision == "bfloat16-weights" else torch.float32
model = transformers.AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=2, dtype=dtype)
config = peft.LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"])
model = peft.get_peft_model(model, config).train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
collate = transformers.DataCollatorWithPadding(tokenizer)
batch = next(iter(torch.utils.data.DataLoader(examples, batch_size=32, shuffle=True, collate_fn=collate)))
with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16-autocast"):
    loss = model(**batch).loss
loss.backward()
optimizer.step()
print(json.dumps({"event": "step", "loss": loss.item()}, separators=(",", ":")), flush=True)
