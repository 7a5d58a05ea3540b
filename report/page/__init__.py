"""The page: one self-contained file that shows a reviewer what came out, claim by claim, and on which grounds."""
