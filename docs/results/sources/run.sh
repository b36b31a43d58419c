#!/usr/bin/env bash
# A weight for each of eight sources of rows, learned on 32 or 64 trusted rows, against what is done without a second level:
#   node scripts/studies/make-sources.js DATA runs/sources-data   (DATA has the folders glue and sms_spam)
#   bash docs/results/sources/run.sh
# All sources have as many positive as negative rows. Each method has its own rate, by 500 rows of SST-2 that nothing is trained on.
name=sources tasks=(sst2) rates=(1e-3 2e-3 4e-3) score=accuracy seeds=(5 6 7 8 9)
methods=(lora)
for rows in 32 64; do methods+=("sources-$rows" "pooled-$rows" "trusted-$rows" "then-$rows" "agreement-$rows" "oracle-$rows"); done
source scripts/studies/stages.sh

readonly DATA=runs/sources-data
readonly SETTINGS=(
  --model sentence-transformers/all-MiniLM-L6-v2 --task sequence-classification --text-columns sentence --label-column label
  --method lora --weight-decay 0.01 --threads 1
)

run() {
  local task=$1 method=$2 rate=$3 seed=$4 rows=$5 folder=$6
  local size=${method##*-} start
  local -A passes=([32]=25 [64]=50)
  local trusted=$DATA/trusted-$size.jsonl other=$folder.train.jsonl
  train() { npx bidora finetune "${SETTINGS[@]}" --learning-rate "$rate" --seed "$seed" --validation "$DATA/$rows.jsonl" --output "$folder" --resume "$@"; }
  # Between three and four passes over the sources; twelve to thirteen over the trusted rows alone.
  local many=(--batch-size 64 --max-steps 100) few=(--batch-size 16 --max-steps "${passes[$size]-}")
  plain() { sed 's/,"source":"[^"]*"//'; }
  case $method in
    # The sources' rows alike, without the trusted ones.
    lora) train --train "$DATA/sources.jsonl" "${many[@]}" ;;
    sources-*) train --train "$DATA/sources.jsonl" --upper sources --source-column source --upper-train "$trusted" --xi optimizer "${many[@]}" ;;
    # All rows alike.
    pooled-*)
      plain < "$DATA/sources.jsonl" | cat - "$trusted" > "$other"
      train --train "$other" "${many[@]}"
      ;;
    trusted-*) train --train "$trusted" "${few[@]}" ;;
    # The sources, then the trusted rows.
    then-*)
      start=$(need "$task" lora "$rate" "$seed")
      train --train "$trusted" --adapter "$start" "${few[@]}"
      ;;
    # Each source by how often a model of the trusted rows agrees with it.
    agreement-*)
      start=$(need "$task" "trusted-$size" "$rate" "$seed")
      npx bidora predict --adapter "$start" --input "$DATA/sources.jsonl" --output "$folder.predictions.jsonl" --overwrite
      node scripts/studies/weigh-sources.js "$DATA/sources.jsonl" "$folder.predictions.jsonl" "$trusted" "$other"
      train --train "$other" "${many[@]}"
      ;;
    # What a reader of the labels would take: the source with SST-2's own labels and the trusted rows.
    oracle-*)
      grep '"source":"true"' "$DATA/sources.jsonl" | plain | cat - "$trusted" > "$other"
      train --train "$other" "${many[@]}"
      ;;
  esac
}

study "$@"
