"""ST-VLM: how far, how fast and which way things move in a video."""
