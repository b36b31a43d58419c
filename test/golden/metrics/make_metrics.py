"""Writes metrics.json next to this file: metrics of scikit-learn, scipy and seqeval on random inputs and edge cases.

    pip install scikit-learn==1.9.1 scipy==1.17.1 seqeval==1.2.2
    python test/golden/metrics/make_metrics.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import scipy.stats
import sklearn.metrics as sk
from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_scores
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES

warnings.filterwarnings("ignore")
random = np.random.default_rng(20)


def scores(references, predictions, average):
    p, r, f, _ = sk.precision_recall_fscore_support(references, predictions, average=average, zero_division=0)
    return {"precision": float(p), "recall": float(r), "f1": float(f)}


def classes_case(name, references, predictions):
    references, predictions = np.array(references), np.array(predictions)
    case = {
        "name": name,
        "references": references.tolist(),
        "predictions": predictions.tolist(),
        "accuracy": float(sk.accuracy_score(references, predictions)),
        "balancedAccuracy": float(sk.balanced_accuracy_score(references, predictions)),
        "matthewsCorrelation": float(sk.matthews_corrcoef(references, predictions)),
        "macroF1": scores(references, predictions, "macro")["f1"],
    }
    if max(references.max(), predictions.max()) <= 1:
        case["f1"] = scores(references, predictions, "binary")["f1"]
    return case


def noisy(references, classes, wrong):
    drawn = random.integers(0, classes, len(references))
    return np.where(random.random(len(references)) < wrong, drawn, references)


def class_cases():
    two, five = random.integers(0, 2, 203), random.integers(0, 5, 301)
    return [
        classes_case("two classes", two, noisy(two, 2, 0.5)),
        classes_case("two classes, against the truth", two, 1 - noisy(two, 2, 0.2)),
        classes_case("five classes", five, noisy(five, 5, 0.6)),
        classes_case("a class that is never predicted", five, np.minimum(noisy(five, 5, 0.4), 3)),
        classes_case("a class that is only predicted", np.minimum(five, 3), noisy(five, 5, 0.4)),
        classes_case("gaps between the ids", [7, 7, 2, 9], [7, 2, 2, 2]),
        classes_case("constant prediction 0", two, np.zeros_like(two)),
        classes_case("constant prediction 1", two, np.ones_like(two)),
        classes_case("one class only, all right", [1, 1, 1], [1, 1, 1]),
        classes_case("no positive anywhere", [0, 0, 0], [0, 0, 0]),
        classes_case("one row", [1], [0]),
    ]


def numbers_case(name, references, predictions):
    references, predictions = np.asarray(references, float), np.asarray(predictions, float)
    constant = np.ptp(references) == 0 or np.ptp(predictions) == 0
    return {
        "name": name,
        "references": references.tolist(),
        "predictions": predictions.tolist(),
        # scipy returns NaN for constant inputs; here, 0 is documented.
        "pearson": 0.0 if constant else float(scipy.stats.pearsonr(references, predictions).statistic),
        "spearman": 0.0 if constant else float(scipy.stats.spearmanr(references, predictions).statistic),
        "meanSquaredError": float(sk.mean_squared_error(references, predictions)),
    }


def number_cases():
    x = random.normal(2.5, 1.3, 257)
    y = 0.7 * x + random.normal(0, 0.8, 257)
    return [
        numbers_case("drawn", x, y),
        numbers_case("many ties", np.round(x), np.round(y * 2) / 2),
        numbers_case("negative, of another size", x, -1e6 * y),
        numbers_case("far from zero", x + 1e4, y + 1e4),
        numbers_case("tiny", x * 1e-200, y),
        numbers_case("in a line", [1, 2, 3, 4], [2, 4, 6, 8]),
        numbers_case("two rows", [0.5, 0.25], [3, 8]),
        numbers_case("constant prediction", x, np.full(257, 0.1)),
        numbers_case("constant reference", [0.1, 0.1, 0.1], [1, 2, 4]),
        numbers_case("one row", [1.5], [2]),
    ]


def labels_case(name, references, predictions):
    references, predictions = np.asarray(references), np.asarray(predictions)
    return {
        "name": name,
        "references": references.tolist(),
        "predictions": predictions.tolist(),
        "micro": scores(references, predictions, "micro"),
        "macro": scores(references, predictions, "macro"),
        "subsetAccuracy": float(sk.accuracy_score(references, predictions)),
    }


def label_cases():
    truth = (random.random((97, 7)) < 0.25).astype(int)
    guess = np.where(random.random((97, 7)) < 0.15, 1 - truth, truth)
    rare = truth.copy()
    rare[:, 4] = 0
    silent = guess.copy()
    silent[:, 4] = 0
    return [
        labels_case("drawn", truth, guess),
        labels_case("a label that nobody has", rare, silent),
        labels_case("a label that is only predicted", rare, guess),
        labels_case("nothing predicted", truth, np.zeros_like(truth)),
        labels_case("nothing anywhere", np.zeros((3, 2), int), np.zeros((3, 2), int)),
        labels_case("all right", truth, truth),
    ]


def as_scores(values):
    return dict(zip(("precision", "recall", "f1"), (float(v) for v in values[:3])))


def tags_case(name, references, predictions, schemes):
    def micro(function, **options):
        return as_scores(function(references, predictions, average="micro", **options))

    strict = {"IOB1": IOB1, "IOB2": IOB2, "BIOES": IOBES, "BILOU": BILOU}
    return {
        "name": name,
        "references": references,
        "predictions": predictions,
        "wordAccuracy": float(accuracy_score(references, predictions)),
        "lenient": micro(precision_recall_fscore_support),
        "strict": {scheme: micro(strict_scores, scheme=strict[scheme]) for scheme in schemes},
    }


def drawn_rows(prefixes, rows=60):
    tags = ["O"] + [f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "LOC", "cell-type")]
    # few types and long rows, so that every kind of broken sequence occurs
    return [[str(tag) for tag in random.choice(tags, random.integers(1, 12))] for _ in range(rows)]


def disturbed(rows, prefixes):
    others = [tag for row in drawn_rows(prefixes, 10) for tag in row]
    return [[str(random.choice(others)) if random.random() < 0.3 else tag for tag in row] for row in rows]


def tag_cases():
    iob, bioes = drawn_rows("BI"), drawn_rows("BIES", 90)
    cases = [
        tags_case("IOB, sequences whole and broken", iob, disturbed(iob, "BI"), ["IOB1", "IOB2", "BIOES"]),
        tags_case("BIOES, sequences whole and broken", bioes, disturbed(bioes, "BIES"), ["BIOES"]),
        tags_case("whole sequences", [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "B-PER"]], ["IOB2"]),
        tags_case("I begins after O", [["O", "I-PER", "I-PER"]], [["O", "B-PER", "I-PER"]], ["IOB1", "IOB2"]),
        tags_case("an entity does not run into the next row", [["O", "B-PER"], ["I-PER"]], [["O", "B-PER"], ["O"]], ["IOB2"]),
        tags_case("tags without a type", [["B", "I", "O", "I"], ["B-", "O", "B"]], [["O", "B", "O", "I"], ["B", "O", "O"]], ["IOB2"]),
        tags_case("no entity predicted", [["B-PER", "O"]], [["O", "O"]], ["IOB1", "IOB2", "BIOES"]),
        tags_case("no entity at all", [["O", "O"]], [["O", "O"]], ["IOB1", "IOB2", "BIOES"]),
    ]
    bilou = drawn_rows("BILU", 90)
    whole = [["U-PER", "O", "B-LOC", "I-LOC", "L-LOC", "B-PER", "L-PER"]]
    return [
        *cases,
        tags_case("BILOU, sequences whole and broken", bilou, disturbed(bilou, "BILU"), ["BILOU"]),
        tags_case("BILOU, whole sequences", whole, [[*whole[0][:5], "U-PER", "U-PER"]], ["BILOU"]),
    ]


golden = {"classes": class_cases(), "numbers": number_cases(), "labels": label_cases(), "tags": tag_cases()}
Path(__file__).with_name("metrics.json").write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")
