"""Runs a script of this folder on single safetensors files:  python packed.py make.py bert   (paths are from the working folder)

In the repository a topic's safetensors files are one file, `TOPIC/golden.safetensors`: a tensor's name is its file, ` : `, and its name there;
the metadata has each file's own. Before the script they are unpacked, afterwards packed. test/support/golden.ts unpacks a copy for the tests.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
PACKED = "golden.safetensors"
BETWEEN = " : "


def read(path: Path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:start]), content[start:]


def write(path: Path, header: dict, data: bytes) -> None:
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def moved(entries: dict, by: int, rename) -> dict:
    return {rename(name): entry | {"data_offsets": [at + by for at in entry["data_offsets"]]} for name, entry in entries.items()}


def pack(topic: Path) -> None:
    files = sorted(topic.rglob("*.safetensors"))
    if not files:
        return
    metadata, tensors, parts, end = {}, {}, [], 0
    for path in files:
        header, data = read(path)
        name = path.relative_to(topic).as_posix()
        metadata[name] = json.dumps(header.pop("__metadata__", {}), separators=(",", ":"))
        tensors |= moved(header, end, lambda tensor: name + BETWEEN + tensor)
        parts.append(data)
        end += len(data)
    for path in files:
        path.unlink()
    write(topic / PACKED, {"__metadata__": metadata} | tensors, b"".join(parts))


def unpack(topic: Path) -> None:
    if not (topic / PACKED).exists():
        return
    header, data = read(topic / PACKED)
    for name, metadata in header.pop("__metadata__").items():
        prefix = name + BETWEEN
        entries = {tensor: entry for tensor, entry in header.items() if tensor.startswith(prefix)}
        offsets = [at for entry in entries.values() for at in entry["data_offsets"]] or [0]
        own = moved(entries, -min(offsets), lambda tensor: tensor.removeprefix(prefix))
        of_file = {"__metadata__": json.loads(metadata)} if metadata != "{}" else {}
        write(topic / name, of_file | own, data[min(offsets) : max(offsets)])
    (topic / PACKED).unlink()


def topics() -> list[Path]:
    # earlier/ has what an earlier version wrote, as it wrote it.
    return [path for path in ROOT.iterdir() if path.is_dir() and path.name != "earlier"]


def main() -> None:
    for topic in topics():
        unpack(topic)
    try:
        subprocess.run([sys.executable, *sys.argv[1:]], check=True)
    finally:
        for topic in topics():  # with new ones
            pack(topic)


if __name__ == "__main__":
    main()
