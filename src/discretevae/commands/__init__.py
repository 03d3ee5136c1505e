"""Commands in groups of their own: typed functions, as those of `discretevae.cli`."""
