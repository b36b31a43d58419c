# For studies whose methods take several runs, one from the other, which `compare` can't plan. Sourced by a script that defines
#   name, tasks, methods, rates, score (a key of metrics.json), seeds
#   run TASK METHOD RATE SEED ROWS FOLDER   one run; ROWS are those to evaluate: `tuning` for the seed that judges nothing, else `validation`
# and ends with `study "$@"`. Each method's rate has the best score of the tuning seed (docs/results/NAME/rates.json); the judging runs are
# collected in runs/NAME, and the pairs of methods in docs/results/NAME/pairs are tested. Runs that are there are kept. Two runs are made at a time (JOBS).
set -euo pipefail
shopt -s inherit_errexit
readonly TUNING_SEED=100

# need TASK METHOD RATE SEED: prints the run's folder, after the run; another process that needs the same run waits for it
need() {
  local folder=runs/$name-stages/$1/$2/$3/seed-$4 rows=validation
  if [ "$4" = "$TUNING_SEED" ]; then rows=tuning; fi
  mkdir -p "$folder"
  (
    flock 9
    [ -e "$folder/metrics.json" ] || run "$@" "$rows" "$folder" >&2
  ) 9> "$folder.lock"
  echo "$folder"
}

# at_once: makes the runs that stand in the input, one a line
at_once() { xargs -P "${JOBS:-2}" -L 1 bash "$0"; }

study() {
  if [ $# -gt 0 ]; then
    need "$@" > /dev/null
    return
  fi
  local task method rate seed chosen=docs/results/$name/rates.json
  for task in "${tasks[@]}"; do
    for method in "${methods[@]}"; do for rate in "${rates[@]}"; do echo "$task $method $rate $TUNING_SEED"; done; done
  done | at_once
  node scripts/studies/choose-rates.js "runs/$name-stages" "$score" "$TUNING_SEED" > "$chosen"
  judging() { node scripts/studies/choose-rates.js --chosen "$chosen"; }
  while read -r task method rate; do
    for seed in "${seeds[@]}"; do echo "$task $method $rate $seed"; done
  done < <(judging) | at_once
  while read -r task method rate; do
    mkdir -p "runs/$name/$task/$method"
    for seed in "${seeds[@]}"; do
      cp -rn "runs/$name-stages/$task/$method/$rate/seed-$seed" "runs/$name/$task/$method/"
      # Runs of one method differ in their seed alone, and so do the paths of what they start from and train on.
      sed -i "s#\(runs/$name-stages[^\"' ]*\)/seed-$seed#\1/seed-N#g" "runs/$name/$task/$method/seed-$seed"/{run.yaml,events.jsonl}
    done
  done < <(judging)
  npx bidora compare --collect --margin 0.01 --pairs "$(cat "docs/results/$name/pairs")" --output "runs/$name"
}
