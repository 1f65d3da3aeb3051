"""Whether the nodes of a Ray cluster have what a task asks for. Ray waits in silence for a node that never comes."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping

import ray
from ray.experimental import internal_kv

from colorizer.cli import progress
from colorizer.errors import UsageError

GROUP = "ray.io/node-group"  # a node's label where Ray's autoscaler started it: by `ray up` or by KubeRay
STATUS = "__autoscaling_status"  # what version 1 of the autoscaler writes about the nodes, as `ray status` reads it


def takes_of(flags: argparse.Namespace) -> dict[str, float]:
    """What one task or rank takes of a node, as Ray names it."""
    return {"CPU": flags.cpus} | ({"GPU": flags.gpus} if flags.gpus else {}) | flags.resources


def require(takes: Mapping[str, float], prog: str | None = None, count: int = 1) -> None:
    """Checks that tasks can run on the cluster that is joined. An autoscaler may add nodes: then it only warns.

    Args:
        takes: resource -> how much one task takes.
        prog: begins the warning; without it there is none.
        count: how many of them run at the same time.

    Raises:
        UsageError: the nodes do not have that.
    """
    takes = {name: number for name, number in takes.items() if number}
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if not takes or sum(_fitting(node["Resources"], takes) for node in nodes) >= count:
        return
    named = Counter(_text(node["Resources"]) for node in nodes)
    have = "; ".join(f"{number} x ({text})" if number > 1 else text for text, number in named.items())
    asked = _text(takes) if count == 1 else f"{count} x ({_text(takes)})"
    message = f"the cluster's nodes have {have or 'nothing'}. Received: {asked}, from --cpus, --gpus and --resources"
    if not _may_grow(nodes):
        raise UsageError(f"{message}. Ask for less, or start a node that has it.")
    if prog:
        progress.say_error(prog, f"{message}. Waiting until the autoscaler adds nodes; Ctrl-C ends it.")


def _fitting(has: Mapping[str, float], takes: Mapping[str, float]) -> int:
    """How many tasks run on a node at the same time."""
    return min(int(has.get(name, 0) / number + 1e-6) for name, number in takes.items())  # 1 / 0.1 may be below 10


def _text(resources: Mapping[str, float]) -> str:
    """Resources as text, without those that every node has: memory and its address."""
    named = {name: n for name, n in resources.items() if "memory" not in name and not name.startswith("node:")}
    return ", ".join(f"{name} {named[name]:g}" for name in sorted(named)) or "nothing"


def _may_grow(nodes: list[dict]) -> bool:
    """Whether an autoscaler keeps the cluster; a cluster of nodes that people start has none."""
    if any(GROUP in node.get("Labels", {}) for node in nodes):
        return True
    status = internal_kv._internal_kv_get(STATUS)
    report = json.loads(status).get("autoscaler_report", {}) if status else {}
    types = report.get("node_type_mapping") or {}
    return any(kind != f"node_{node}" for node, kind in types.items())  # Ray names the others' types so
