#!/usr/bin/env bash
# The methods of the study of a shift that take several runs or other rows, with the settings of its runs, and all runs together in runs/shift: GROUP-after
# (trained on the source, then this group alone on the target's rows), after (all of LoRA on the target's rows afterwards), target (these rows
# alone), pooled (both rows alike).
set -euo pipefail
first=runs/shift-first all=runs/shift data=runs/shift-data
mkdir -p "$all"
for task in paraphrases similarity; do
  target=$data/$task/upper.jsonl pooled=$data/$task/pooled.jsonl
  cat "$data/$task/lower.jsonl" "$target" > "$pooled"
  for seed in 0 1 2 3 4; do
    # train NAME START …: one run more, with the settings of the run in START
    train() { npx bidora finetune "$2/run.yaml" --output "$all/$task/$1/seed-$seed" --resume "${@:3}"; }
    lora=$first/$task/lora/seed-$seed dora=$first/$task/dora-matched/seed-$seed
    train pooled "$lora" --train "$pooled"
    train target "$lora" --train "$target"
    train after "$lora" --train "$target" --adapter "$lora"
    # A search whose lower level stands still trains its upper level alone, on the upper level's rows.
    alone=(--upper-train "$target" --learning-rate 0 --upper-learning-rate 1e-3 --retrain-steps 0)
    for group in scales lora-b head; do train "$group-after" "$lora" --adapter "$lora" --upper "$group" "${alone[@]}"; done
    train magnitudes-after "$dora" --adapter "$dora" --upper magnitudes "${alone[@]}"
  done
  cp -r "$first/$task"/* "$all/$task/"
done
