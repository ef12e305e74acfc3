"""Changes of a world, each giving a new one. Labels are only added: those of the bare world are fixed."""

from collections.abc import Mapping
from dataclasses import replace

from harness.isolation.world import Namespace, Pod, World


def label_pod(world: World, pod: Pod, labels: Mapping[str, str]) -> World:
    """The world with more labels on a pod of that namespace and name."""
    pods = (replace(one, labels={**one.labels, **labels}) if one.id == pod.id else one for one in world.pods)
    return replace(world, pods=tuple(pods))


def label_namespace(world: World, name: str, labels: Mapping[str, str]) -> World:
    """The world with more labels on a namespace."""
    namespaces = (
        replace(one, labels={**one.labels, **labels}) if one.name == name else one for one in world.namespaces
    )
    return replace(world, namespaces=tuple(namespaces))


def add_pods(world: World, *pods: Pod) -> World:
    """The world with more pods."""
    return replace(world, pods=(*world.pods, *pods))


def add_namespace(world: World, name: str, labels: Mapping[str, str]) -> World:
    """The world with one more namespace, empty."""
    return replace(world, namespaces=(*world.namespaces, Namespace(name, labels)))
