#!/usr/bin/env python3
"""Prints the licences of the crates that a binary has in it, from `cargo metadata --format-version 1` on standard input.

Only what is linked: not what builds or tests it. Each text once, with the crates that come under it.
"""

import json
import pathlib
import sys


def linked(metadata):
    """The packages that tidemill's own crates need at run time, without those crates."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    own = set(metadata["workspace_members"])
    waiting, found = [metadata["resolve"]["root"]], set()
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    packages = (package for package in metadata["packages"] if package["id"] in found - own)
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The texts of a package's licence and notice files."""
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.iterdir()):
        name = path.name.upper()
        if path.is_file() and name.startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def main():
    packages = linked(json.load(sys.stdin))
    under = {}
    print("Crates in the binary, with what their authors say of their licence:\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {package['license'] or 'see the text'}")
        for text in texts(package):
            under.setdefault(text, []).append(name)
    for text, names in sorted(under.items(), key=lambda entry: entry[1]):
        print(f"\n{'=' * 78}\n{', '.join(names)}\n{'-' * 78}\n{text}")


main()
