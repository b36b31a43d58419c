"""Writes the Parquet files next to this one by pyarrow: python test/golden/data/make_parquet.py"""

import datetime
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
table = pa.table(
    {
        "sentence1": ["Ein Mädchen 😀", "", "line\nbreak"] * 5,
        "sentence2": ["eins", "zwei", "drei"] * 5,
        "label": pa.array([0, 1, 2] * 5, pa.int64()),
        "score": pa.array([0.5, 1.0, 4.75] * 5, pa.float32()),
        "tokens": [["The", "cat"], ["sat"], ["on", "the", "mat"]] * 5,
        "ner_tags": pa.array([[0, 1], [0], [2, 0, 0]] * 5, pa.list_(pa.int64())),
    }
)
for compression in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(table, HERE / f"{compression}.parquet", compression=compression, row_group_size=4)

message = pa.struct({"role": pa.string(), "content": pa.string(), "name": pa.string()})
talks = [
    [{"role": "user", "content": "Ein Mädchen 😀"}, {"role": "assistant", "content": "", "name": "Ann"}],
    [{"role": "user", "content": "line\nbreak"}],
]
pq.write_table(pa.table({"messages": pa.array(talks, pa.list_(message))}), HERE / "messages.parquet")

label = pa.array([1, 0], pa.int8())
twice = pa.table([pa.array(["a", "b"]), label, label], names=["text", "label", "label"])
pq.write_table(twice, HERE / "twice.parquet", compression="none", use_dictionary=False, write_statistics=False, store_schema=False)

struct = pa.struct({"id": pa.int64(), "deep": pa.list_(pa.struct({"n": pa.int64()}))})
integers = pa.table(
    {
        "text": ["a"],
        "label": pa.array([2**53 - 1], pa.int64()),
        "id": pa.array([2**53 + 1], pa.int64()),
        "struct": pa.array([{"id": -3, "deep": [{"n": 4}]}], struct),
        "date": pa.array([datetime.date(2024, 2, 29)], pa.date32()),
    }
)
pq.write_table(integers, HERE / "integers.parquet", compression="none", use_dictionary=False, write_statistics=False, store_schema=False)

bytes = pa.table({"text": pa.array([b"a", b"\xef\xbb\xbfb", b"caf\xe9"]), "label": [0, 1, 0], "picture": pa.array([b"\xff\xd8"] * 3)})
pq.write_table(bytes, HERE / "bytes.parquet", compression="none", use_dictionary=False, write_statistics=False, store_schema=False)
