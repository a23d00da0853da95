"""Lay out the sample: `python -m pipelines.sample --output data/raw`, see `pipelines.sample.layout`."""

from pipelines.files import commands
from pipelines.sample.layout import main

if __name__ == "__main__":
    commands.run(main)
