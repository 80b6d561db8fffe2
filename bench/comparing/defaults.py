"""Formats of tables, and the metrics that tables report by default; imports nothing heavy, for the help."""

FORMATS = ("md", "csv", "latex", "html", "json", "parquet")
FOR_PEOPLE = ("md", "latex", "html")

# beside the Frechet distance of the runs and the first scalar of training that selects their checkpoints
OF_KNOWN_MODES = ("modes_covered", "high_quality", "reverse_kl")
OF_CLASSES = ("classes_covered",)
OF_ALL = ("coverage",)

DEFAULT_METRICS = (
    f"the Frechet distance; {', '.join(OF_KNOWN_MODES)} where the modes of the data are known, "
    f"{', '.join(OF_CLASSES)} elsewhere; {', '.join(OF_ALL)}; "
    "the first training scalar that selects a variant's checkpoints"
)
