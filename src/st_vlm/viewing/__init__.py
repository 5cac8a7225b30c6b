"""One static HTML page of a built dataset folder: clips with their marks, maps of tracks, what was left out."""
