"""torchtitan's model trained as torchtitan trains it on one GPU, for `benchmarks/train.py` to stand beside.

    PEER/bin/python benchmarks/train_torchtitan.py '{"dim": 2048, ..., "seconds": 5}'

Version 0.2.2, in its own environment: its Llama 3 of the same shape, each block compiled by its `apply_compile`, its
cross-entropy compiled, fused AdamW, clipping, bfloat16 by autocast as its trainer does without FSDP. The batch lies
ready: no loader is timed. The last line of output is a JSON object.
"""

import json
import sys
import time
from typing import Any

import torch
from torchtitan.components.loss import cross_entropy_loss
from torchtitan.config.job_config import Compile
from torchtitan.models.llama3 import Transformer, TransformerModelArgs
from torchtitan.models.llama3.infra.parallelize import apply_compile

WARM_UP = 2


def build(shape: dict[str, Any]) -> Transformer:
    arguments = TransformerModelArgs(
        dim=shape["dim"],
        n_layers=shape["layers"],
        n_heads=shape["heads"],
        n_kv_heads=shape["kv_heads"],
        vocab_size=shape["vocabulary"],
        multiple_of=shape["hidden"],
        max_seq_len=shape["length"],
    )
    with torch.device(shape["device"]), torch.no_grad():
        model = Transformer(arguments)
        model.init_weights()
    if model.layers["0"].feed_forward.w1.out_features != shape["hidden"]:
        raise ValueError("its feed-forward has another width")
    return model


def main() -> None:
    shape = json.loads(sys.argv[1])
    on_gpu = shape["device"] == "cuda"
    torch.set_num_threads(shape["threads"])
    torch.manual_seed(0)
    model = build(shape)
    loss_of = cross_entropy_loss
    if on_gpu:
        apply_compile(model, Compile(enable=True))
        loss_of = torch.compile(cross_entropy_loss)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    size = (shape["micro"], shape["length"] + 1)
    tokens = torch.randint(3, shape["vocabulary"], size, device=shape["device"])
    per_step = shape["batch"] * shape["length"]
    clock = time.perf_counter if on_gpu else time.process_time
    done, seconds, start = -WARM_UP, 0.0, 0.0
    while done < 2 or seconds < shape["seconds"]:
        if done == 0:
            start = clock()
        for _ in range(shape["batch"] // shape["micro"]):
            with torch.autocast(shape["device"], torch.bfloat16, enabled=on_gpu):
                loss = loss_of(model(tokens[:, :-1]), tokens[:, 1:]) / per_step
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        done += 1
        seconds = clock() - start if done > 0 else 0.0
    parameters = sum(weight.numel() for weight in model.parameters())
    print(json.dumps({"tokens_per_second": round(done * per_step / seconds), "parameters": parameters}))


if __name__ == "__main__":
    main()
