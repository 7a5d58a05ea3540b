"""What the suite itself costs. Scripts, run by hand; no test asserts a time."""
