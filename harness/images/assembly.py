"""Puts the image of a node together, once for the same content: a Debian, what is put onto it, and a control plane."""

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.images import controlplane, machine
from harness.images.archive import ARCHIVE_VERSION, extract_layers, write_archive
from harness.images.build import Builder
from harness.images.catalogue import NETFILTER
from harness.images.controlplane import ControlPlane
from harness.images.layer import Layer, layer
from harness.images.recipe import DebianBase, tag_of
from harness.images.store import Image
from harness.timeline import Timeline

PROGRAMS: Final = (*machine.PLACES, *controlplane.PROGRAMS, "kubeadm")
"""What every node's image is built of."""


@dataclass(frozen=True)
class Assembly:
    """What an image is made of.

    ``put`` writes what is on the node beside Debian's packages; it is given the layer of ``base``. ``inputs``, which
    can be JSON, is all that decides what it writes, beside the control plane's programs and version. ``sandbox`` gives
    the name that the image of sandboxes gets.
    """

    what: str
    repository: str
    base: DebianBase
    control_plane: ControlPlane
    inputs: Sequence[object]
    put: Callable[[Layer, Path], None]
    sandbox: Callable[[], str]

    def image(self, builder: Builder, timeline: Timeline) -> Image:
        """The image, built if it is not there yet, as a phase that is named ``what``.

        Raises BuildError, and PrerequisiteError without root or mmdebstrap.
        """
        image = builder.store.image(self.repository, self.tag(builder))
        if builder.store.has(image):
            return image
        bases = [builder.debian(base, timeline) for base in (self.base, NETFILTER)]
        with timeline.phase(self.what) as say:
            say(image.reference)
            return builder.store.keep(image, functools.partial(self._write, bases, image.reference))

    def tag(self, builder: Builder) -> str:
        """The hash of all that goes in."""
        plane = self.control_plane
        parts = [
            [ARCHIVE_VERSION, plane.version, plane.dns],
            [builder.debian_tag(base) for base in (self.base, NETFILTER)],
            {name: builder.store.digest(plane.programs[name].resolve()) for name in PROGRAMS},
            [machine.procedure(), controlplane.CALLS, controlplane.ETCD],
            list(self.inputs),
        ]
        return tag_of(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())

    def _write(self, bases: Sequence[Image], reference: str, archive: Path) -> None:
        debian, netfilter = bases
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".node-") as name:
            folder = Path(name)
            (base,) = extract_layers(debian.archive, folder)
            files, images = folder / "files.tar", folder / "images.tar"
            with layer(files) as writing:
                self.put(writing, base)
            with self.control_plane.preloaded(netfilter, self.sandbox()) as store, layer(images) as writing:
                writing.tree("var/lib/containerd", store)
            write_archive(
                archive,
                reference,
                [base, files, images],
                entrypoint=["/usr/local/bin/entrypoint", "/sbin/init"],
                environment={"container": "docker"},
            )
