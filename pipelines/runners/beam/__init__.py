"""A wave as one Beam pipeline: on the workers of this machine or on an engine, and what each engine needs."""
