"""The generator as a source of truth: a run that nothing disturbed says what every other run must have made.

What that run itself must look like stands in test_generator.py, from the pipeline file's catalogue and plain arithmetic.
"""

from __future__ import annotations

import pathlib

import oracle
from program import EXIT_OK, Program, sets

PARTITIONS = 3
EVENTS = sets(
    "source.generator.seed=7",
    f"source.generator.partitions={PARTITIONS}",
    "source.generator.event_interval=7s",
    "source.generator.late_share=0.05",
    "source.generator.late_by=2h",
    "source.generator.malformed_share=0.03",
    "source.generator.duplicate_share=0.03",
)
UNLIMITED = sets("source.generator.rate=0")


class Reference:
    """The undisturbed run's lake, in large batches; it grows as far as the others got."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path):
        self.program = Program(binary, directory / "processes")
        self.lake = directory / "lake"
        self.truth: oracle.Truth = {}

    def covering(self, lake: pathlib.Path) -> oracle.Truth:
        """What the generator makes, at least as far as the lake's markers stand."""
        wanted = oracle.markers(lake)
        while any(max(self.truth.get(partition, {-1: None})) < marker for partition, marker in wanted.items()):
            # Partitions advance by turns, but not in step: a margin for those that lag.
            each = max(max(wanted.values()), oracle.events_committed(self.lake) // PARTITIONS, 10_000) + 4_000
            arguments = ["run", self.program.pipeline, "--lake", self.lake, "--only", "bronze", *EVENTS, *UNLIMITED]
            self.program.run(*arguments, "--events", PARTITIONS * each, timeout=60).expect(EXIT_OK)
            self.truth = oracle.truth_of(oracle.LakeView(self.lake))
        return self.truth

    def assert_exact(self, lake: pathlib.Path) -> oracle.LakeView:
        """The lake holds, up to its markers, exactly what the generator makes."""
        return oracle.assert_exact(lake, self.covering(lake), complete=False, dense=True)
