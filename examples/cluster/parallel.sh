#!/bin/bash
# A comparison by GNU parallel: so many runs at once, each with its share of the cores.
#   examples/cluster/parallel.sh run.yaml runs/cmp 4
# Other machines join by --sshloginfile (see its manual), where the folders are shared. What failed is done again by the same call.
set -euo pipefail

file=$1 output=$2 jobs=$3
threads=$(( $(nproc) / jobs ))
bidora=${BIDORA:-npx --no -- bidora}

$bidora compare "$file" --output "$output" --threads "$(( threads > 0 ? threads : 1 ))" --list |
  parallel --jobs "$jobs" --joblog "$output.joblog"
$bidora compare "$file" --output "$output" --collect
