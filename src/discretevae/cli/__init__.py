"""What the commands do: typed functions, one a command; `discretevae.cli.main` calls them."""
