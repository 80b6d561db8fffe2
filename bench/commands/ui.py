"""``bench ui``: MLflow's web pages of the tracking store."""

import os
import subprocess
import sys

import click

from bench.system.errors import WorkError


@click.command("ui")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port on 127.0.0.1."
)
def command(port: int) -> None:
    """Serve MLflow's pages of the tracking store.

    The address is on 127.0.0.1; Ctrl-C ends the server.
    """
    from bench.system import paths
    from bench.tracking.process import TrackingProcess
    from bench.tracking.store_choice import current_store

    address = current_store()
    if address.is_server:
        click.echo(f"the store has a server of its own: open {address.shown}")
        return
    # MLflow's server would try for minutes to open what cannot be opened
    tracker = TrackingProcess()
    try:
        tracker.open(address)
    finally:
        tracker.close()
    click.echo(f"MLflow's UI on {address.shown}: open http://127.0.0.1:{port} in half a minute", err=True)
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--workers", "1", "--artifacts-destination", (paths.results() / "artifacts").as_uri()]
    # not among the words: others can read a command line
    store = {"MLFLOW_BACKEND_STORE_URI": address.full}
    # one worker without the job runner starts in half the time and a quarter of the memory
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    try:
        status = subprocess.run(words, env=os.environ | store | quiet).returncode
    except KeyboardInterrupt:
        return
    if status not in (0, -2, -15, 130):
        raise WorkError(f"MLflow's server ended with status {status}")
