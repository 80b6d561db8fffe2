"""Study files of hyperparameter searches."""

from importlib import resources
from pathlib import Path


def shipped() -> dict[str, Path]:
    """Return the shipped study files by name, in alphabetical order."""
    folder = Path(str(resources.files("studies")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
