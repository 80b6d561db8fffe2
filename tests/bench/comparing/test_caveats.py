"""What a variant says of its results stands below every table of them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.comparing.caveats import caveats
from bench.comparing.frame import results
from bench.comparing.groups import with_groups
from bench.comparing.published import side_by_side, table_named
from bench.comparing.rendering import render
from bench.comparing.result_tables import of_summary
from bench.comparing.summary import summarise
from variants.registry import all_variants

Runs = Callable[..., pd.DataFrame]
WEIGHT = "the variational term of L_D has the weight kl_weight 0.02 on a KL averaged over 6 latent dimensions"


def test_a_table_that_contains_began_v3_states_the_weight_of_its_variational_term(home: Path) -> None:
    frame = results(where="variant != 'began' or norm == 'l1'")
    tables = of_summary(summarise(frame, frame, ["fd_digits_garments"]))
    (note,) = [note for note in tables.notes if "variational" in note]
    assert note == (
        f"began-v3: {WEIGHT}, 0.0033 of their sum; in equation 21 of the paper it has the weight 1 and no "
        "average."
    )
    for form in ("md", "html", "json"):
        assert "kl_weight 0.02" in str(render(tables, form)).replace(r"\_", "_")
    paper = side_by_side(table_named("table3"), results(where="variant == 'began-v3'"))
    assert any(WEIGHT in note for note in paper.notes)


def test_tables_without_began_v3_have_no_caveat_of_it(home: Path) -> None:
    frame = results(variant=["began", "wgan-gp"], where="norm == 'l1' or variant == 'wgan-gp'")
    assert caveats(with_groups(frame)) == []


def test_each_group_has_its_own_caveat(home: Path) -> None:
    frame = results(variant="began-v3")
    frame = pd.concat(
        [frame, frame.assign(run_id="x", kl_weight=1.0, kl_over="sum"), frame.assign(kl_weight=0.5)]
    )
    told = caveats(with_groups(frame.reset_index(drop=True)))
    assert len(told) == 2
    assert told[0].startswith("began-v3 (kl_over=mean, kl_weight=0.02): ")
    assert told[1].startswith("began-v3 (kl_over=mean, kl_weight=0.5): ")


def test_a_frame_without_knobs_or_of_an_unknown_variant_has_no_caveats(runs: Runs) -> None:
    assert caveats(runs({"variant": "began-v3"}, {"variant": "nobody"}).assign(group="g")) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kl_weight": 1.0, "kl_over": "sum"}, ""),
        ({"kl_weight": 0.5, "kl_over": "sum"}, "kl_weight 0.5; in equation 21"),
        ({"kl_weight": 1.0, "latent_dim": 64}, "averaged over 64 latent dimensions, 0.016 of their sum"),
        ({"kl_weight": 1.0, "latent_dim": 1}, ""),
    ],
)
def test_equation_21s_weight_needs_no_caveat(values: dict[str, object], told: str) -> None:
    words = all_variants()["began-v3"].Hyperparameters(**values).caveat()
    assert told in words
    assert bool(words) == bool(told)
