"""The suite tests itself: judge, report, fixtures, measure. Never the paper."""
