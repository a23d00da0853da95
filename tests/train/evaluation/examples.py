"""A row of each task's in its published form, written by us, and what the format of each asks of it."""

from __future__ import annotations

from typing import Any

_CHOICES = {"text": ["ice", "air"], "label": ["1", "2"]}
_FIVE = {"text": ["ice", "air", "tin", "oak", "fog"], "label": list("ABCDE")}
_MMLU = {"question": " 2 + 2?", "subject": "college_mathematics", "choices": ["3", "4", "5", "6"], "answer": 1}
_RACE = {
    "article": "A cat sat.",
    "questions": ["Who sat?", "It was a  _  ."],
    "options": [["cat", "dog", "cow", "hen"], ["bird", "pet", "tree", "car"]],
    "answers": ["A", "B"],
    "id": "high1.txt",
}
ROWS: dict[str, dict[str, Any]] = {
    "boolq": {"passage": "A fact.", "question": "is it so", "answer": True},
    "piqa": {"goal": "Boil water", "sol1": "Heat it", "sol2": "Cool it", "label": 0},
    "siqa": {
        "context": "Ana left.",
        "question": "Why?",
        "answerA": "a",
        "answerB": "b",
        "answerC": "c",
        "label": "3",
    },
    "hellaswag": {
        "activity_label": "Rowing",
        "ctx": "[header] They sit. they",
        "ctx_a": "[header] They sit.",
        "ctx_b": "they",
        "endings": ["row. [step] On.", "fly."],
        "label": "0",
    },
    "winogrande": {
        "sentence": "The cup missed the box as _ was small.",
        "option1": "cup",
        "option2": "box",
        "answer": "2",
    },
    "arc_easy": {"question": "What melts?", "choices": _CHOICES, "answerKey": "1"},
    "arc_challenge": {"question": "What melts?", "choices": _CHOICES, "answerKey": "1"},
    "openbookqa": {"question_stem": "Ice is", "choices": _CHOICES, "answerKey": " 2"},
    "commonsense_qa": {"question": "What melts? ", "question_concept": "melt", "choices": _FIVE, "answerKey": "A"},
    "race_middle": _RACE,
    "race_high": _RACE,
    "mmlu": _MMLU,
    "agieval": {
        "passage": None,
        "question": "1 + 1?",
        "options": ["(A)1", "(B)2", "(C)3"],
        "label": "B",
        "other": None,
    },
    "crows_pairs": {"sent_more": "He did it.", "sent_less": "She did it.", "bias_type": "gender"},
    "winogender": {"sentid": "nurse.patient.1.male.txt", "sentence": "The nurse told the patient that he could go."},
    "truthfulqa_mc1": {
        "question": "Is it?",
        "mc1_targets": {"choices": ["Yes", "No"], "labels": [1, 0]},
        "mc2_targets": {"choices": ["Yes", "It is", "No"], "labels": [1, 1, 0]},
    },
    "truthfulqa_mc2": {
        "question": "Is it?",
        "mc1_targets": {"Yes": 1, "No": 0},
        "mc2_targets": {"Yes": 1, "It is": 1, "No": 0},
    },
}
# Task and format -> the contexts that its last question has (one if all are the same), its choices, the right ones.
Asked = tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]
_WINO = ("The cup missed the box as cup", "The cup missed the box as box")
_SOLVED = "A cat sat.\n\nQ: Who sat?\n\nA: cat\n\nQ: It was a  _  .\n\nA:"
_RACE_PAPER: Asked = ((f"Article:\n{_SOLVED}",), ("bird", "pet", "tree", "car"), (1,))
_RACE_HARNESS: Asked = (
    ("Article: A cat sat.\n\nQuestion: Who sat?\nAnswer: cat\nIt was a  _  .",),
    ("bird", "pet", "tree", "car"),
    (1,),
)
_MATHS = "The following are multiple choice questions (with answers) about {}college mathematics.\n\n"
_FOUR = "2 + 2?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:"
_PAIR: Asked = (("",), ("He did it.", "She did it."), (0,))
ASKED: dict[tuple[str, str], Asked] = {
    ("boolq", "paper"): (("A fact.\nquestion: is it so?\nanswer:",), ("no", "yes"), (1,)),
    ("boolq", "harness"): (("A fact.\nQuestion: is it so?\nAnswer:",), ("no", "yes"), (1,)),
    ("piqa", "paper"): (("Boil water",), ("Heat it", "Cool it"), (0,)),
    ("piqa", "harness"): (("Question: Boil water\nAnswer:",), ("Heat it", "Cool it"), (0,)),
    ("siqa", "paper"): (("Ana left.\nQuestion: Why?\nAnswer:",), ("a", "b", "c"), (2,)),
    ("siqa", "harness"): (("Q: Ana left. Why?\nA:",), ("a", "b", "c"), (2,)),
    ("hellaswag", "paper"): (("Rowing: [header] They sit. they",), ("row. [step] On.", "fly."), (0,)),
    ("hellaswag", "harness"): (("Rowing: They sit. They",), ("row. On.", "fly."), (0,)),
    ("winogrande", "paper"): (_WINO, ("was small.", "was small."), (1,)),
    ("winogrande", "harness"): (_WINO, ("was small.", "was small."), (1,)),
    ("arc_easy", "paper"): (("Question: What melts?\nAnswer:",), ("ice", "air"), (0,)),
    ("arc_challenge", "harness"): (("Question: What melts?\nAnswer:",), ("ice", "air"), (0,)),
    ("openbookqa", "paper"): (("Ice is",), ("ice", "air"), (1,)),
    ("commonsense_qa", "harness"): (
        ("Question: What melts?\nA. ice\nB. air\nC. tin\nD. oak\nE. fog\nAnswer:",),
        tuple("ABCDE"),
        (0,),
    ),
    ("race_middle", "paper"): _RACE_PAPER,
    ("race_high", "harness"): _RACE_HARNESS,
    ("mmlu", "paper"): ((_MATHS.format(" ") + " " + _FOUR,), tuple("ABCD"), (1,)),
    ("mmlu", "harness"): ((_MATHS.format("") + _FOUR,), tuple("ABCD"), (1,)),
    ("agieval", "paper"): (
        ("Q: 1 + 1? Answer Choices: (A)1 (B)2 (C)3\nA: Among A through C, the answer is",),
        tuple("ABC"),
        (1,),
    ),
    ("agieval", "harness"): (
        ("Q: 1 + 1? Answer Choices: (A)1 (B)2 (C)3\nA: Among A through C, the answer is",),
        ("(A)1", "(B)2", "(C)3"),
        (1,),
    ),
    ("crows_pairs", "paper"): _PAIR,
    ("winogender", "paper"): (
        ("The nurse told the patient that he could go. ‘He’ refers to",),
        ("the nurse", "the patient"),
        (1,),
    ),
    ("winogender", "harness"): (
        ("The nurse told the patient that he could go. ‘He’ refers to the",),
        ("nurse", "patient"),
        (1,),
    ),
}
