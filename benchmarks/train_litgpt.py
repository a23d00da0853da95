"""litgpt's model trained as litgpt trains it, for `benchmarks/train.py` to stand beside; runs in litgpt's environment.

    PEER/bin/python benchmarks/train_litgpt.py '{"dim": 128, ..., "seconds": 5}'

Its GPT of the same shape, its cross-entropy, fused AdamW, clipping, bfloat16 by autocast and compilation on a GPU. The
batch lies ready: no loader is timed. The only line of output is a JSON object.
"""

import json
import sys
import time
from typing import Any

import torch
from litgpt import GPT, Config
from litgpt.utils import chunked_cross_entropy

WARM_UP = 2


def build(shape: dict[str, Any]) -> GPT:
    config = Config(
        name="llama",
        block_size=shape["length"],
        vocab_size=shape["vocabulary"],
        padded_vocab_size=shape["vocabulary"],
        n_layer=shape["layers"],
        n_head=shape["heads"],
        n_query_groups=shape["kv_heads"],
        n_embd=shape["dim"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        norm_eps=1e-5,
        mlp_class_name="LLaMAMLP",
        intermediate_size=shape["hidden"],
    )
    with torch.device(shape["device"]):
        return GPT(config)


def main() -> None:
    shape = json.loads(sys.argv[1])
    on_gpu = shape["device"] == "cuda"
    torch.set_num_threads(shape["threads"])
    torch.manual_seed(0)
    model = build(shape)
    step = torch.compile(model) if on_gpu else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    size = (shape["micro"], shape["length"] + 1)
    tokens = torch.randint(3, shape["vocabulary"], size, device=shape["device"])
    clock = time.perf_counter if on_gpu else time.process_time
    done, seconds, start = -WARM_UP, 0.0, 0.0
    while done < 2 or seconds < shape["seconds"]:
        if done == 0:
            start = clock()
        for _ in range(shape["batch"] // shape["micro"]):
            with torch.autocast(shape["device"], torch.bfloat16, enabled=on_gpu):
                loss = chunked_cross_entropy(step(tokens[:, :-1]), tokens[:, 1:])
            (loss * shape["micro"] / shape["batch"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        done += 1
        seconds = clock() - start if done > 0 else 0.0
    parameters = sum(weight.numel() for weight in model.parameters())
    speed = done * shape["batch"] * shape["length"] / seconds
    print(json.dumps({"tokens_per_second": round(speed), "parameters": parameters}))


if __name__ == "__main__":
    main()
