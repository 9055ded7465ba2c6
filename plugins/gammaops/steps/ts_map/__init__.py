"""Maps of the test statistic of a source."""
