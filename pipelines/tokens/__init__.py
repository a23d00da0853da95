"""Documents to token shards, and what reads them."""
