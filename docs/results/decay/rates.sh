#!/usr/bin/env bash
# LoRA's rate for each task of the study of weight decay (rates.json): the best mean score on 80 held-out rows of the 400, over five seeds that
# judge nothing. DATA has the folders glue and ud_english_ewt.
#   node scripts/studies/flip-labels.js DATA/glue/SST-2 0.2 runs/sst2-noise
#   bash docs/results/decay/rates.sh DATA
set -euo pipefail
if [ $# -eq 1 ]; then
  for task in sst2 noise pos; do for rate in 1e-3 2e-3 4e-3 8e-3; do for seed in 100 101 102 103 104; do echo "$1 $task $rate $seed"; done; done; done |
    xargs -P "${JOBS:-2}" -L 1 bash "$0"
  node scripts/studies/choose-rates.js runs/decay-rates holdout_accuracy 100,101,102,103,104 > docs/results/decay/rates.json
  exit
fi
rows=(--task glue/sst2 --data "$1/glue/SST-2")
case $2 in
  noise) rows=(--task glue/sst2 --data runs/sst2-noise) ;;
  pos) rows=(--task token-classification --train "$1/ud_english_ewt/en_ewt-ud-train.conllu" --validation "$1/ud_english_ewt/en_ewt-ud-dev.conllu") ;;
esac
npx bidora finetune --model sentence-transformers/all-MiniLM-L6-v2 "${rows[@]}" --train-limit 400 --holdout-fraction 0.2 --method lora --weight-decay 0.1 \
  --batch-size 16 --max-steps 200 --threads 1 --learning-rate "$3" --seed "$4" --output "runs/decay-rates/$2/lora/$3/seed-$4" --resume
