"""Tracking: MLflow as a view of the record and of studies, kept by a process of its own.

The training process never imports MLflow and never waits for a store. It starts a tracking process,
which makes the MLflow run, follows the run's folder and sends what is safe on the disk; when the
training process ends, in whatever way, the tracking process finishes the run and ends too. The run
above several ones, a multirun's or a study's, is kept in the same way.
"""
