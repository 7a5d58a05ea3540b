"""How verdicts are shown. Pure functions of verdicts: nothing here measures or judges."""
