"""Judging measures one sampler: how close and how diverse its samples are, against real samples.

- :mod:`bench.judging.extractors` chooses the network that extracts features;
- :mod:`bench.judging.reference` computes the statistics of the real samples once;
- :class:`bench.judging.judge.Judge` draws samples and computes every metric of :mod:`bench.judging.metrics`.

Verdicts on whole runs are made in `bench.health`, tables over several runs in `bench.comparing`. Nothing is
imported here, so that importing one module does not import the others.
"""
