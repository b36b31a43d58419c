"""Writes a tokenizer like XLM-RoBERTa's: python test/golden/io/gguf/make_unigram.py. Needs sentencepiece and tokenizers.

A Unigram model of SentencePiece with a small table of replaced characters, as transformers converts it, and the tokens of some texts.
"""

import base64
import io
import json
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).parent
FOLDER = HERE / "unigram"

SENTENCES = [
    "The small boat left the harbour before sunrise.",
    "A teacher wrote three long words on the board, and then seven red apples fell from the tree.",
    "old stone walls near the harbour, and the old boats",
    "żółw i kot, kot i żółw",
]
# what the characters become: full-width letters, other spaces, a ligature
RULES = {"Ａ": "A", "ｂ": "b", "\t": " ", "\n": " ", "\u3000": " ", "ﬁ": "fi", "e\u0301": "é"}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
MASK = "<mask>"


def trained() -> sentencepiece_model_pb2.ModelProto:
    rules = FOLDER / "rules.tsv"
    hexes = lambda text: " ".join(f"{ord(letter):X}" for letter in text)
    rules.write_text("".join(f"{hexes(before)}\t{hexes(after)}\n" for before, after in RULES.items()))
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20), model_writer=written, model_type="unigram", vocab_size=90, character_coverage=1.0,
        normalization_rule_tsv=str(rules), hard_vocab_limit=False, minloglevel=2,
    )
    rules.unlink()
    return sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    model = trained()
    pieces = [(piece.piece, piece.score) for piece in model.pieces[3:]]
    vocab = [*((token, 0.0) for token in SPECIAL), *pieces, (MASK, 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3))
    charsmap = model.normalizer_spec.precompiled_charsmap
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens([*SPECIAL, AddedToken(MASK, lstrip=True)])
    tokenizer.save(str(FOLDER / "tokenizer.json"))
    roles = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": MASK}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64} | roles
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    print(len(vocab), len(charsmap), len(base64.b64encode(charsmap)))


if __name__ == "__main__":
    main()
