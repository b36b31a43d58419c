"""Event files written by TensorBoard's own library from a run's events, and the curves that TensorBoard reads from them.

    VENV/bin/python test/golden/tensorboard/make_tensorboard.py    # needs tensorboard

events.json has the events of a run, and of the run resumed from the checkpoint at step 2. The script can also read the files of a real run:

    VENV/bin/python test/golden/tensorboard/make_tensorboard.py FOLDER    # prints every curve
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

HERE = Path(__file__).parent
FILES = {"events.out.tfevents.1764150000.bidora.1": "first", "events.out.tfevents.1764150600.bidora.2": "resumed"}
NUMBERS = ("loss", "upperLoss", "hypergradientNorm", "learningRate")


def step(minute: int, number: int, phase: str, **values: float) -> dict:
    return {"time": f"2025-11-26T09:{40 + minute}:00.250Z", "event": "step", "phase": phase, "step": number, "seconds": 1, "rows": 4, "tokens": 9, **values}


def evaluation(minute: int, number: int, phase: str, **metrics: float) -> dict:
    return {"time": f"2025-11-26T09:{40 + minute}:30.000Z", "event": "evaluation", "phase": phase, "step": number, "metrics": metrics}


EVENTS = {
    "first": [
        step(0, 1, "search", loss=0.7, upperLoss=0.71, hypergradientNorm=3.5e-3, learningRate=0.0),
        step(1, 2, "search", loss=0.6, upperLoss=0.65, hypergradientNorm=1.25, learningRate=1e-3),
        evaluation(1, 2, "search", accuracy=0.5, loss=0.66),
        step(2, 3, "search", loss=9.0, upperLoss=9.0, hypergradientNorm=9.0, learningRate=9.0),
        evaluation(2, 3, "search", accuracy=0.9, loss=9.0),
    ],
    "resumed": [
        step(10, 3, "search", loss=0.55, upperLoss=0.6, hypergradientNorm=1.0, learningRate=5e-4),
        step(11, 300, "retrain", loss=0.5, learningRate=1e-3),
        evaluation(11, 300, "retrain", accuracy=0.75, loss=0.4),
        evaluation(12, 300, "retrain", test_matthewsCorrelation=0.25, accuracy=0.75),
    ],
}


def seconds(event: dict) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def scalars(event: dict) -> dict[str, float]:
    if event["event"] == "step":
        return {f"train/{name}": event[name] for name in NUMBERS if name in event}
    return {name.replace("test_", "test/") if name.startswith("test_") else f"validation/{name}": value for name, value in event["metrics"].items()}


def write(path: Path, events: list[dict], resumed_at: int | None) -> None:
    with path.open("wb") as file:
        writer = RecordWriter(file)
        start = seconds(events[0])
        writer.write(Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
        if resumed_at is not None:
            log = SessionLog(status=SessionLog.START)
            writer.write(Event(wall_time=start, step=resumed_at + 1, session_log=log).SerializeToString())
        for event in events:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(event).items()]
            writer.write(Event(wall_time=seconds(event), step=event["step"], summary=Summary(value=values)).SerializeToString())


def curves(folder: Path) -> dict[str, list[list[float]]]:
    """Step, value and wall time of each point that TensorBoard shows, by tag."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    read.Reload()
    return {tag: [[e.step, e.value, e.wall_time] for e in read.Scalars(tag)] for tag in sorted(read.Tags()["scalars"])}


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(curves(Path(sys.argv[1])), indent=1))
        return
    for name, part in FILES.items():
        write(HERE / name, EVENTS[part], 2 if part == "resumed" else None)
    shown = curves(HERE)
    assert [point[:1] for point in shown["train/upperLoss"]] == [[1], [2], [3]], "steps after the checkpoint appear once, with the later values"
    assert all(value < 9 for points in shown.values() for _, value, _ in points), "steps after the checkpoint are dropped"
    (HERE / "events.json").write_text(json.dumps(EVENTS, indent=1) + "\n")
    (HERE / "curves.json").write_text(json.dumps(shown, indent=1) + "\n")


if __name__ == "__main__":
    main()
