"""Rank correlation of networks' distances: sets are made once, judged once, and compared by their order."""

import numpy as np
import pytest
import rank_distances
from PIL import Image
from rank_distances import FACES, RUN, JudgedSet, by_network, by_set, correlation, measured
from scipy.stats import rankdata
from verdict_cases import Wanted

import bench

COUNT = 100


def judged_set(number, fid, other, origin="blur"):
    distances = {"fid": float(fid), "fd_other": float(other)}
    return JudgedSet("cifar10", origin, str(number), COUNT, distances, {"fid": 0.2, "fd_other": 0.002})


@pytest.mark.parametrize(
    ("others", "expected"),
    [([1, 10, 100, 1000], "1.000 (1.00 to 1.00), n 4"), ([8, 6, 4, 2], "-1.000 (-1.00 to -1.00), n 4")],
)
def test_only_the_order_counts(others, expected):
    sets = [
        judged_set(n, fid, other) for n, (fid, other) in enumerate(zip((1, 2, 3, 9), others, strict=True))
    ]
    assert correlation(sets, "fd_other") == expected


def test_the_correlation_is_pearsons_of_the_ranks_and_ties_share_theirs():
    pairs = np.random.default_rng(0).integers(0, 10, (20, 2))
    ranks = np.apply_along_axis(rankdata, 0, pairs)
    expected = np.corrcoef(ranks.T)[0, 1]
    found = correlation([judged_set(n, *pair) for n, pair in enumerate(pairs)], "fd_other")
    assert found.startswith(f"{expected:.3f} (")


def test_fewer_than_three_sets_have_no_correlation():
    assert correlation([judged_set(0, 1, 2), judged_set(1, 2, 3)], "fd_other") == "-"


def test_samples_of_runs_are_told_apart_and_the_cost_is_that_of_fid():
    sets = [judged_set(n, n, n) for n in range(3)] + [judged_set(n, n, -n, RUN) for n in range(3, 6)]
    (row,) = (line for line in by_network(sets).splitlines() if "fd_other" in line)
    everything, changed, runs, cost = (cell.strip() for cell in row.split("|")[3:7])
    assert everything.endswith("n 6")
    assert changed == "1.000 (1.00 to 1.00), n 3"
    assert runs.startswith("-1.000")
    assert cost == "1/100"


def test_sets_are_listed_by_fid_with_their_places():
    rows = by_set([judged_set(0, 5, 1), judged_set(1, 3, 2)]).splitlines()[2:]
    assert [row.split("|")[3:6] for row in rows] == [
        [" 1      ", " 3 (1) ", "      2 (2) "],
        [" 0      ", " 5 (2) ", "      1 (1) "],
    ]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """All sets of a folder of noise, with a run on it."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    for number in range(260):
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"20_{number % 2}_0_{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setattr(rank_distances, "CHANGES", {"real": (1,), "blur": (3, 5)})
        patch.setattr(rank_distances, "NETWORKS", ("shipped",))
        settings = {"eval_samples": 100, "batch_size": 8, "tracking": False, "figures": False}
        bench.run("began", dataset=f"folder:{folder}", image_size=32, steps=2, filters=2, **settings)
        wanted = Wanted(FACES, COUNT, 1, faces=folder)
        found = list(measured(wanted, 100, []))
        assert list(measured(wanted, 100, found)) == []
        return found


def test_each_change_and_each_run_is_judged_once(sets):
    made = [(each.origin, each.detail) for each in sets]
    assert made == [("real", "1"), ("blur", "3"), ("blur", "5"), (RUN, "began seed 0")]
    assert all(each.samples == COUNT and each.seconds["fd_objects"] > 0 for each in sets)


def test_changed_images_are_farther_from_the_real_ones(sets):
    distances = [each.distances["fd_objects"] for each in sets]
    assert distances[0] < distances[1] < distances[2]
    assert distances[0] < distances[3]
