"""Studies: Optuna searches hyperparameters with the common trainer.

study file -> plan -> storage -> workers that train trials -> outcome. Optuna's storage is the truth
about a study, MLflow a view of it.
"""
