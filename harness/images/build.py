"""Builds recipes into images, each at most once: what is in the store for the same content is taken from there."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.images.debian import PROCEDURE, make_debian
from harness.images.engines import Buildah, DockerEngine
from harness.images.recipe import DebianBase, Recipe, debian_tag
from harness.images.store import Image, Store, cache_folder
from harness.images.wheelhouse import wheelhouse
from harness.timeline import Timeline


class Builder:
    """Builds into ``cache``; ``engine`` is Docker or Podman if one answers (found out when it matters)."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self.store = Store(cache / "images")
        self._buildah = Buildah(cache / "buildah")

    def build(self, recipe: Recipe, timeline: Timeline) -> Image:
        """The image of ``recipe``, built if it is not there yet, as a phase on the timeline.

        With the same content nothing is done: no engine is asked and no phase shown. The tag tells which base it was
        built on, so an image that is there serves whichever way it came.
        Raises BuildError, PrerequisiteError, or WaitTimeout while another process builds it.
        """
        public, own = self.on_public(recipe), self.on_own(recipe)
        for image in (public, own):
            if self.store.has(image):
                return image
        engine = DockerEngine.found()
        if engine is not None and engine.can_have(recipe.base.public):
            image, base, write = public, recipe.base.public, engine.build
        else:
            image, base, write = own, self._buildah.provide(self._base(recipe.base.own, timeline)), self._buildah.build
        with timeline.phase(f"image {short(image)}") as say:
            say(image.tag)
            return self.store.keep(image, functools.partial(self._build, recipe, base, image.reference, write))

    def debian(self, base: DebianBase, timeline: Timeline) -> Image:
        """A Debian root file system as an image of one layer, made if it is not there yet. No engine is needed.

        Raises BuildError, PrerequisiteError without root or mmdebstrap.
        """
        return self._base(base, timeline)

    @staticmethod
    def debian_tag(base: DebianBase) -> str:
        """The content hash of such a file system."""
        return debian_tag(base, PROCEDURE)

    def on_public(self, recipe: Recipe) -> Image:
        """The image that ``recipe`` gives on its public base."""
        return self.store.image(recipe.repository, recipe.tag(recipe.base.public))

    def on_own(self, recipe: Recipe) -> Image:
        """The image that ``recipe`` gives on the base that is made here."""
        return self.store.image(recipe.repository, recipe.tag(self._own(recipe.base.own).reference))

    def _own(self, base: DebianBase | Recipe) -> Image:
        if isinstance(base, Recipe):
            return self.on_own(base)
        return self.store.image(f"localhost/{base.name}", self.debian_tag(base))

    def _base(self, base: DebianBase | Recipe, timeline: Timeline) -> Image:
        """The base image, made if it is not there yet."""
        image = self._own(base)
        if self.store.has(image):
            return image
        below = self._buildah.provide(self._base(base.base.own, timeline)) if isinstance(base, Recipe) else ""
        with timeline.phase(f"image {short(image)}") as say:
            say(image.tag)
            if isinstance(base, Recipe):
                write = functools.partial(self._build, base, below, image.reference, self._buildah.build)
                return self.store.keep(image, write)
            return self.store.keep(image, lambda archive: make_debian(base, archive, image.reference))

    def _build(
        self,
        recipe: Recipe,
        base: str,
        reference: str,
        build: Callable[[Path, str, str, Path], None],
        archive: Path,
    ) -> None:
        wheels = wheelhouse(recipe.requirements, self._cache) if recipe.requirements else None
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".context-") as folder:
            recipe.stage(Path(folder), wheels)
            build(Path(folder), base, reference, archive)


def short(image: Image) -> str:
    """An image's name for people."""
    return image.name.rpartition("/")[2]


def build(recipe: Recipe, timeline: Timeline) -> Image:
    """``Builder.build`` in the user's cache."""
    return Builder(cache_folder()).build(recipe, timeline)
