"""Makes a kustomize overlay of each organization in organizations.toml. Settings that are there already stay.

python3 overlays.py            writes overlays/NAME/
kubectl apply -k overlays/NAME
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
KINDS = ("loop", "cronjob")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?")
IMAGE = re.compile(r"[a-z0-9./:_-]+@sha256:[0-9a-f]{64}")

KUSTOMIZATION = """\
# Made by overlays.py from organizations.toml.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: syncer-{name}
resources:
  - namespace.yaml
  - ../../{kind}
images:
  - name: syncer
    newName: {image}
    digest: {digest}
configMapGenerator:
  - name: syncer-config
    files: [syncer.toml]
  - name: syncer-env
    envs: [syncer.env]
"""
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: syncer-{name}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
TOML = "# Settings of {name}: the README's list. Secrets are in the Secret syncer-secrets.\n"
ENV = "# TEMPLATE_ID_* and HOST_PHONE of {name}; no secrets.\n"


def problems(organizations: list[dict[str, str]]) -> list[str]:
    """Say what is wrong with the list, each with the organization."""
    found, names = [], set()
    for number, one in enumerate(organizations, 1):
        name = one.get("name", "")
        if not NAME.fullmatch(name):
            found.append(f"organization {number}: name must be of a-z, 0-9 and -, at most 42 characters: {name!r}")
        if name in names:
            found.append(f"organization {number}: {name} is there twice")
        names.add(name)
        if one.get("kind") not in KINDS:
            found.append(f"organization {number}: kind must be {' or '.join(KINDS)}: {one.get('kind')!r}")
        if not IMAGE.fullmatch(one.get("image", "")):
            found.append(f"organization {number}: image must be NAME@sha256:…, so that it is the one you have tried")
    return found


def files(one: dict[str, str]) -> dict[str, tuple[str, bool]]:
    """Write an organization's files: name -> text, and whether it is the operator's own once it is there."""
    image, _, digest = one["image"].partition("@")
    values = one | {"image": image, "digest": digest}
    return {
        "kustomization.yaml": (KUSTOMIZATION.format(**values), False),
        "namespace.yaml": (NAMESPACE.format(**values), False),
        "syncer.toml": (TOML.format(**values), True),
        "syncer.env": (ENV.format(**values), True),
    }


def main(folder: Path = HERE) -> int:
    """Make all overlays; 2 when the list is wrong, and then nothing is written."""
    organizations = tomllib.loads((folder / "organizations.toml").read_text(encoding="utf-8")).get("organization", [])
    if wrong := problems(organizations):
        print("\n".join(wrong), file=sys.stderr)
        return 2
    for one in organizations:
        overlay = folder / "overlays" / one["name"]
        overlay.mkdir(parents=True, exist_ok=True)
        for name, (text, own) in files(one).items():
            if not (own and (overlay / name).exists()):
                (overlay / name).write_text(text, encoding="utf-8")
        print(f"kubectl apply -k {overlay.relative_to(folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
