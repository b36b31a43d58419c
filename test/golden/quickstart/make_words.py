"""Writes words.json next to this file: the scores of scikit-learn's logistic regression on tf-idf, for texts of two and of three classes.

    pip install scikit-learn==1.9.1
    python test/golden/quickstart/make_words.py

bidora's model has weights for each class. For two classes scikit-learn has one vector, the difference of theirs, whose penalty is twice as
large: C=2 makes it the same model, and half of its score is that of the second class.
"""

import json
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

TEXTS = [
    ("Win a FREE prize now, call 0800 123!", "spam"),
    ("free entry: win win win", "spam"),
    ("are you coming home now?", "ham"),
    ("I'll call you when I'm home", "ham"),
    ("Ärger im Café – wir kommen später nach Hause", "german"),
    ("wir gewinnen nie, ruf an", "german"),
    ("see you at the café", "ham"),
    ("ok", "ham"),
    ("", "ham"),
    ("x y z ! ?", "spam"),
    ("snake_case and x² and ½ and Ⅳ", "ham"),
]
UNSEEN = ["call now to win", "wir sind im café", "nothing of this was seen before", "", "HOME home hOmE", "prize"]


def case(rows):
    labels = [label for _, label in rows]
    names = sorted(set(labels))
    words = TfidfVectorizer()
    features = words.fit_transform([text for text, _ in rows])
    model = LogisticRegression(C=2 if len(names) == 2 else 1, class_weight="balanced", tol=1e-12, max_iter=100_000)
    model.fit(features, [names.index(label) for label in labels])
    scores = model.decision_function(words.transform(UNSEEN))
    if len(names) == 2:
        scores = [[-score / 2, score / 2] for score in scores]
    return {
        "texts": [text for text, _ in rows],
        "classes": [names.index(label) for label in labels],
        "unseen": UNSEEN,
        "scores": [list(map(float, row)) for row in scores],
    }


cases = {"two": case([row for row in TEXTS if row[1] != "german"]), "three": case(TEXTS)}
Path(__file__).with_name("words.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
