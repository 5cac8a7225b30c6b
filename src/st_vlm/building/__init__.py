"""From a source to a dataset folder: shards a recording, a balanced selection, Parquet, videos and a card."""
