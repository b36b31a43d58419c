"""Writes the folders of Parquet files in hub/, with the names and columns of the data sets on the Hub: python test/golden/data/make_hub.py"""

import pathlib
import shutil

import pyarrow as pa
import pyarrow.parquet as pq

HUB = pathlib.Path(__file__).parent / "hub"
TEXT, LABEL = pa.string(), pa.int64()


def write(folder, columns, **splits):
    """Writes each split, a list of files, each of which is a list of rows."""
    (HUB / folder).mkdir(parents=True, exist_ok=True)
    for split, shards in splits.items():
        for i, rows in enumerate(shards):
            name = f"{split}-{i:05}-of-{len(shards):05}.parquet"
            table = pa.Table.from_pylist(rows, schema=pa.schema(columns))
            pq.write_table(table, HUB / folder / name, store_schema=False, write_statistics=False)


def main():
    shutil.rmtree(HUB, ignore_errors=True)
    texts = {"sentence1": TEXT, "sentence2": TEXT, "idx": pa.int32()}
    mrpc = texts | {"label": LABEL}
    pair = lambda i, label: {"sentence1": f"a {i}", "sentence2": f'"b" {i}', "label": label, "idx": i}
    write("glue/mrpc", mrpc, train=[[pair(0, 1), pair(1, 0)], [pair(2, 1)]], validation=[[pair(3, 0)]], test=[[pair(4, 0), pair(5, 1)]])
    stsb = texts | {"label": pa.float32()}
    write("glue/stsb", stsb, train=[[pair(0, 3.8)]], validation=[[pair(1, 0.0)]], test=[[pair(2, -1.0)]])
    cola = {"sentence": TEXT, "label": LABEL, "idx": pa.int32()}
    sentence = lambda i, label: {"sentence": f"s {i}", "label": label, "idx": i}
    write("glue/cola", cola, train=[[sentence(0, 1), sentence(1, 0)]], validation=[[sentence(2, 1)]], test=[[sentence(3, -1)]])
    qnli = {"question": TEXT, "sentence": TEXT, "label": LABEL, "idx": pa.int32()}
    asked = lambda i, label: {"question": f"q {i}?", "sentence": f"s {i}", "label": label, "idx": i}
    write("glue/qnli", qnli, train=[[asked(0, 1)]], validation=[[asked(1, 0)]])
    qqp = {"question1": TEXT, "question2": TEXT, "label": LABEL, "idx": pa.int32()}
    write("glue/qqp", qqp, train=[[{"question1": "a", "question2": "b", "label": 1, "idx": 0}]], validation=[[{"question1": "c", "question2": "d", "label": 0, "idx": 0}]])
    mnli = {"premise": TEXT, "hypothesis": TEXT, "label": LABEL, "idx": pa.int32()}
    implied = lambda i, label: {"premise": f"p {i}", "hypothesis": f"h {i}", "label": label, "idx": i}
    write(
        "glue/mnli",
        mnli,
        train=[[implied(0, 0), implied(1, 1), implied(2, 2)]],
        validation_matched=[[implied(3, 1), implied(4, 2)]],
        validation_mismatched=[[implied(5, 0)]],
        test_matched=[[implied(6, -1)]],
        test_mismatched=[[implied(7, -1)]],
    )
    words = {"id": TEXT, "tokens": pa.list_(TEXT), "ner_tags": pa.list_(LABEL)}
    said = {"id": "0", "tokens": ["EU", "rejects", "German", "call"], "ner_tags": [3, 0, 7, 0]}
    write("conll2003", words, train=[[said, {"id": "1", "tokens": [], "ner_tags": []}]], validation=[[said]], test=[[said]])
    answers = {"text": pa.list_(TEXT), "answer_start": pa.list_(pa.int32())}
    squad = {"id": TEXT, "title": TEXT, "context": TEXT, "question": TEXT, "answers": pa.struct(answers)}
    question = lambda start, *texts: {
        "id": "x",
        "title": "t",
        "context": "In 😀 1066 they came.",
        "question": "When?",
        "answers": {"text": list(texts), "answer_start": [start] * len(texts)},
    }
    write("squad/plain_text", squad, train=[[question(5, "1066")]], validation=[[question(5, "1066", "1066 they")]])
    write("squad_v2/squad_v2", squad, train=[[question(5, "1066"), question(0)]], validation=[[question(0)]])


main()
