"""``bench run``, left after the first training step; says so in a line on standard output.

Takes the words of ``bench run``. The trainer is changed when the run imports it and not before, so that
nothing is imported earlier than a run does.
"""

import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any


class LeaveAfterFirstStep(importlib.abc.MetaPathFinder):
    """Changes the trainer as it is imported: it reports the end of the first step and stops the run."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Give the module's own loader, with the change after it."""
        if fullname != "bench.training.trainer":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            train = module.Trainer.train

            def train_a_step(trainer: Any) -> None:
                trainer.stop_requested = leave
                train(trainer)

            module.Trainer.train = train_a_step

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def leave() -> bool:
    """Tell that the first step is done, and interrupt the run as a user does."""
    print("first step", flush=True)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.meta_path.insert(0, LeaveAfterFirstStep())
    from bench.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
