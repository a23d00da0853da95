"""Raw dumps to documents to token shards: the only folder that imports Beam."""
