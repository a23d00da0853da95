"""The sample: real content from pinned packages, in the true dump formats."""
