"""BLEU and NIST by the Perl program of the E2E challenge's script, mteval/mteval-v13a-sig.pl, for make_texts.py.

It is given the files and options that the script gives it, and besides `-d 3`, for the words, and `--metricsMATR-output`, for
all digits of the scores; neither changes a score. The program asks for Perl's XML::Twig (Debian's libxml-twig-perl).
"""

import re
import subprocess
import tempfile
from pathlib import Path


def document(name, texts):
    segments = "".join(f'<seg id="{i}">{text}</seg>\n' for i, text in enumerate(texts, 1))
    return f'<doc docid="test" genre="news" origlang="any" sysid="{name}">\n<p>\n{segments}</p>\n</doc>\n'


def write(path, kind, sets):
    documents = "".join(document(f"{kind}_{k:02}", texts) for k, texts in enumerate(sets))
    text = f'<{kind}set setid="e2e" srclang="any" trglang="en">\n{documents}</{kind}set>'
    path.write_text(text, encoding="utf8", newline="")


def run(program, rows):
    """Words of each output, `bleu` and `nist` of all rows, and of each row with the information of all."""
    longest = max(len(references) for references, _ in rows)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        # Where a row has fewer references than others, empty ones take their places.
        write(at / "ref.sgm", "ref", [[refs[k] if k < len(refs) else "" for refs, _ in rows] for k in range(longest)])
        write(at / "tst.sgm", "tst", [[prediction for _, prediction in rows]])
        write(at / "src.sgm", "src", [["" for _ in rows]])
        command = ["perl", Path(program).resolve(), "-r", "ref.sgm", "-s", "src.sgm", "-t", "tst.sgm", "-f", "log"]
        command += ["-d", "3", "--metricsMATR-output"]
        printed = subprocess.run(command, cwd=at, check=True, stdout=subprocess.PIPE).stdout.decode("utf8")
        words = re.findall(r"^sys 'tst_00', seg \d+: (.*)$", printed, re.M)[: len(rows)]
        found = {"words": [line.split(" ") if line else [] for line in words], "each": {}}
        for name in ["bleu", "nist"]:
            found[name] = scores(at / f"{name.upper()}-sys.scr")[0]
            found["each"][name] = scores(at / f"{name.upper()}-seg.scr")
            assert f"{name.upper()} score = {found[name]:.4f}" in printed
        return found


def scores(path):
    return [float(line.split("\t")[-1]) for line in path.read_text(encoding="utf8").splitlines()]
