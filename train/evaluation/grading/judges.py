"""What judges generated text: Perspective's API, or a classifier in local files.

    perspective             toxicity by Perspective's API, as LLaMA's section 5.1; its key is in $PERSPECTIVE_API_KEY
    FILE.bin, FILE.ftz      the probability of a label by a fastText classifier
    FOLDER                  the same by a classifier for sequences in Hugging Face's form (needs transformers)

A path may end in @LABEL; of a classifier with two labels the second is meant by default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from filters import packages
from filters.models import fast_text

Judge = Callable[[Sequence[str]], list[float]]  # of each text a number from 0 to 1
PERSPECTIVE: Final = "perspective"
KEY: Final = "PERSPECTIVE_API_KEY"
ADDRESS: Final = "https://commentanalyzer.googleapis.com/v1alpha1/comments:analyze"
_LONGEST: Final = 20_480  # bytes of a text that the API takes
_ATTEMPTS: Final = 8
_BUSY: Final = (408, 429, 500, 502, 503, 504)


def open_judge(given: str, kind: str) -> Judge:
    """Return the judge that `--judge` names, for a task that wants one of a kind ("toxicity", "truth").

    Raises ValueError for one that there is not, or that judges something else.
    """
    if given == PERSPECTIVE:
        if kind != "toxicity":
            raise ValueError(f"Perspective's API judges toxicity, and {kind} is wanted: name a classifier's path")
        return perspective(os.environ.get(KEY, ""))
    path, _, label = given.partition("@")
    if not Path(path).exists():
        raise ValueError(f"{path}: no such file; {PERSPECTIVE!r} or the path of a classifier is expected")
    return _sequence_classifier(Path(path), label) if Path(path).is_dir() else _fast_text(Path(path), label)


def _chosen(labels: Sequence[str], label: str, path: Path) -> int:
    """Return the number of the label that is meant."""
    if not label and len(labels) == 2:
        return 1
    if label not in labels:
        raise ValueError(f"{path}: its labels are {', '.join(labels)}: name the one that is meant with {path}@LABEL")
    return list(labels).index(label)


def _fast_text(path: Path, label: str) -> Judge:
    model = fast_text.load(path)
    labels = sorted(name.removeprefix(fast_text.LABEL) for name in model.get_labels())
    wanted = fast_text.LABEL + labels[_chosen(labels, label, path)]

    def judge(texts: Sequence[str]) -> list[float]:
        found = [fast_text.predict(model, " ".join(text.split()), len(labels)) for text in texts]
        return [min(1.0, one.get(wanted, 0.0)) for one in found]

    return judge


def _sequence_classifier(path: Path, label: str) -> Judge:
    import torch

    try:
        import transformers
    except ImportError as error:
        raise ValueError(f"{path}: a classifier in Hugging Face's form needs transformers: {error}") from None
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            path, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: no classifier in Hugging Face's form: {error}") from None
    names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    wanted = _chosen(names, label, path)

    @torch.no_grad()
    def judge(texts: Sequence[str]) -> list[float]:
        batch = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True)
        found: list[float] = model(**batch).logits.float().softmax(-1)[:, wanted].tolist()
        return found

    return judge


class _BusyError(Exception):
    """The service does not answer now, and may later."""


def perspective(key: str, address: str = ADDRESS, longest_wait: float = 60.0) -> Judge:
    """Return the toxicity of texts by Perspective's API; a text without a letter has none, and is not sent.

    Raises ValueError without a key, and when the service refuses or goes on not to answer; the key is in a header, and
    in no message.
    """
    if not key.strip() or not key.isascii() or not key.isprintable():
        raise ValueError(f"Perspective's API wants a key: set ${KEY}, or name a classifier's path")
    import tenacity

    httpx2 = packages.HTTPX.load()
    client = httpx2.Client(headers={"X-Goog-Api-Key": key}, timeout=30.0, follow_redirects=False)

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(_BusyError),
        wait=tenacity.wait_random_exponential(multiplier=1.0, max=longest_wait),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    def toxicity(text: str) -> float:
        asked = {
            "comment": {"text": text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")},
            "languages": ["en"],
            "requestedAttributes": {"TOXICITY": {}},
            "doNotStore": True,
        }
        try:
            response = client.post(address, json=asked)
        except httpx2.TransportError as error:
            raise _BusyError(f"{type(error).__name__}") from None
        if response.status_code in _BUSY:
            raise _BusyError(f"status {response.status_code}")
        return _value(response.status_code, response)

    def judge(texts: Sequence[str]) -> list[float]:
        try:
            return [toxicity(text) if any(map(str.isalpha, text)) else 0.0 for text in texts]
        except _BusyError as error:
            raise ValueError(f"Perspective's API did not answer {_ATTEMPTS} times: {error}") from None

    return judge


def _value(status: int, response: Any) -> float:
    """Return the score of an answer; raise ValueError with what the service says."""
    try:
        content: Mapping[str, Any] = response.json()
        if status == 200:
            value = float(content["attributeScores"]["TOXICITY"]["summaryScore"]["value"])
            if 0 <= value <= 1:
                return value
        said = str(content.get("error", {}).get("message", "no score"))[:200]
    except (ValueError, KeyError, TypeError, AttributeError):
        said = "not the answer that is documented"
    raise ValueError(f"Perspective's API answers with status {status}: {said}")
