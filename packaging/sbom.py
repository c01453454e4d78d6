"""What the program is made of, as a CycloneDX document: from `cargo metadata` on standard input, and Cargo.lock.

usage: cargo metadata --locked --format-version 1 --filter-platform TARGET | python3 packaging/sbom.py SECONDS >FILE

Only what ends up in the program: crates that it needs, not those of builds and tests. The C and C++ libraries (RocksDB,
jemalloc, zstd, LZ4) are in the crates that compile them, whose versions name theirs. The same tree gives the same bytes:
SECONDS since 1970 are when it was committed.
"""

import json
import sys
import tomllib
import uuid
from datetime import datetime, timezone


def reached(graph, root):
    """The packages that the program's code uses, by id, with what each of them uses."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    found, open_ids = {}, [root]
    while open_ids:
        one = open_ids.pop()
        if one in found:
            continue
        used = [
            dependency["pkg"]
            for dependency in nodes[one]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        found[one] = sorted(used)
        open_ids.extend(used)
    return found


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    said = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package.get("license"):
        # Before SPDX had OR there was a slash.
        said["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        said["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return said


def main():
    metadata = json.load(sys.stdin)
    moment = datetime.fromtimestamp(int(sys.argv[1]), timezone.utc)
    with open("Cargo.lock", "rb") as file:
        locked = tomllib.load(file)["package"]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in locked}
    packages = {package["id"]: package for package in metadata["packages"]}
    root = next(one["id"] for one in metadata["packages"] if one["name"] == "quorate")
    used = reached(metadata["resolve"], root)
    program = component(packages[root], checksums) | {"type": "application"}
    parts = sorted((packages[one] for one in used if one != root), key=reference)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": program,
        },
        "components": [component(part, checksums) for part in parts],
        "dependencies": [
            {"ref": reference(packages[one]), "dependsOn": sorted(reference(packages[each]) for each in used[one])}
            for one in sorted(used, key=lambda one: reference(packages[one]))
        ],
    }
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(document)).urn
    json.dump(document, sys.stdout, indent=1)
    print()


main()
