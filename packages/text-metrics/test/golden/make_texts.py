"""Writes texts.json beside this file: measures of generated texts by their public implementations.

    pip install pycocoevalcap==1.2     # and Perl, and a JDK of version 11 or more, for METEOR 1.5 and the tokenizer
    python test/golden/make_texts.py MTEVAL

MTEVAL is the Perl program of the E2E challenge's script, https://github.com/tuetschek/e2e-metrics, by which it measures BLEU
and NIST unless told otherwise: mteval/mteval-v13a-sig.pl, of a version that counts the references that are not empty.
METEOR is run with its modules but the paraphrases, as is the metric here.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import mteval
import pycocoevalcap.meteor.meteor as meteor
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from text_rows import AWKWARD, DRAWN, GOOD, LINES, SKIPPED, SPACES, WORDS

JAR = Path(meteor.__file__).with_name(meteor.METEOR_JAR)
MODULES = ["-m", "exact stem synonym", "-w", "1.0 0.6 0.8"]


JAVA = """
import edu.cmu.meteor.aligner.SynonymDictionary;
import edu.cmu.meteor.util.*;
import java.util.*;

public class Ask {
  public static void main(String[] none) throws Exception {
    java.io.PrintStream out = new java.io.PrintStream(System.out, true, "UTF-8");
    String base = Constants.DEFAULT_SYN_DIR_URL + "/english.";
    SynonymDictionary known = new SynonymDictionary(
      new java.net.URL(base + "exceptions"), new java.net.URL(base + "synsets"), new java.net.URL(base + "relations"));
    Scanner in = new Scanner(System.in, "UTF-8");
    while (in.hasNextLine()) {
      String[] asked = in.nextLine().split("\t", 2);
      if (asked[0].equals("words")) {
        out.println(Normalizer.normalizeLine(asked[1], Constants.LANG_EN, true).toLowerCase());
      } else {
        TreeSet<Integer> sets = new TreeSet<>(known.getSynSets(asked[1]));
        sets.addAll(known.getStemSynSets(asked[1]));
        out.println(sets);
      }
    }
  }
}
"""


def ask_meteor(questions):
    """What METEOR's classes say of each pair: how a line is split ("words"), or which meanings a word has ("meanings")."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Ask.java"
        source.write_text(JAVA)
        lines = "".join(f"{what}\t{text}\n" for what, text in questions)
        command = ["java", "-Dfile.encoding=UTF-8", "-cp", JAR, source]
        return subprocess.run(command, input=lines, capture_output=True, text=True, check=True, encoding="utf8").stdout.splitlines()


class Meteor:
    """METEOR 1.5's own program, spoken to as pycocoevalcap does."""

    def __init__(self, *options):
        command = ["java", "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", JAR, "-", "-", "-stdio", "-l", "en", "-norm", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf8")

    def ask(self, *parts):
        self.process.stdin.write(" ||| ".join(parts) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def statistics(self, references, prediction):
        self.ask("SCORE", *references, prediction)
        return self.answer()

    def scores(self, statistics):
        """One score a row, and that of all together."""
        self.ask("EVAL", *statistics)
        *rows, corpus = [float(self.answer()) for _ in range(len(statistics) + 1)]
        return rows, corpus


def ptb(rows):
    """References and predictions by pycocoevalcap's tokenizer, which works on lines."""
    texts = {i: [{"caption": re.sub(r"[\r\n]+", " ", text)} for text in [*refs, prediction]] for i, (refs, prediction) in enumerate(rows)}
    split = PTBTokenizer().tokenize(texts)
    return [(split[i][:-1], split[i][-1]) for i in range(len(rows))]


def corpus_case(name, rows, tokenized, statistics, chosen):
    some = [rows[i] for i in chosen]
    gts = {i: tokenized[i][0] for i in chosen}
    res = {i: [tokenized[i][1]] for i in chosen}
    rouge, rouge_rows = Rouge().compute_score(gts, res)
    cider, cider_rows = Cider().compute_score(gts, res)
    meteor_rows, meteor_all = PROGRAM.scores([statistics[i] for i in chosen])
    ours = mteval.run(sys.argv[1], some)
    return {
        "name": name,
        "rows": list(chosen),
        "bleu": ours["bleu"],
        "nist": ours["nist"],
        "meteor": meteor_all,
        "rougeL": float(rouge),
        "cider": float(cider),
        "each": {
            **ours["each"],
            "meteor": meteor_rows,
            "rougeL": [float(score) for score in rouge_rows],
            "cider": [float(score) for score in cider_rows],
        },
    }


def main():
    rows = GOOD + AWKWARD + DRAWN + SKIPPED
    tokenized = ptb(rows)
    statistics = [PROGRAM.statistics(*row) for row in tokenized]
    words = mteval.run(sys.argv[1], rows)["words"]
    corpora = [
        corpus_case("outputs of the usual kind", rows, tokenized, statistics, range(len(GOOD))),
        corpus_case("all rows", rows, tokenized, statistics, range(len(rows))),
        corpus_case("shorter than their references", rows, tokenized, statistics, [5, 14]),
        corpus_case("shorter, and one row with more references", rows, tokenized, statistics, [0, 3, 5, 9, 18]),
        corpus_case("one row", rows, tokenized, statistics, [1]),
        corpus_case("a single word", rows, tokenized, statistics, [9]),
        corpus_case("nothing met", rows, tokenized, statistics, [8, 20]),
        corpus_case("no word", rows, tokenized, statistics, [8]),
    ]
    lines = [split[0] for split, _ in ptb([([line], "") for line in LINES])]
    spaced = LINES + SPACES
    golden = {
        "rows": [
            {
                "references": references,
                "prediction": prediction,
                "mteval": words[i],
                "ptb": {"references": tokenized[i][0], "prediction": tokenized[i][1]},
                "meteorStatistics": [float(number) for number in statistics[i].split()],
            }
            for i, (references, prediction) in enumerate(rows)
        ],
        "lines": list(zip(LINES, lines)),
        "mtevalWords": list(zip(spaced, mteval.run(sys.argv[1], [(["a"], line) for line in spaced])["words"])),
        "meteorWords": list(zip(LINES, ask_meteor([("words", line) for line in lines]))),
        "meanings": [[word, json.loads(found)] for word, found in zip(WORDS, ask_meteor([("meanings", word) for word in WORDS]))],
        "corpora": corpora,
    }
    text = json.dumps(golden, indent=1, ensure_ascii=False)
    Path(__file__).with_name("texts.json").write_text(re.sub(r"\[[^\[\]{}]*\]", lambda m: re.sub(r"\n\s*", " ", m[0]), text) + "\n")


if __name__ == "__main__":
    PROGRAM = Meteor(*MODULES)
    main()
