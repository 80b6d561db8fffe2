"""Studies: Optuna searches hyperparameters with the common trainer.

A study runs through these stages: study file -> plan -> storage -> workers that train
trials -> summary. Optuna's storage is the truth about a study; MLflow shows a copy.
"""
