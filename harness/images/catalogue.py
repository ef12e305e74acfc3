"""The images that the harness itself needs: the case's three, the prober, and the add-ons of the embedded node."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.errors import BuildError, UsageError
from harness.images.archive import ARCHIVE_VERSION, write_binary_archive
from harness.images.build import Builder, build
from harness.images.recipe import Base, DebianBase, Recipe, tag_of
from harness.images.store import Image, cache_folder
from harness.images.wheelhouse import wheelhouse
from harness.timeline import Timeline

REPOSITORY = "harness.dev"
HERE = Path(__file__).parent

DEBIAN = DebianBase("harness-base", "bookworm", ("python3", "python3-venv", "tini", "ca-certificates"))
PYTHON_BASE = Base("docker.io/library/python:3.11-slim-bookworm", DEBIAN)
NETFILTER = DebianBase("netfilter-base", "bookworm", ("conntrack", "iproute2", "ipset", "iptables", "kmod", "nftables"))
"""What kube-proxy and Calico's agent call: on a node that has the one, the other's image brings a program alone."""
PUBLIC_DEBIAN = "docker.io/library/debian:bookworm-slim"
# On the apps' base, so that a node unpacks that layer once for all.
POSTGRES = Recipe(
    "localhost/harness-postgres-base",
    HERE / "bases" / "postgres.Dockerfile",
    HERE / "bases",
    Base(PUBLIC_DEBIAN, DEBIAN),
)
POSTGRES_BASE = Base(PUBLIC_DEBIAN, POSTGRES)

CASE = {
    "invoice-app": ("invoice_app", PYTHON_BASE),
    "payment-provider": ("payment_provider", PYTHON_BASE),
    "postgres": ("postgres", POSTGRES_BASE),
}

# Numeric users: Pod Security asks for one that is known not to be root. The provisioner owns what it makes on the node.
ADDON_USERS = {
    "coredns": "65532:65532",
    "metrics-server": "65532:65532",
    "pause": "65535:65535",
    "storage": "0:0",
    "traefik": "65532:65532",
}


def case_recipe(name: str, services: Path) -> Recipe:
    """The recipe of one of the case's images, from the checkout's ``services`` folder."""
    if name not in CASE:
        raise UsageError(f"the case has no image {name!r}: it has {', '.join(CASE)}")
    folder, base = CASE[name]
    if not (services / folder / "Dockerfile").is_file():
        raise UsageError(f"{services / folder / 'Dockerfile'} is missing: the case's images are built from a checkout")
    requirements = services / folder / "requirements.txt"
    return Recipe(
        f"{REPOSITORY}/{name}",
        services / folder / "Dockerfile",
        services,
        base,
        requirements if requirements.is_file() else None,
    )


def case_images(
    timeline: Timeline, names: Iterable[str] = tuple(CASE), services: Path | None = None
) -> dict[str, Image]:
    """The case's images by name. ``services`` is the folder of their sources, by default the checkout's.

    Raises UsageError for another name or without the sources, and what ``build`` raises.
    """
    folder = services or HERE.parent.parent / "services"
    recipes = {name: case_recipe(name, folder) for name in names}
    builder = Builder(cache_folder())
    missing = {
        recipe.requirements
        for recipe in recipes.values()
        if recipe.requirements and not any(map(builder.store.has, (builder.on_public(recipe), builder.on_own(recipe))))
    }
    with ThreadPoolExecutor(max_workers=2) as pool:
        # Wheels come over the network while a base is made by the processor.
        fetched = [pool.submit(wheelhouse, requirements, cache_folder()) for requirements in missing]
        images = {name: builder.build(recipe, timeline) for name, recipe in recipes.items()}
        for future in fetched:
            future.result()
    return images


def prober_recipe() -> Recipe:
    """The recipe of the image that probes run in."""
    prober = HERE.parent / "prober"
    return Recipe(f"{REPOSITORY}/prober", prober / "Dockerfile", prober, PYTHON_BASE)


def prober_image(timeline: Timeline) -> Image:
    """The image that probes run in."""
    return build(prober_recipe(), timeline)


def policy_recipe(program: Path) -> Recipe:
    """The recipe of the image of Calico's programs, which are one file named ``policynode``."""
    return Recipe(
        f"{REPOSITORY}/policy", HERE / "bases" / "policy.Dockerfile", program.parent, Base(PUBLIC_DEBIAN, NETFILTER)
    )


def policy_image(timeline: Timeline, program: Path) -> Image:
    """The image of Calico's network plugin and agent, with what the agent calls."""
    return build(policy_recipe(program), timeline)


def addon_images(timeline: Timeline, components: Mapping[str, Path]) -> dict[str, Image]:
    """Images of static binaries, by the names of ``components``: ``coredns``, ``traefik``, ``metrics-server``, ….

    Each holds its binary as ``/<name of the file>`` and runs as a user that is not root, but for ``storage``. No engine
    is needed. Raises BuildError for a file that is missing, UsageError for a name that is no add-on.
    """
    store = Builder(cache_folder()).store
    images: dict[str, Image] = {}
    for name, binary in components.items():
        if name not in ADDON_USERS:
            raise UsageError(f"{name!r} is no add-on: {', '.join(ADDON_USERS)} are")
        if not binary.is_file():
            raise BuildError(f"the binary of {name} is missing: {binary}")
        user = ADDON_USERS[name]
        content = f"{store.digest(binary)} {binary.name} {user} {ARCHIVE_VERSION}"
        image = store.image(f"{REPOSITORY}/{name}", tag_of(hashlib.sha256(content.encode()).hexdigest()))
        if not store.has(image):
            with timeline.phase(f"image {name}") as say:
                say(image.tag)
                write = functools.partial(write_binary_archive, reference=image.reference, binary=binary, user=user)
                store.keep(image, write)
        images[name] = image
    return images
