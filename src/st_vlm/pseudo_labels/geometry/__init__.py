"""How far away a clip's pixels are, and where its camera was: backends for depth, lens and poses."""
