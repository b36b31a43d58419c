"""Writes all golden files in this folder (see README.md):  python packed.py make.py, or those of some families:  python packed.py make.py bert roberta

Needs torch, transformers, peft, tokenizers and safetensors. The same versions give the same bytes.
"""

import json
import os
import shutil
import sys
import time
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.dont_write_bytecode = True

import peft
import tokenizers
import torch
import transformers
from adapters import write_adapters
from bidora import check_reference, write_hypergradients, write_runs
from bitfit import write_bitfit
from bottleneck import write_bottlenecks
from checkpoints import write_checkpoints, write_json
from dropout import write_dropout
from families import FAMILIES
from forward import write_forward, write_full_gradient
from precision import keep_float64
from questions import write_questions
from texts import make_rows
from training import write_training

ROOT = Path(__file__).parent


def write_family(family, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    write_checkpoints(family, target)
    manifest = {"family": family.name, "forward": write_forward(family, ROOT, target)}
    if family.depth >= 2 or family.recipes:
        manifest["adapters"] = write_adapters(family, ROOT, target)
    if family.depth >= 2:
        manifest["dropout"] = write_dropout(family, ROOT, target)
        manifest["training"] = write_training(family, ROOT, target)
        if not family.is_decoder:
            manifest["bitfit"] = write_bitfit(family, ROOT, target)
        if bottlenecks := write_bottlenecks(family, ROOT, target):
            manifest["bottlenecks"] = bottlenecks
        check_reference(family, ROOT, target)
        manifest["hypergradients"] = write_hypergradients(family, ROOT, target)
        manifest["bidora"] = write_runs(family, ROOT, target)
    if family.answers_questions and (family.depth >= 2 or family.is_decoder):
        manifest["questions"] = write_questions(family, ROOT, target)
    if family.depth >= 3:
        manifest["fullGradient"] = write_full_gradient(family, ROOT, target)
    for file in target.rglob("*.safetensors"):
        file.chmod(0o644)
    write_json(target / "golden.json", manifest)


def main() -> None:
    torch.set_num_threads(1)
    keep_float64()
    warnings.filterwarnings("ignore")
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    (ROOT / "rows").mkdir(exist_ok=True)
    for name, rows in make_rows().items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (ROOT / "rows" / f"{name}.jsonl").write_text("".join(lines))
    for family in [family for family in FAMILIES if family.name in sys.argv[1:] or not sys.argv[1:]]:
        began = time.time()
        write_family(family, ROOT / family.name)
        print(f"{family.name}: {time.time() - began:.0f} s")
    versions = {module.__name__: module.__version__ for module in (torch, transformers, peft, tokenizers)}
    write_json(ROOT / "golden.json", {"families": [family.name for family in FAMILIES], "madeWith": versions})


if __name__ == "__main__":
    main()
