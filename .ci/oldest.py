"""Print the oldest versions that pyproject.toml allows, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path

LOWEST = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?>=(?P<version>[\w.]+)")


def main():
    """Print them."""
    path = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(path.read_text())["project"]
    # Only what the tests need: the oldest of the other extras may not fit each other.
    names, extras = ["test"], []
    while names:
        for requirement in project["optional-dependencies"][names.pop()]:
            if within := re.match(r"atlasquery\[(.*)\]", requirement):
                names += within[1].split(",")
            else:
                extras.append(requirement)
    oldest: dict[str, str] = {}
    for requirement in [*project["dependencies"], *extras]:
        found = LOWEST.match(requirement)
        if found is None:
            sys.exit(f"pyproject.toml: {requirement} has no oldest version")
        name, version = found["name"], found["version"]
        # Two extras may need the same package.
        oldest[name] = max(version, oldest.get(name, "0"), key=numbers)
    for name, version in oldest.items():
        print(f"{name}=={version}")


def numbers(version: str) -> list[int]:
    """Return the numbers of a version, which order it."""
    return [int(number) for number in re.findall(r"\d+", version)]


if __name__ == "__main__":
    main()
