"""Names of the columns of a table of runs."""

IDENTITY = (
    "run_id",
    "name",
    "variant",
    "dataset",
    "preset",
    "seed",
    "experiment",
    "study",
    "trial",
    "status",
    "health",
    "alarms",
    "created",
    "commit",
    "config_hash",
    "data_hash",
    "metric",
    "protocol",
    "health_rules",
    "select",
    "step",
)
# training's own numbers at the selected step, after what was judged there
CONVERGENCE = ("M", "k", "M_best")
COST = ("parameters_generator", "parameters_discriminator", "train_seconds", "processor")
