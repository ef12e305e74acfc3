"""What makes a cluster whose node is a container: kind or Minikube, called for one cluster."""

from pathlib import Path
from typing import Protocol

from harness.clusters.container.node import NodeImage, Ports
from harness.timeline import Timeline


class Maker(Protocol):
    """Makes one cluster on one engine, and removes it."""

    @property
    def node(self) -> str:
        """The name of the container that is the node."""

    @property
    def removal(self) -> str:
        """The command by which somebody whose cluster has the same name removes it."""

    def taken(self) -> bool:
        """Whether the engine has what a cluster of this name has, whoever made it."""

    def prepare(self, image: NodeImage) -> None:
        """Write the files that ``create`` needs.

        Nothing else may start a program meanwhile: what is written may be one, and cannot run while a child that was
        just forked has it open ("text file busy").
        """

    def create(self, image: NodeImage, cni: str, ports: Ports, timeline: Timeline) -> str:
        """Make the cluster, write its kubeconfig, and return where its Ingress controller answers.

        Raises NameTaken where somebody else was faster, ClusterError with the last of what was said, PrerequisiteError.
        """

    def stop_creating(self) -> None:
        """End a maker that still creates the cluster, and wait for what it has begun."""

    def delete(self) -> None:
        """End the cluster; nothing is done where there is none. Raises ClusterError with the last of what was said."""

    def export_logs(self, folder: Path) -> None:
        """Write what users of this maker expect of its logs. Raises ClusterError where some are missing."""
