"""transformers' results in bfloat16 for tiny random decoders: greedy tokens, and logits together with those of the same weights in float64.

VENV/bin/python test/golden/packed.py test/golden/generation/bfloat16.py
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from precision import keep_float64  # noqa: E402

FOLDERS = {name: HERE.parent / name / "lm" for name in ("llama", "gpt2")}
PROMPTS = 6
NEW = 24


def prompt(number: int, vocabulary: int) -> torch.Tensor:
    return torch.randint(3, vocabulary, (1, 2 + 3 * number), generator=torch.Generator().manual_seed(number))


@torch.no_grad()
def main() -> None:
    for name, folder in FOLDERS.items():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
        precise = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).double().eval()
        tensors = {}
        for number in range(PROMPTS):
            ids = prompt(number, model.config.vocab_size)
            mask = torch.ones_like(ids)
            all_ids = model.generate(ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0)
            tensors |= {
                f"{number}.prompt": ids[0],
                f"{number}.tokens": all_ids[0, ids.shape[1] :].contiguous(),
                f"{number}.logits": model(all_ids).logits[0, :-1],
                f"{number}.precise": precise(all_ids).logits[0, :-1].float(),
            }
        save_file(tensors, HERE / f"bfloat16-{name}.safetensors")


keep_float64()
main()
