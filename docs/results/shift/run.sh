#!/usr/bin/env bash
# Another source for each level: 1 200 rows of a source for the lower level, 200 of the target for the upper level, evaluated on the target.
#   node scripts/studies/make-shift.js DATA runs/shift-data   (DATA has the folder glue)
#   bash docs/results/shift/run.sh
# A group of tensors on the upper level (GROUP) has a twin (GROUP-after), whose group is trained on the target's rows when the rest has been trained
# on the source's. In both, the other tensors never see the target. Each method has its own rate, by rows of the target that nothing is trained on.
name=shift tasks=(sentences noise) rates=(1e-3 3e-3) score=accuracy seeds=(0 1 2 3 4)
groups=(magnitudes scales lora-b head)
methods=(lora dora pooled target after "${groups[@]}" "${groups[@]/%/-after}")
source scripts/studies/stages.sh

run() {
  local task=$1 method=$2 rate=$3 seed=$4 rows=$5 folder=$6
  local data=runs/shift-data/$task base=lora group=${method%-after} start
  # What BiDoRA's lower level trains, without the second level.
  local dora=(--method dora --norm-gradient full --regularizer 1e-5)
  train() {
    npx bidora finetune --model sentence-transformers/all-MiniLM-L6-v2 --task sequence-classification \
      --text-columns sentence --label-column label --batch-size 32 --max-steps 80 --threads 1 --learning-rate "$rate" --seed "$seed" --validation "$data/$rows.jsonl" --output "$folder" --resume "$@"
  }
  case $method in
    # The source alone.
    lora) train --method lora --train "$data/lower.jsonl" ;;
    dora) train "${dora[@]}" --train "$data/lower.jsonl" ;;
    # Both alike, the target alone, all of LoRA on the target after the source.
    pooled)
      cat "$data/lower.jsonl" "$data/upper.jsonl" > "$folder.train.jsonl"
      train --method lora --train "$folder.train.jsonl"
      ;;
    target) train --method lora --train "$data/upper.jsonl" ;;
    after)
      start=$(need "$task" lora "$rate" "$seed")
      train --method lora --train "$data/upper.jsonl" --adapter "$start"
      ;;
    # A search whose lower level stands still, which makes the hypergradient's first term all of it.
    *-after)
      local alone=(--train "$data/lower.jsonl" --upper-train "$data/upper.jsonl" --upper "$group" --hypergradient first-order --upper-learning-rate "$rate" --learning-rate 0 --retrain-steps 0)
      if [ "$group" = magnitudes ]; then base=dora; fi
      start=$(need "$task" "$base" "$rate" "$seed")
      if [ "$base" = dora ]; then train "${dora[@]}" --adapter "$start" "${alone[@]}"; else train --method lora --adapter "$start" "${alone[@]}"; fi
      ;;
    *)
      local levels=(--train "$data/lower.jsonl" --upper-train "$data/upper.jsonl" --no-upper-rows-in-retrain)
      if [ "$group" = magnitudes ]; then train --method bidora "${levels[@]}"; else train --method lora --upper "$group" "${levels[@]}"; fi
      ;;
  esac
}

study "$@"
