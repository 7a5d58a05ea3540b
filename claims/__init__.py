"""One file for each group of claims, ordered like the paper: a docstring is the claim, a body measures and judges."""
