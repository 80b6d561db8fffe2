"""Advice on trials that end before their last step."""

from typing import TYPE_CHECKING

from bench.searching.early_ends import setting_text
from bench.searching.plan import StudyPlan
from bench.searching.pruning import collapse_step

if TYPE_CHECKING:
    # pandas and scipy, which it needs, would delay the first trial
    from bench.searching.summary import StudySummary

ANOTHER = "a changed file is another study, which begins anew"


def nothing_completed(result: "StudySummary") -> str:
    """Return, in one line, why a study has no complete trial and what to change."""
    plan, ended = result.plan, result.counts["PRUNED"] + result.failed
    line = f"study {plan.name}: no trial was completed"
    if not ended:
        return f"{line}, and none has ended: give the same command again, with a longer --timeout"
    kinds = [f"{count} {kind}" for kind, count in result.pruned.items()]
    kinds += [f"{result.failed} failed"] if result.failed else []
    line += f": of {ended} that ended, {', '.join(kinds)}"
    main = max({**result.pruned, "failed": result.failed}.items(), key=lambda pair: pair[1])[0]
    return f"{line}; {advice_on(main, plan)}"


def advice_on(kind: str, plan: StudyPlan) -> str:
    """Return what to change about a study whose trials ended early, by the kind of their reason."""
    if kind == "collapsed":
        step = collapse_step(plan.file.pruner, plan.evaluations)
        return (
            f"a collapsed evaluation from step {step:,} of {plan.evaluations[-1]:,} on ends a trial "
            f"({setting_text(plan.file.pruner)}): train longer (steps in settings), search other ranges, or "
            f"set collapse_after: 1 in pruner to keep collapsed trials; {ANOTHER}"
        )
    if kind == "diverged":
        return f"search lower learning rates (lr_g, lr_d), or set lower ones in settings; {ANOTHER}"
    if kind == "failed":
        return f"the reasons stand in trials.csv and logs in {plan.folder}"
    return f"set name: none in pruner; {ANOTHER}"
