"""gammapy helpers that two or more step types share; the only place beside ``science.py`` that imports gammapy."""
