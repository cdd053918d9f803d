"""``python -m atlasquery``."""

from atlasquery.cli import main

if __name__ == "__main__":
    main(prog_name="atlasquery")
