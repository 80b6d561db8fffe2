"""``bench run`` that stops after the first training step and prints a line then.

Takes the arguments of ``bench run``. The trainer is patched when the run imports the trainer, not earlier, so
that the order of imports is that of a run.
"""

import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any


class LeaveAfterFirstStep(importlib.abc.MetaPathFinder):
    """Import hook that patches the trainer to stop after the first step."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Return the module's own loader, followed by the patch."""
        if fullname != "bench.training.trainer":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            train = module.Trainer.train

            def train_one_step(trainer: Any) -> None:
                trainer.stop_requested = leave
                train(trainer)

            module.Trainer.train = train_one_step

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


def leave() -> bool:
    """Print that the first step is done, and interrupt the run as a user does."""
    print("first step", flush=True)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.meta_path.insert(0, LeaveAfterFirstStep())
    from bench.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
