"""Tracking: a separate process copies records and studies to MLflow.

The training process never imports MLflow and never waits for a store. It starts a tracking process,
which creates the MLflow run, follows the run's folder and sends what is safe on the disk. When the
training process ends, in whatever way, the tracking process finishes the run and ends too. The parent run
of a multirun or a study is handled in the same way.
"""
