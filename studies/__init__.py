"""Study files of hyperparameter searches."""
