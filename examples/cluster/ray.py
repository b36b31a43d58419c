"""A comparison with Ray: one task per run.

    npx --no -- bidora compare run.yaml --threads 8 --output runs/cmp --list > commands.txt
    python examples/cluster/ray.py commands.txt 8
    npx --no -- bidora compare run.yaml --output runs/cmp --collect
"""

import subprocess
import sys

import ray

commands_file, threads = sys.argv[1], int(sys.argv[2])
ray.init()


@ray.remote(num_cpus=threads, max_retries=3)
def run(command: str) -> int:
    return subprocess.run(command, shell=True).returncode


with open(commands_file) as lines:
    codes = ray.get([run.remote(line) for line in lines if line.strip()])
sys.exit(1 if any(codes) else 0)
