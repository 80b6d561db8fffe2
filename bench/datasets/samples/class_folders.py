"""Names of subfolders that stand for classes."""

import re
from collections.abc import Sequence

from bench.system.errors import unknown

LONGEST = 200  # bytes of a name; file systems allow 255
# a slash cannot be in a name, and a folder with a dot in front is hidden
_NOT_IN_NAMES = re.compile(r"[/\\\0]|^\.")


def class_folders(class_names: Sequence[str]) -> list[str]:
    """Return the name of a subfolder for each class: its name, with ``-`` for what a file system refuses.

    Numbers are the names where two classes would share a subfolder, or a name is empty or too long.
    """
    folders = [_NOT_IN_NAMES.sub("-", name) for name in class_names]
    distinct = len({name.casefold() for name in folders}) == len(folders)
    if distinct and all(0 < len(name.encode(errors="replace")) <= LONGEST for name in folders):
        return folders
    digits = len(str(len(folders) - 1))
    return [f"{number:0{digits}d}" for number in range(len(folders))]


def class_numbers(folders: Sequence[str], class_names: Sequence[str]) -> list[int] | None:
    """Return the number of the class that each subfolder stands for: by its name, else by its number.

    Parameters
    ----------
    folders : sequence of str
        Names of the subfolders.
    class_names : sequence of str
        Names of the classes, by number.

    Returns
    -------
    list of int or None
        None if no subfolder stands for a class.

    Raises
    ------
    RequestError
        If some subfolders stand for classes and another does not.
    """
    known = {name: number for number, name in enumerate(class_folders(class_names))}
    known |= {name: number for number, name in enumerate(class_names)}
    found = [known.get(name, _number(name, len(class_names))) for name in folders]
    strange = [name for name, number in zip(folders, found, strict=True) if number is None]
    if len(strange) == len(found):
        return None
    if strange:
        raise unknown("class of a subfolder", strange[0], class_names)
    return [number for number in found if number is not None]


def _number(name: str, classes: int) -> int | None:
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else classes
    return number if number < classes else None
