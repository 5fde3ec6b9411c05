# SPDX-License-Identifier: GPL-2.0-only
"""Who allocated the live areas, as the kernel remembers it: kernel/records.c."""
from pcpu import lists, target

RECORD = ("struct record", "node")
LIVE = "'kernel/records.c'::live"


def _area(node):
    area = lists.container(node, *RECORD)["area"]
    area.fetch_lazy()
    return area


def line(pointer):
    """A record for the area that a per-CPU pointer points into; None if nothing is remembered."""
    node = lists.tree_last(target.address_of(LIVE), lambda at: int(_area(at)["ptr"]) <= pointer)
    if not node:
        return None
    area = _area(node)
    start, size = int(area["ptr"]), int(area["size"])
    if pointer >= start + size:
        return None
    return (f"site={target.site(int(area['caller']))} ptr={start:#x} size={size} "
            f"align={int(area['align'])} inside={pointer - start} by_cpu={int(area['cpu'])}")
