"""The peers of the web benchmark, with pinned versions."""

from __future__ import annotations

from benchmarks.peers import Peer

CC_NET = Peer(
    "cc_net 1.0.0",
    "web_peer_cc_net.py",
    (
        "fasttext-wheel==0.9.2",
        "func-argparse==1.1.1",
        "kenlm==0.3.0",
        "numpy==1.26.4",
        "pandas==2.2.3",
        "psutil==7.2.2",
        "requests==2.34.2",
        "sacremoses==0.2.0",
        "sentencepiece==0.2.3",
        "typing-extensions==4.16.0",
    ),
)
DATATROVE = Peer(
    "datatrove 0.10.0",
    "web_peer_datatrove.py",
    ("datatrove[io,processing]==0.10.0", "fasttext-numpy2-wheel==0.9.2", "orjson==3.13.0", "spacy==3.8.7"),
)
# The last two keep pip from trying every version of boto3 against s3fs' pin.
DOLMA = Peer("dolma 1.2.1", "web_peer_dolma.py", ("dolma==1.2.1", "aiobotocore==2.5.4", "boto3==1.28.17"))
