"""Compile the hash-locked requirement files from pyproject.toml with uv (`make lock`).

One resolution serves all extras, so that one virtual environment can grow by them. torch is kept apart: its CPU build
(local version `+cpu`, whose metadata asks for no CUDA packages) and the index's build are both admitted by hash, and
the CUDA packages are installed only if the build that was chosen asks for them.
"""

import re
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
EXTRAS = (
    "corpus",
    "sample",
    "report",
    "explore",
    "aws",
    "gcp",
    "ray",
    "train",
    "test",
    "full",
    "browser",
    "fuzz",
    "docs",
)
CUDA = re.compile(r"^(nvidia-|cuda-|triton)")
# sha256 of the CPU builds of torch 2.13.0 that were tried; the index's own hashes are added by uv.
TORCH_CPU = ("6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",)


def compile_lock(*args: str) -> list[str]:
    """Return uv's lock as blocks, one requirement with its hashes and comments each."""
    command = ["uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes", "--no-header", "--quiet"]
    text = subprocess.run([*command, *args], cwd=HERE.parent, check=True, capture_output=True, text=True).stdout
    return re.split(r"\n(?=\S)", text.strip())


def main() -> None:
    """Write build.txt, a file of each extra, torch.txt and torch-cuda.txt."""
    everything = HERE / "all.txt"
    everything.write_text("\n".join(compile_lock(*(f"--extra={extra}" for extra in EXTRAS))) + "\n")
    build = ["uv", "pip", "compile", "requirements/build.in", "--universal", "--generate-hashes", "--no-header", "-q"]
    text = subprocess.run(
        [*build, "-c", str(everything)], cwd=HERE.parent, check=True, capture_output=True, text=True
    ).stdout
    (HERE / "build.txt").write_text(text)
    for extra in EXTRAS:
        blocks = compile_lock(f"--extra={extra}", "-c", str(everything))
        cuda = [block for block in blocks if CUDA.match(block)]
        torch = [block for block in blocks if block.startswith("torch==")]
        rest = [block for block in blocks if block not in cuda and block not in torch]
        (HERE / f"{extra}.txt").write_text("\n".join(rest) + "\n")
        if extra == "train":
            hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in TORCH_CPU)
            head, _, tail = torch[0].partition(" \\\n")
            (HERE / "torch.txt").write_text(f"{head}{hashes} \\\n{tail}\n")
            (HERE / "torch-cuda.txt").write_text("\n".join(cuda) + "\n")
    everything.unlink()


if __name__ == "__main__":
    main()
