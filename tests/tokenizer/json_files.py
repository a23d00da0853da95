"""tokenizer.json files of the kinds that people have, trained here on a few sentences or made up piece by piece."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.tokenizer.texts import corpus

# The pattern of GPT-4, which LLaMA 3 and Qwen have with other lengths of numbers.
PATTERN: Final = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
SPECIAL: Final = ("<|begin_of_text|>", "<|end_of_text|>", "<|reserved|>")


def gpt2() -> Tokenizer:
    """BPE of bytes with one piece for both ends of a document."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return _trained(made, ["<|endoftext|>"])


def llama3(normalizer: normalizers.Normalizer | None = None) -> Tokenizer:
    """BPE of bytes by GPT-4's pattern, special pieces behind the vocabulary, whole words looked up first."""
    made = Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    if normalizer is not None:
        made.normalizer = normalizer
    made = _trained(made, [])
    made.add_special_tokens(list(SPECIAL))
    bos = made.token_to_id(SPECIAL[0])
    made.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{SPECIAL[0]} $A", special_tokens=[(SPECIAL[0], bos)]),
        ]
    )
    return made


def llama2(scheme: str | None = None) -> Tokenizer:
    """BPE like SentencePiece's, with bytes for what is no piece; `scheme` is Metaspace's, else a normaliser does it."""
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if scheme is None:
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    steps: list[decoders.Decoder] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if scheme != "never" else steps)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made = _trained(made, special, words=True)
    described: dict[str, Any] = json.loads(made.to_str())
    described["added_tokens"] = described["added_tokens"][:3]  # bytes are pieces of the model
    return Tokenizer.from_str(json.dumps(described))


def unigram() -> Tokenizer:
    """A unigram model behind Metaspace, as XLM-R and T5 have it, without their normalisation."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=600, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(corpus(), trainer)
    return made


def with_plain_pieces() -> Tokenizer:
    """BPE of bytes with added pieces that are cut out of a text."""
    made = gpt2()
    made.add_tokens(["[REF]", AddedToken("<tab>", normalized=False), AddedToken("  ", normalized=False)])
    return made


def _trained(made: Tokenizer, special: list[str], words: bool = False) -> Tokenizer:
    alphabet = ["▁"] if words else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False, max_token_length=16
    )
    texts = [word for text in corpus() for word in text.split(" ")] if words else corpus()
    made.train_from_iterator(texts, trainer)
    return made


KINDS: Final = {
    "gpt2": gpt2,
    "llama3": llama3,
    "qwen": lambda: llama3(normalizers.NFC()),
    "llama2": llama2,
    "mistral": lambda: llama2("first"),
    "gemma": lambda: llama2("never"),
    "unigram": unigram,
    "plain": with_plain_pieces,
}


def of_size(path: Path, vocabulary: int) -> Path:
    """Write BPE of bytes with so many pieces, all of which can be made, and three special ones behind them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = [*letters, *_pairs(vocabulary - len(letters))]
    made = Tokenizer(models.BPE(vocab={text: n for n, text in enumerate(texts)}, merges=[_cut(t) for t in texts[256:]]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(SPECIAL))
    made.save(str(path))
    return path


def _cut(text: str) -> tuple[str, str]:
    return text[:-1], text[-1:]


def _pairs(count: int) -> list[str]:
    """Return texts of two bytes, then of three and four of lower-case letters, the likeliest last: high ids occur."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [one + other for one in letters for other in letters]
    small = "abcdefghijklmnopqrstuvwxyz"
    longer = [a + b + c for a in small for b in small for c in small]
    longest = [text + d for text in longer for d in small]
    return [*pairs, *longer, *longest][:count]
