"""What counts as yes: baselines, evidence, statistics, verdicts. Imports neither pytest nor torch."""
