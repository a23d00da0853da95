"""Judges of generated text: Perspective's API as a server of ours speaks it, and classifiers in files."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from train.evaluation.grading import judges
from train.evaluation.grading.judges import open_judge, perspective
from train.evaluation.tasks.asking import Wanted, ask
from train.evaluation.tasks.kinds import Format, Generation

KEY = "AIza-secret-0123456789"
Answer = Callable[[dict[str, Any]], tuple[int, object]]


def scored(value: object) -> dict[str, Any]:
    return {"attributeScores": {"TOXICITY": {"summaryScore": {"value": value, "type": "PROBABILITY"}}}}


class Service:
    """A server that answers as it is told to, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        asked: list[dict[str, Any]] = []
        paths: list[str] = []
        keys: list[str | None] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.append(self.path)
                keys.append(self.headers["X-Goog-Api-Key"])
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                status, content = answer(asked[-1])
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.asked, self.paths, self.keys = asked, paths, keys
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1alpha1/comments:analyze"


@pytest.fixture
def service() -> Iterator[Callable[[Answer], Service]]:
    started: list[Service] = []

    def start(answer: Answer) -> Service:
        started.append(Service(answer))
        threading.Thread(target=started[-1].server.serve_forever, daemon=True).start()
        return started[-1]

    yield start
    for one in started:
        one.server.shutdown()
        one.server.server_close()


def test_texts_are_asked_one_by_one_and_the_key_is_in_a_header(service: Callable[[Answer], Service]) -> None:
    server = service(lambda asked: (200, scored(len(asked["comment"]["text"]) / 100)))
    judge = perspective(KEY, server.address)
    assert judge(["abc", "", " 12 \n", "é" * 20]) == [0.03, 0.0, 0.0, 0.2]
    assert [one["comment"]["text"] for one in server.asked] == ["abc", "é" * 20]
    assert server.asked[0]["requestedAttributes"] == {"TOXICITY": {}}
    assert server.asked[0]["languages"] == ["en"]
    assert server.keys == [KEY] * 2
    assert not any(KEY in path for path in server.paths)


def test_a_long_text_is_cut_between_characters(service: Callable[[Answer], Service]) -> None:
    server = service(lambda asked: (200, scored(0.5)))
    assert perspective(KEY, server.address)(["x" + "é" * 50_000, "a\ud800b"]) == [0.5, 0.5]
    assert len(server.asked[0]["comment"]["text"].encode()) == 20_479
    assert server.asked[1]["comment"]["text"] == "a?b"


def test_a_service_that_is_busy_is_asked_again(service: Callable[[Answer], Service]) -> None:
    answers = iter([(429, {}), (503, b"no JSON"), (200, scored(0.25))])
    server = service(lambda asked: next(answers))
    assert perspective(KEY, server.address, longest_wait=0.01)(["text"]) == [0.25]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "content", "said", "asked"),
    [
        (429, {}, "did not answer 8 times: status 429", 8),
        (403, {"error": {"message": "API key not valid."}}, "answers with status 403: API key not valid.", 1),
        (400, {"error": {"message": "x" * 999}}, r"status 400: x{200}$", 1),
        (302, b"", "status 302: not the answer that is documented", 1),
        (200, {}, "status 200: not the answer", 1),
        (200, scored("high"), "status 200: not the answer", 1),
        (200, scored(7), "status 200: no score", 1),
        (200, b"[]", "status 200: not the answer", 1),
        (200, b"\xff", "status 200: not the answer", 1),
    ],
)
def test_what_the_service_says_is_told_without_the_key(
    service: Callable[[Answer], Service],
    caplog: pytest.LogCaptureFixture,
    status: int,
    content: object,
    said: str,
    asked: int,
) -> None:
    server = service(lambda _: (status, content))
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ValueError, match=said) as caught:
        perspective(KEY, server.address, longest_wait=0.01)(["text"])
    assert len(server.asked) == asked
    for text in (str(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__), caplog.text):
        assert KEY not in text


def test_a_service_that_is_not_there_is_an_error(service: Callable[[Answer], Service]) -> None:
    server = service(lambda _: (200, {}))
    server.server.server_close()
    with pytest.raises(ValueError, match="did not answer 8 times: Connect"):
        perspective(KEY, server.address, longest_wait=0.01)(["text"])


def test_without_a_key_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(judges.KEY, raising=False)
    with pytest.raises(ValueError, match=r"wants a key: set \$PERSPECTIVE_API_KEY"):
        open_judge("perspective", "toxicity")
    for key in ("a\nb", "é", " "):
        monkeypatch.setenv(judges.KEY, key)
        with pytest.raises(ValueError, match="wants a key"):
            open_judge("perspective", "toxicity")
    with pytest.raises(ValueError, match="judges toxicity, and truth is wanted"):
        open_judge("perspective", "truth")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fastText classifier that takes "bad" for toxic."""
    fasttext = pytest.importorskip("fasttext")
    folder = tmp_path_factory.mktemp("classifier")
    lines = [
        f"__label__{label} {word} word {n}" for n in range(50) for label, word in (("toxic", "bad"), ("clean", "good"))
    ]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    model = fasttext.train_supervised(str(folder / "lines.txt"), epoch=50, lr=1.0, thread=1, verbose=0)
    model.save_model(str(folder / "toxic.bin"))
    return folder / "toxic.bin"


def test_a_fast_text_classifier_judges_by_a_label(classifier: Path) -> None:
    judge = open_judge(str(classifier), "toxicity")
    bad, good, nothing = judge(["bad\nword", "good word", ""])
    assert bad > 0.9 > 0.1 > good
    assert 0 <= nothing <= 1
    assert open_judge(f"{classifier}@clean", "truth")(["good word"])[0] == pytest.approx(1 - good, abs=1e-3)
    with pytest.raises(ValueError, match=r"its labels are clean, toxic: name the one .*@LABEL"):
        open_judge(f"{classifier}@rude", "toxicity")


def test_a_path_that_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file; 'perspective' or the path of a classifier"):
        open_judge(str(tmp_path / "none.bin"), "toxicity")
    (tmp_path / "text.bin").write_text("no model")
    with pytest.raises(ValueError, match=r"text\.bin"):
        open_judge(str(tmp_path / "text.bin"), "toxicity")


@pytest.mark.full
def test_a_classifier_in_hugging_faces_form_judges(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bad", "good"]))
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"))
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    labels = {"id2label": {0: "clean", 1: "toxic"}, "label2id": {"clean": 0, "toxic": 1}}
    config = transformers.BertConfig(vocab_size=7, **shape, **labels)
    folder = tmp_path / "model"
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    toxic = open_judge(str(folder), "toxicity")(["bad", "good good"])
    clean = open_judge(f"{folder}@clean", "toxicity")(["bad", "good good"])
    assert [a + b for a, b in zip(toxic, clean, strict=True)] == pytest.approx([1, 1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no classifier in Hugging Face's form"):
        open_judge(str(tmp_path / "empty"), "toxicity")


def test_toxicity_and_truth_are_what_the_judge_says(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": {"text": "She"}, "continuation": {"text": "x"}}) + "\n")
    asking = ask(Wanted("toxicity_basic", path), Format.PAPER)
    assert isinstance(asking.form, Generation)
    assert asking.form.judge == "toxicity"
    found = asking.form.score(asking.prompts[0], ["a", "b"], lambda texts: [0.75, 0.25])
    assert found == {"toxicity": 0.5, "toxic": 0.5}
    path.write_text(json.dumps({"question": "Is it?", "best_answer": "Yes"}) + "\n")
    asking = ask(Wanted("truthfulqa_generation", path), Format.PAPER)
    assert isinstance(asking.form, Generation)
    seen: list[str] = []

    def judge(texts: list[str]) -> list[float]:
        seen.extend(texts)
        return [0.5 for _ in texts]

    assert asking.form.score(asking.prompts[0], [" Yes. "], judge) == {"truthful": 1.0}
    assert seen == ["Q: Is it?\nA: Yes."]
