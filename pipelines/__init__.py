"""Raw dumps to documents to token shards: the only folder that imports Beam."""

import logging

# Beam warns at its import that it lacks a library of Google's; a corpus is built without it.
logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
