"""The generation peer: transformers' `generate`, greedy, with its default cache and attention (`sdpa`), all prompts in one batch."""

import json

import torch
import transformers
from protocol import serve


def prepare(spec):
    torch.set_num_threads(spec["threads"])
    dtype = torch.bfloat16 if spec["precision"] == "bfloat16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(spec["model"], dtype=dtype, attn_implementation="sdpa")
    model.eval()
    ids = torch.tensor(spec["prompts"])
    mask = torch.ones_like(ids)
    choice = {"do_sample": False, "max_new_tokens": spec["newTokens"], "pad_token_id": 0}

    def generate():
        return model.generate(input_ids=ids, attention_mask=mask, **choice)[:, ids.shape[1] :].tolist()

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {**versions, "threads": torch.get_num_threads(), "tokens": json.dumps(generate())}, generate


if __name__ == "__main__":
    serve(prepare)
