"""The numbers of one video for whoever wants just these: how far, how fast and which way its objects moved."""
