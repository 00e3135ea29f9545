"""`python -m projgan` is `projgan`."""

from projgan.cli.main import main

if __name__ == "__main__":
    main()
