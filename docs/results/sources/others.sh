#!/usr/bin/env bash
# The methods of the study of sources that take several runs or other rows, with the settings of its runs of lora, and all runs together in
# runs/sources: pooled (all rows alike), trusted (the trusted rows alone), then (the sources, then the trusted rows), agreement (sources by their
# agreement with a model of the trusted rows).
set -euo pipefail
first=runs/sources-first all=runs/sources data=runs/sources-data
mkdir -p "$all"
for task in trusted-32 trusted-64; do
  trusted=$data/$task.jsonl
  pooled=$data/pooled-$task.jsonl
  { sed 's/,"source":"[^"]*"//' "$data/sources.jsonl"; cat "$trusted"; } > "$pooled"
  for seed in 0 1 2 3 4; do
    lora=$first/$task/lora/seed-$seed
    # train NAME ROWS …: one run more, like LoRA's on the sources
    train() { npx bidora finetune "$lora/run.yaml" --train "$2" --output "$all/$task/$1/seed-$seed" --resume "${@:3}"; }
    train pooled "$pooled"
    # Eight passes over the trusted rows, as the sources' rows have two.
    steps=$(($(wc -l < "$trusted") / 2))
    train trusted "$trusted" --max-steps "$steps" --save-every "$steps"
    train then "$trusted" --max-steps "$steps" --save-every "$steps" --adapter "$lora"
    weighed=$data/weighed-$task-$seed
    npx bidora predict --adapter "$all/$task/trusted/seed-$seed" --input "$data/sources.jsonl" --output "$weighed.predictions.jsonl" --overwrite
    node scripts/studies/weigh-sources.js "$data/sources.jsonl" "$weighed.predictions.jsonl" "$trusted" "$weighed.jsonl"
    train agreement "$weighed.jsonl"
  done
  cp -r "$first/$task"/* "$all/$task/"
done
