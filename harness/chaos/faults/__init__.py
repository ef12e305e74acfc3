"""The faults that the harness knows, by what they need of a cluster."""

from typing import Final

from harness.chaos.fault import Fault, by_kind
from harness.chaos.faults.network import DnsDenial, Partition
from harness.chaos.faults.node import ComponentKill, ContainerKill, Freeze, NodeRestart
from harness.chaos.faults.pods import Eviction, PodDelete, ProcessKill
from harness.chaos.faults.rollouts import NewVersion, RolloutRestart, ScaleToZero

API_FAULTS: Final[tuple[Fault, ...]] = (
    PodDelete("pod-delete", grace=None),
    PodDelete("pod-kill", grace=0),
    Eviction(),
    ProcessKill(),
    RolloutRestart(),
    NewVersion(),
    ScaleToZero(),
    Partition(),
    DnsDenial(),
)
"""Those that need the API only."""

NODE_FAULTS: Final[tuple[Fault, ...]] = (ContainerKill(), Freeze(), ComponentKill(), NodeRestart())
"""Those that need a cluster whose node can be hurt."""

FAULTS: Final = by_kind((*API_FAULTS, *NODE_FAULTS))
