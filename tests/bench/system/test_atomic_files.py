"""Files that commands write: complete or not there, and nothing else of the file system is changed."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from bench.system.atomic_files import PREFIX, replacing, write_bytes, write_text
from bench.system.errors import RequestError, WorkError

NOBODY = 65534


@pytest.fixture
def umask() -> Callable[[int], None]:
    """Sets the umask for one test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def identity(path: Path) -> tuple[int, ...]:
    """What stays of a file that is left alone; the time of a link's last use does not."""
    facts = path.lstat()
    return facts.st_ino, facts.st_mode, facts.st_size, facts.st_mtime_ns


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_of_the_umask(mask: int, mode: int, tmp_path: Path, umask) -> None:
    umask(mask)
    write_text(tmp_path / "new" / "file", "new")
    assert mode_of(tmp_path / "new" / "file") == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_a_replaced_file_keeps_its_mode(mode: int, tmp_path: Path, umask) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert (path.read_text(), mode_of(path)) == ("new", mode)


def test_nobody_else_can_read_what_replaces_a_private_file_while_it_is_written(tmp_path: Path, umask) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    with replacing(path) as aside:
        aside.write_text("new")
        assert mode_of(aside) == 0o600
    assert mode_of(path) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_a_replaced_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    os.chown(path, NOBODY, NOBODY)
    write_text(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    target, link, chain = (tmp_path / name for name in ("elsewhere/target", "link", "chain"))
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("elsewhere/target")
    chain.symlink_to(link)
    write_text(chain, "new")
    assert os.readlink(link) == "elsewhere/target"
    assert chain.is_symlink()
    assert (target.read_text(), mode_of(target)) == ("new", 0o600)


def test_a_link_to_a_file_that_is_not_there_makes_that_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("made")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "made").read_text() == "new"


def make_folder(path: Path) -> None:
    path.mkdir()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices can be made by root only")


def make_link_to_device(path: Path) -> None:
    path.symlink_to(os.devnull)


def make_link_loop(path: Path) -> None:
    path.symlink_to(path.name)


SPECIAL = {
    "a folder": make_folder,
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a device": make_device,
    "is a device": make_link_to_device,
    "links lead in a circle": make_link_loop,
}


@pytest.mark.parametrize(("kind", "make"), SPECIAL.items(), ids=list(SPECIAL))
def test_what_is_no_regular_file_is_refused_and_stays(
    kind: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = Path("special")
    make(path)
    before = identity(path)
    with pytest.raises(RequestError, match=kind):
        write_text(path, "new")
    assert identity(path) == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(PREFIX)] == []


@pytest.mark.parametrize(("kind", "make"), SPECIAL.items(), ids=list(SPECIAL))
@pytest.mark.parametrize(
    "words",
    [
        ["table", "--out"],
        ["report", "--out"],
        ["sample", "last", "--out"],
        ["interpolate", "last", "--out"],
        ["export", "last", "--out"],
    ],
    ids=lambda words: words[0],
)
def test_commands_refuse_it_in_one_line_before_they_look_for_runs(
    words: list[str],
    kind: str,
    make: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("special.pt2" if words[0] == "export" else "special.png")
    make(path)
    before = identity(path)
    assert main([*words, str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: ")
    assert kind in line
    assert identity(path) == before


@pytest.mark.parametrize("make", [os.mkfifo, make_link_loop, lambda path: path.write_text("a file")])
def test_plot_refuses_a_folder_that_is_none(
    make: Callable[[Path], object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "figures")
    assert main(["plot", "last", "--out", str(tmp_path / "figures")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not a folder" in line


@pytest.mark.parametrize(("name", "words"), [("x" * 300, "name is too long"), ("nul\0", "null")])
def test_a_name_that_no_file_can_have_is_a_wrong_request(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=words):
        write_text(tmp_path / name, "new")


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    with replacing(path) as aside:
        assert aside.suffix == ".png"
        aside.write_text("new")
    assert path.read_text() == "new"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def stopped() -> None:
        with replacing(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_turns_into_a_special_one_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def changed() -> None:
        with replacing(path) as aside:
            aside.write_text("new")
            os.mkfifo(path)

    with pytest.raises(RequestError, match="a FIFO"):
        changed()
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_without_the_right_to_do_so_nothing_is_written_and_no_group_gains_a_right(tmp_path: Path) -> None:
    """In a process that belongs to nobody: a protected file, and one whose group nobody is not in."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent and not mode_of(folder) & 0o001:
            folder.chmod(mode_of(folder) | 0o011)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    for name, owner, mode in (("protected", NOBODY, 0o444), ("grouped", NOBODY, 0o660), ("roots", 0, 0o644)):
        (shared / name).write_text("old")
        os.chown(shared / name, owner, 0)
        (shared / name).chmod(mode)
    program = (
        "import os, sys; from pathlib import Path\n"
        "from bench.system.atomic_files import write_text\n"
        "from bench.system.errors import WorkError\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "for path in map(Path, sys.argv[1:]):\n"
        "    try: write_text(path, 'new')\n"
        "    except WorkError as error: print(path.name, error)\n"
    )
    words = [sys.executable, "-c", program, *map(str, sorted(shared.iterdir()))]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    assert [line.split()[0] for line in told.splitlines()] == ["protected", "roots"]
    assert "write-protected" in told
    assert (shared / "protected").read_text() == (shared / "roots").read_text() == "old"
    grouped = shared / "grouped"
    assert (grouped.read_text(), mode_of(grouped)) == ("new", 0o600)


def test_a_folder_that_cannot_be_made_is_work_that_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    for path in (Path("/proc/no/such/folder/file"), tmp_path / "file" / "below"):
        with pytest.raises(WorkError, match="cannot be written"):
            write_bytes(path, b"new")
