"""The first stage of pseudo-labels: videos found, looked through once, and cut into clips without a cut in them."""
