"""``bench ui``: MLflow's own pages on the store."""

import os
import subprocess
import sys

import click

from bench.errors import WorkError


@click.command("ui")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port on 127.0.0.1."
)
def command(port: int) -> None:
    """Open MLflow's UI on the store, on 127.0.0.1; Ctrl-C ends it."""
    from bench import places
    from bench.tracking.process import tracking_uri

    uri = tracking_uri()
    if uri.startswith("http"):
        click.echo(f"the store has a server of its own: open {uri}")
        return
    if uri.startswith("sqlite:"):
        from bench.tracking.store import open_store

        open_store(uri, places.results())
    click.echo(f"MLflow's UI on {uri}: open http://127.0.0.1:{port} in half a minute", err=True)
    words = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    words += [
        "--backend-store-uri",
        uri,
        "--artifacts-destination",
        (places.results() / "artifacts").as_uri(),
    ]
    # one worker without the job runner starts in half the time and a quarter of the memory
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    try:
        status = subprocess.run(words, env=os.environ | quiet).returncode
    except KeyboardInterrupt:
        return
    if status not in (0, -2, -15, 130):
        raise WorkError(f"MLflow's server ended with status {status}")
