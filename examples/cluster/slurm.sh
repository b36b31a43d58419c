#!/bin/bash
# A comparison as a Slurm job array.
#   npx --no -- bidora compare run.yaml --threads 8 --output runs/cmp --list > commands.txt
#   sbatch --array=1-$(wc -l < commands.txt) examples/cluster/slurm.sh commands.txt
#   npx --no -- bidora compare run.yaml --output runs/cmp --collect
#SBATCH --job-name=bidora
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
# Two minutes before the time limit the run saves a checkpoint and stops; the next submission resumes from it.
#SBATCH --signal=INT@120
set -euo pipefail

commands=$1
command=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$commands")
[ -n "$command" ] || { echo "$commands has no line ${SLURM_ARRAY_TASK_ID}." >&2; exit 1; }
exec bash -c "exec $command"
