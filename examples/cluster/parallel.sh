#!/bin/bash
# A comparison with GNU parallel: the third argument is the number of runs at once, which share the cores.
#   examples/cluster/parallel.sh run.yaml runs/cmp 4
# Other machines with the same shared folders join with --sshloginfile (see its manual). The same call repeats what failed.
set -euo pipefail

file=$1 output=$2 jobs=$3
threads=$(( $(nproc) / jobs ))
bidora=${BIDORA:-npx --no -- bidora}

$bidora compare "$file" --output "$output" --threads "$(( threads > 0 ? threads : 1 ))" --list |
  parallel --jobs "$jobs" --joblog "$output.joblog"
$bidora compare "$file" --output "$output" --collect
