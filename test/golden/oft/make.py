"""Golden files of OFT: adapters that PEFT saved, their logits, gradients and merged weights, and AdamW steps from them, on BERT's checkpoint.

Run as the others:  python test/golden/packed.py test/golden/oft/make.py
"""

import sys
import warnings
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
import adapters  # noqa: E402
import training  # noqa: E402
from checkpoints import write_json  # noqa: E402
from families import FAMILIES  # noqa: E402
from peft import OFTConfig  # noqa: E402

FAMILY = next(family for family in FAMILIES if family.name == "bert")
TARGET = Path(__file__).parent
# Layers are 36 and 52 wide: 7 blocks become 6 or 4, and blocks of 10 become blocks of 9 or 13.
RECIPES = {
    "oft": {"r": 4, "oft_block_size": 0, "target_modules": ["query", "value"]},
    "oft-cayley": {"r": 7, "oft_block_size": 0, "target_modules": ["query", "intermediate.dense", "output.dense"], "use_cayley_neumann": False, "bias": "oft_only"},
    "oft-shared": {"oft_block_size": 10, "target_modules": ["word_embeddings", "key", "output.dense"], "block_share": True, "num_cayley_neumann_terms": 7},
    "oft-embedding": {"r": 3, "oft_block_size": 0, "target_modules": ["word_embeddings", "value"], "num_cayley_neumann_terms": 2, "bias": "all"},
    "oft-coft": {"r": 6, "oft_block_size": 0, "target_modules": ["value", "attention.output.dense"], "coft": True, "eps": 0.4, "module_dropout": 0.3, "num_cayley_neumann_terms": 4},
}
RUNS = {
    "oft-linear": ("oft", {}),
    "oft-cayley-clipped-accumulated": ("oft-cayley", {"maxGradNorm": 0.5, "gradientAccumulation": 2}),
    "oft-shared-linear": ("oft-shared", {"weightDecay": 0.1}),
    "oft-coft-constant": ("oft-coft", {"schedule": "constant", "warmupRatio": 0.1}),
}


def constrain(model) -> None:
    """PEFT constrains rotations at the beginning of a pass, so those of the last step only by another pass."""
    training.task_loss(model, next(training.batches(FAMILY, ROOT, 4)))


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    link = TARGET / "single"
    link.symlink_to(ROOT / "bert/single")
    adapters.MERGED = tuple(RECIPES)
    try:
        cases = [adapters.write_case(FAMILY, ROOT, TARGET, "single", name, recipe | {"config": OFTConfig}) for name, recipe in RECIPES.items()]
        runs = training.write_training(FAMILY, ROOT, TARGET, RUNS, constrain)
    finally:
        link.unlink()
    for entry in cases + runs:  # paths are relative to the family's folder
        entry |= {"family": "bert"} | {key: f"../oft/{entry[key]}" for key in ("adapter", "file")}
    write_json(TARGET / "golden.json", {"family": "bert", "adapters": [case | {"method": "oft"} for case in cases], "training": runs})


if __name__ == "__main__":
    main()
