"""How a number is obtained. Knows nothing of pytest and nothing of what a number is compared with."""
