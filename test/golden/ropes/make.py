"""RoPE frequencies from transformers' configurations, and logits beyond the pretraining context:  python test/golden/packed.py test/golden/ropes/make.py

Writes ropes.json and logits.safetensors here. The logits are those of ../FAMILY/lm with other settings. Each row has its own model, since
transformers gives all rows of a batch the frequencies of the longest row, and keeps them after a long row.
"""

import json
import os
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1"}

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.mistral.modeling_mistral import MistralRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

HERE = Path(__file__).parent
ROTARY = {
    "llama": LlamaRotaryEmbedding, "mistral": MistralRotaryEmbedding, "qwen2": Qwen2RotaryEmbedding, "qwen3": Qwen3RotaryEmbedding,
    "phi3": Phi3RotaryEmbedding, "gemma3_text": Gemma3RotaryEmbedding,
}
SIZES = {"hidden_size": 96, "num_attention_heads": 3, "num_key_value_heads": 1, "num_hidden_layers": 6, "vocab_size": 40000, "max_position_embeddings": 64}

LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
SHORT, LONG = [1 + i / 20 for i in range(16)], [1 + i * i / 3 for i in range(16)]
LONGROPE = {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 24}
PARTIAL = {"short_factor": SHORT[:8], "long_factor": LONG[:8]}

# name, model_type, settings, lengths
CASES = (
    ("default", "llama", {}, [7]),
    ("theta beside", "llama", {"rope_theta": 500000.0}, [7]),
    ("theta inside", "llama", {"rope_theta": 7.0, "rope_parameters": {"rope_type": "default", "rope_theta": 2e4}}, [7]),
    ("an empty rope_scaling", "llama", {"rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 1e4}}, [7]),
    ("head_dim", "mistral", {"head_dim": 10, "sliding_window": None}, [7]),
    ("linear, old", "llama", {"rope_scaling": {"type": "linear", "factor": 2.5}}, [7, 100]),
    ("linear, new", "qwen3", {"head_dim": 20, "rope_parameters": {"rope_type": "linear", "factor": 3, "rope_theta": 1e6}}, [100]),
    ("dynamic, old", "llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, [10, 64, 65, 100, 3001]),
    ("dynamic, new", "mistral", {"rope_parameters": {"rope_type": "dynamic", "factor": 1.7, "rope_theta": 3e5}}, [64, 90, 20000]),
    ("llama3, old", "llama", {"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "original_max_position_embeddings": 32, **LLAMA3}}, [100]),
    ("llama3, new", "llama", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4, "original_max_position_embeddings": 4096, **LLAMA3}}, [100]),
    ("llama3 of the context itself", "llama", {"rope_theta": 1e4, "rope_scaling": {"type": "llama3", **LLAMA3, "factor": 3.3}}, [100]),
    ("llama3 with the first context beside", "llama",
     {"original_max_position_embeddings": 512, "rope_theta": 1e4, "rope_scaling": {"rope_type": "llama3", "original_max_position_embeddings": 32, **LLAMA3}}, [100]),
    ("yarn, old", "qwen2", {"rope_theta": 1e6, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}, [100]),
    ("yarn, new", "llama", {"rope_parameters": YARN | {"rope_theta": 1e4}}, [100]),
    ("yarn of the context itself", "llama", {"rope_theta": 1e4, "rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, [100]),
    ("yarn, not truncated", "llama", {"rope_theta": 150.0, "rope_scaling": YARN | {"truncate": False, "beta_fast": 2.0, "beta_slow": 0.5}}, [100]),
    ("yarn, truncated", "llama", {"rope_theta": 150.0, "rope_scaling": YARN | {"beta_fast": 2.0, "beta_slow": 0.5}}, [100]),
    ("yarn, both ends one", "llama", {"rope_theta": 1e4, "rope_scaling": YARN | {"beta_fast": 2.6, "beta_slow": 2.6}}, [100]),
    ("yarn, attention_factor", "llama", {"rope_theta": 1e4, "rope_scaling": YARN | {"attention_factor": 0.8}}, [100]),
    ("yarn, mscale", "llama", {"rope_theta": 1e4, "rope_scaling": YARN | {"mscale": 0.7, "mscale_all_dim": 1.3}}, [100]),
    ("yarn, mscale alone", "llama", {"rope_theta": 1e4, "rope_scaling": YARN | {"mscale": 0.7}}, [100]),
    ("yarn, factor 1", "llama", {"rope_theta": 1e4, "rope_scaling": YARN | {"factor": 1.0}}, [100]),
    ("yarn, no factor", "llama", {"rope_theta": 1e4, "rope_scaling": YARN | {"factor": None}}, [100]),
    ("longrope", "llama", {"rope_theta": 1e4, "rope_scaling": LONGROPE}, [24, 25]),
    ("longrope with a factor", "llama", {"rope_theta": 1e4, "rope_scaling": LONGROPE | {"factor": 16.0}}, [20, 100]),
    ("longrope with an attention_factor", "mistral", {"rope_parameters": LONGROPE | {"attention_factor": 1.19, "rope_theta": 1e5}}, [20, 100]),
    ("phi3", "phi3", {"max_position_embeddings": 131072, "rope_scaling": LONGROPE | {"rope_type": "longrope"}}, [4096, 4097]),
    ("phi3, su", "phi3", {"original_max_position_embeddings": 24, "rope_scaling": {**LONGROPE, "type": "su", "rope_type": "su"}}, [24, 25]),
    ("phi3, yarn", "phi3", {"original_max_position_embeddings": 24, "rope_scaling": {"type": "yarn", "short_factor": SHORT, "long_factor": LONG}}, [24, 25]),
    ("phi3, in part", "phi3", {"original_max_position_embeddings": 24, "partial_rotary_factor": 0.5, "rope_scaling": LONGROPE | PARTIAL}, [24, 25]),
    ("phi3, in part, inside", "phi3", {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75}}, [25]),
    ("gemma3", "gemma3_text", {"head_dim": 32}, [7]),
    ("gemma3, old", "gemma3_text",
     {"head_dim": 32, "rope_theta": 5e5, "rope_local_base_freq": 5e3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}, [7]),
    ("gemma3, new", "gemma3_text",
     {"head_dim": 32, "rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 300.0}}}, [7, 200]),
    ("gemma3, mixed", "gemma3_text",
     {"head_dim": 32, "original_max_position_embeddings": 7, "rope_theta": 77.0, "rope_scaling": {"factor": 3.0},
      "rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32}}}, [7]),
)


def rope_of(config, length: int) -> dict:
    """The RoPE of each layer type for a sequence of `length` tokens, from a new module."""
    rotary = ROTARY[config.model_type](config)
    kinds = ["full_attention", "sliding_attention"] if config.model_type == "gemma3_text" else [None]
    made = {}
    for kind in kinds:
        rotary(torch.zeros(1), torch.arange(length)[None], *([kind] if kind else []))
        prefix = f"{kind}_" if kind else ""
        frequencies = getattr(rotary, f"{prefix}inv_freq")
        # A dynamic rope of one layer type stores its factor, which is 1, without the layer type's prefix.
        factor = getattr(rotary, f"{prefix}attention_scaling")
        made[kind or "full_attention"] = {"frequencies": frequencies.tolist(), "factor": float(factor)}
    return {"length": length, **made}


def frequencies() -> list[dict]:
    entries = []
    for name, kind, settings, lengths in CASES:
        json_config = {"model_type": kind, **SIZES, **json.loads(json.dumps(settings))}
        ropes = [rope_of(AutoConfig.for_model(**json.loads(json.dumps(json_config))), length) for length in lengths]
        entries.append({"name": name, "config": json_config, "ropes": ropes})
    return entries


# family, settings that override those of ../FAMILY/lm, whose head sizes are 6, 8 (6 of them rotated) and 10
LOGITS = {
    "linear": ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}),
    "dynamic": ("llama", {"max_position_embeddings": 12, "rope_scaling": {"type": "dynamic", "factor": 3.0}}),
    "llama3": ("llama", {"rope_theta": 10.0, "rope_scaling": {"rope_type": "llama3", "original_max_position_embeddings": 16, **LLAMA3}}),
    "yarn": ("llama", {"rope_theta": 20.0, "rope_scaling": YARN | {"beta_fast": 2.0, "beta_slow": 0.3}}),
    "longrope": ("phi3", {"original_max_position_embeddings": 14}),
    "layers": ("gemma3_text", {"max_position_embeddings": 12, "rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_type": "dynamic", "factor": 3.0}}}),
}
LENGTHS = (12, 40, 5, 13, 15)


@torch.no_grad()
def logits() -> dict[str, torch.Tensor]:
    """The logits of each row's last token."""
    ids = torch.randint(4, 117, (sum(LENGTHS),), generator=torch.Generator().manual_seed(3))
    tensors = {"input_ids": ids, "lengths": torch.tensor(LENGTHS)}
    for name, (family, settings) in LOGITS.items():
        folder = HERE.parent / family / "lm"
        raw = {key: value for key, value in json.loads((folder / "config.json").read_text()).items() if key != "rope_parameters"}
        if family == "phi3":
            raw["rope_parameters"] = json.loads((folder / "config.json").read_text())["rope_parameters"]
        rows = []
        for row in ids.split(LENGTHS):
            config = AutoConfig.for_model(**json.loads(json.dumps(raw | settings)))
            model = AutoModelForCausalLM.from_pretrained(folder, config=config, attn_implementation="sdpa").eval()
            rows.append(model(input_ids=row[None]).logits[0, -1])
        tensors[name] = torch.stack(rows)
    return tensors


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    settings = {name: {"family": family, "config": config} for name, (family, config) in LOGITS.items()}
    text = json.dumps({"frequencies": frequencies(), "logits": settings}, indent=1)
    (HERE / "ropes.json").write_text(text + "\n")
    save_file(logits(), HERE / "logits.safetensors")
    (HERE / "logits.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
