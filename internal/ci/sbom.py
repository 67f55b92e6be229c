"""Turns what "go version -m PROGRAM" prints into a CycloneDX SBOM: sbom.py VERSION <printed >program.cdx.json"""

import json
import sys

components, name, go = [], "", ""
for line in sys.stdin:
    fields = line.rstrip("\n").split("\t")
    if len(fields) == 1:
        path, _, go = fields[0].rpartition(": ")
        name = path.rsplit("/", 1)[-1]
    elif fields[1] == "dep":
        module, version = fields[2], fields[3]
        component = {"type": "library", "name": module, "version": version, "purl": f"pkg:golang/{module}@{version}", "bom-ref": f"{module}@{version}"}
        if len(fields) > 4 and fields[4].startswith("h1:"):  # of the module's files, as in go.sum
            component["properties"] = [{"name": "go:sum", "value": fields[4]}]
        components.append(component)
components.append({"type": "library", "name": "std", "version": go, "purl": f"pkg:golang/std@{go.removeprefix('go')}", "bom-ref": "std"})
main = {"type": "application", "name": name, "version": sys.argv[1], "licenses": [{"license": {"id": "Apache-2.0"}}]}
json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": main}, "components": components}, sys.stdout, indent=1)
print()
