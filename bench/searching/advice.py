"""Advice where no trial of a study came to its end."""

from bench.searching.early_ends import setting_text
from bench.searching.pruning import collapse_step
from bench.searching.summary import StudySummary


def nothing_completed(result: StudySummary) -> str:
    """Return, in one line, why a study has no complete trial and what to change."""
    plan, ended = result.plan, result.counts["PRUNED"] + result.failed
    line = f"study {plan.name}: no trial was completed"
    if not ended:
        return f"{line}, and none has ended: give the same command again, with a longer --timeout"
    kinds = [f"{count} {kind}" for kind, count in result.pruned.items()]
    kinds += [f"{result.failed} failed"] if result.failed else []
    line += f": of {ended} that ended, {', '.join(kinds)}"
    main = max({**result.pruned, "failed": result.failed}.items(), key=lambda pair: pair[1])[0]
    if main == "collapsed":
        step = collapse_step(plan.file.pruner, plan.evaluations)
        advice = (
            f"a collapsed evaluation from step {step:,} of {plan.evaluations[-1]:,} on ends a trial "
            f"({setting_text(plan.file.pruner)}): train longer (steps in settings), search other ranges, or "
            "set collapse_after: 1 in pruner to keep collapsed trials"
        )
    elif main == "diverged":
        advice = "search lower learning rates (lr_g, lr_d), or set lower ones in settings"
    elif main == "failed":
        advice = f"the reasons stand in trials.csv and logs in {plan.folder}"
    else:
        advice = "set name: none in pruner"
    return f"{line}; {advice}"
