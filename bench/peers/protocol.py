"""A worker's side of the benchmark's protocol: one JSON object per line, requests on stdin, answers on stdout.

{"command": "prepare", "spec": {...}}  → {"ok": true, "facts": {...}}
{"command": "run", "count": n}         → {"ok": true, "seconds": [...], "cpuSeconds": [...]}, one number per step (or pass)
{"command": "memory"}                  → {"ok": true, "peakMiB": x, "residentMiB": y}
end of stdin                           → the worker ends
"""

import json
import os
import sys
import time
import traceback


def serve(prepare):
    """`prepare(spec)` returns the facts to report, and a function that does one step (or pass)."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr
    step = None

    def answer(request):
        nonlocal step
        if request["command"] == "prepare":
            facts, step = prepare(request["spec"])
            return {"facts": facts}
        if request["command"] == "run":
            return timed(step, request["count"])
        return memory()

    for line in sys.stdin:
        try:
            reply = {"ok": True, **answer(json.loads(line))}
        except Exception:
            reply = {"ok": False, "error": traceback.format_exc()}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def timed(step, count):
    seconds, cpu_seconds = [], []
    for _ in range(count):
        began, cpu = time.perf_counter(), time.process_time()
        step()
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu)
    return {"seconds": seconds, "cpuSeconds": cpu_seconds}


def memory():
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_reserved() > 0:
        return {"peakMiB": torch.cuda.max_memory_reserved() / 2**20, "residentMiB": torch.cuda.memory_reserved() / 2**20}
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    mebibytes = lambda key: int(status[key].split()[0]) / 1024
    return {"peakMiB": mebibytes("VmHWM"), "residentMiB": mebibytes("VmRSS")}
