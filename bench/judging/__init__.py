"""Judging: what a sampler's images are worth, measured without knowing what made them.

`extractors.choose` picks the feature network, `reference.reference_statistics` measures the real images once,
`judge.Judge` measures a sampler against them and `health.verdict` turns a run's numbers into its health tag.
Nothing is imported here: each module is paid for by whoever uses it.
"""
