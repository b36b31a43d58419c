"""Writes classes.json next to this file: scores of each class, label and entity type by scikit-learn and seqeval.

    pip install scikit-learn==1.9.1 seqeval==1.2.2
    python test/golden/compare/make_classes.py
"""

import json
import random
import warnings
from pathlib import Path

import numpy
from seqeval.metrics import classification_report as entity_report
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

warnings.filterwarnings("ignore")
RANDOM = random.Random(7)
NAMES = ["alpha", "beta", "gamma", "delta", "never"]
TYPES = ["PER", "LOC", "ORG"]


def rounded(values):
    return [round(float(value), 12) for value in values]


def scores(reference, prediction, labels):
    precision, recall, f1, support = precision_recall_fscore_support(
        reference, prediction, labels=labels, zero_division=0
    )
    return {
        "precision": rounded(precision),
        "recall": rounded(recall),
        "f1": rounded(f1),
        "support": [int(one) for one in support],
    }


def classes():
    # "delta" is never predicted, and "never" does not occur.
    reference = [RANDOM.choices(NAMES[:4], [5, 3, 2, 1])[0] for _ in range(60)]
    prediction = [one if RANDOM.random() < 0.6 and one != "delta" else RANDOM.choice(NAMES[:3]) for one in reference]
    return {
        "reference": reference,
        "prediction": prediction,
        "confusion": confusion_matrix(reference, prediction, labels=NAMES).tolist(),
        **scores(reference, prediction, NAMES),
    }


def labels():
    draw = lambda share: [[int(RANDOM.random() < share / (i + 1)) for i in range(4)] + [0] for _ in range(40)]
    reference, prediction = draw(0.8), draw(0.6)
    return {"reference": reference, "prediction": prediction, **scores(numpy.array(reference), numpy.array(prediction), None)}


def sentence():
    tags = []
    while len(tags) < 9:
        kind = RANDOM.choice([*TYPES, "O"])
        tags += ["O"] if kind == "O" else [f"B-{kind}"] + [f"I-{kind}"] * RANDOM.randint(0, 2)
    return tags


def entities():
    reference = [sentence() for _ in range(25)]
    tags = ["O", *[f"{prefix}-{kind}" for kind in TYPES for prefix in "BI"]]
    prediction = [[tag if RANDOM.random() < 0.8 else RANDOM.choice(tags) for tag in row] for row in reference]
    report = entity_report(reference, prediction, output_dict=True, zero_division=0)
    found = {kind: {key: round(float(value), 12) for key, value in report[kind].items()} for kind in sorted(TYPES)}
    return {"reference": reference, "prediction": prediction, "types": found}


OUT = Path(__file__).with_name("classes.json")
OUT.write_text(json.dumps({"names": NAMES, "classes": classes(), "labels": labels(), "entities": entities()}) + "\n")
