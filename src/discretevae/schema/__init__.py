"""What data are made of: columns of a table, tokens of a sentence."""
