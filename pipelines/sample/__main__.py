"""Lay out the sample: `python -m pipelines.sample --output data/raw`, see `pipelines.sample.layout`."""

import sys

from pipelines.sample.layout import main

if __name__ == "__main__":
    sys.exit(main())
