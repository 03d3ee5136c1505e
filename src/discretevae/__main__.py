"""`python -m discretevae` is the command."""

from discretevae.cli.main import main

if __name__ == "__main__":
    main()
