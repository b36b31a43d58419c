"""The peer of several processes: transformers with PEFT's LoRA, or all weights, under DistributedDataParallel on Gloo. Prints a line
per step. torchrun's variables say the rank. Arguments: model, rows (JSON lines of text and label), method, rows per rank, steps.
"""

import json
import sys

import peft
import torch
import transformers
from torch.nn.parallel import DistributedDataParallel

model_folder, file, method, batch_size, steps = sys.argv[1:]
batch_size, steps = int(batch_size), int(steps)
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()

with open(file, encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
model = transformers.AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=2, dtype=torch.float32)
if method == "lora":
    config = peft.LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"])
    model = peft.get_peft_model(model, config)
# MiniLM's pooler has no gradient in some heads; DDP would wait for it
model = DistributedDataParallel(model.train(), find_unused_parameters=False)
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
for step in range(steps):
    first = (step * size + rank) * batch_size
    part = [rows[(first + i) % len(rows)] for i in range(batch_size)]
    batch = tokenizer([row["text"] for row in part], return_tensors="pt", padding=True)
    loss = model(**batch, labels=torch.tensor([row["label"] for row in part])).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    print(json.dumps({"event": "step", "loss": loss.item()}, separators=(",", ":")), flush=True)
torch.distributed.destroy_process_group()
