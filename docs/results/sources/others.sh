#!/usr/bin/env bash
# The methods of the study of sources that take several runs or other rows, with the settings of its runs of lora, and all runs together in
# runs/sources, each for 32 and 64 trusted rows: pooled (all rows alike), trusted (the trusted rows alone), then (the sources, then the trusted
# rows), agreement (sources by their agreement with a model of the trusted rows).
set -euo pipefail
first=runs/sources-first/sst2 all=runs/sources/sst2 data=runs/sources-data
mkdir -p "$all"
for rows in 32 64; do
  trusted=$data/trusted-$rows.jsonl
  pooled=$data/pooled-$rows.jsonl
  { sed 's/,"source":"[^"]*"//' "$data/sources.jsonl"; cat "$trusted"; } > "$pooled"
  for seed in 0 1 2 3 4; do
    lora=$first/lora/seed-$seed
    # train NAME ROWS …: one run more, with the settings of LoRA's on the sources
    train() { npx bidora finetune "$lora/run.yaml" --train "$2" --output "$all/$1-$rows/seed-$seed" --resume "${@:3}"; }
    train pooled "$pooled"
    # Eight passes over the trusted rows, as the sources' rows have two.
    train trusted "$trusted" --max-steps $((rows / 2)) --save-every $((rows / 2))
    train then "$trusted" --max-steps $((rows / 2)) --save-every $((rows / 2)) --adapter "$lora"
    weighed=$data/weighed-$rows-$seed
    npx bidora predict --adapter "$all/trusted-$rows/seed-$seed" --input "$data/sources.jsonl" --output "$weighed.predictions.jsonl" --overwrite
    node scripts/studies/weigh-sources.js "$data/sources.jsonl" "$weighed.predictions.jsonl" "$trusted" "$weighed.jsonl"
    train agreement "$weighed.jsonl"
  done
done
cp -r "$first"/* "$all/"
