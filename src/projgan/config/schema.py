"""The settings of a run: one frozen dataclass a component, each field with its unit.

Each section checks its own fields; `RunConfig` checks what lies between them. Words such as
"reference" in a preset are settled by `config.load.resolve` before a run starts, and what was
settled is what gets saved. No torch here: the command line reads this module.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from projgan.config.learning import AugmentConfig, OptimizerConfig, TrainingConfig
from projgan.config.networks import (
    DiscriminatorConfig,
    FeaturesConfig,
    GeneratorConfig,
    HeadsConfig,
    ProjectorConfig,
)
from projgan.config.pictures import DataConfig
from projgan.config.tracking import TrackingConfig
from projgan.config.transfer import TransferConfig
from projgan.config.watching import HealthConfig, MetricsConfig
from projgan.errors import UsageError

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a run is made of; saved in its folder, where it alone rebuilds the run."""

    schema_version: int = SCHEMA_VERSION
    preset: str = ""
    """Name of the preset that this config started from."""
    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    health: HealthConfig = field(default_factory=HealthConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise UsageError(
                f"config has schema version {self.schema_version}; "
                f"this projgan reads {SCHEMA_VERSION}",
                where="setting schema_version",
            )
        if not self.data.is_square:
            self._require_for_rectangles()

    def _require_for_rectangles(self) -> None:
        """Raise UsageError for what only squares can have."""
        if not self.discriminator.is_projected:
            raise UsageError(
                f"the discriminator {self.discriminator.name} is for squares, and pictures have "
                f"{self.data.description}",
                where="setting discriminator.name",
                next_command="--set discriminator.name=projected, or a square --resolution",
            )
        if "rotate90" in (*self.augment.policy, *self.augment.adaptive):
            raise UsageError(
                f"rotate90 is for squares, and pictures have {self.data.description}",
                where="setting augment.policy or augment.adaptive",
                next_command="leave it out; rotation turns by a little and keeps the shape",
            )

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values, section by section."""
        return dataclasses.asdict(self)
