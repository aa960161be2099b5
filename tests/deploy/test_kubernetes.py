"""The manifests: rendered by kubectl, judged by others' validators and by what the promises need."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import overlays
from support.deploy_tools import DEPLOY, needs, run, yaml_documents
from syncer import engagelab
from syncer.cli import cli
from syncer.config import schema

if TYPE_CHECKING:
    import click

FOLDER = DEPLOY / "kubernetes"
ORGANIZATIONS = {"north-pier": "StatefulSet", "harbour": "CronJob"}
IMAGE = f"registry.example/syncer@sha256:{'1' * 64}"


def good(**over: str) -> dict[str, str]:
    """An organization of the list."""
    return {"name": "acme", "kind": "loop", "image": IMAGE} | over


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ([good()], ""),
        ([good(), good(name="b", kind="cronjob")], ""),
        ([good(name="A b")], "organization 1: name must be of a-z"),
        ([good(name="")], "organization 1: name must be of a-z"),
        ([good(name="a" * 60)], "organization 1: name must be of a-z"),
        ([good(), good()], "organization 2: acme is there twice"),
        ([good(kind="daemon")], "organization 1: kind must be loop or cronjob: 'daemon'"),
        ([{"name": "acme", "image": IMAGE}], "organization 1: kind must be loop or cronjob: None"),
        ([good(image="syncer:latest")], "organization 1: image must be NAME@sha256:"),
    ],
)
def test_the_list_of_organizations_is_checked(listed: list[dict[str, str]], problem: str) -> None:
    """By what Kubernetes would refuse later, and by what nobody could repeat."""
    found = overlays.problems(listed)

    assert len(found) == bool(problem)
    assert "".join(found).startswith(problem)


def test_the_overlays_are_those_of_the_list(tmp_path: Path) -> None:
    """Made anew they are what is there; settings that somebody wrote stay, a wrong list changes nothing."""
    shutil.copy(FOLDER / "organizations.toml", tmp_path)
    assert overlays.main(tmp_path) == 0
    made = {path.relative_to(tmp_path): path.read_text(encoding="utf-8") for path in tmp_path.rglob("overlays/*/*")}
    own = tmp_path / "overlays/harbour/syncer.toml"
    own.write_text('country = "GB"\n', encoding="utf-8")
    (tmp_path / "overlays/harbour/namespace.yaml").write_text("", encoding="utf-8")
    overlays.main(tmp_path)
    kept = own.read_text(encoding="utf-8"), (tmp_path / "overlays/harbour/namespace.yaml").read_text(encoding="utf-8")
    (tmp_path / "organizations.toml").write_text("[[organization]]\nname = 'x'\n", encoding="utf-8")
    wrong = overlays.main(tmp_path)

    assert {path: (FOLDER / path).read_text(encoding="utf-8") for path in made} == made
    assert len(made) == 8
    assert kept == ('country = "GB"\n', made[Path("overlays/harbour/namespace.yaml")])
    assert wrong == 2
    assert not (tmp_path / "overlays/x").exists()


@cache
def rendered(name: str) -> str:
    """What kubectl makes of an overlay."""
    return run("kubectl", "kustomize", str(FOLDER / "overlays" / name))


@cache
def documents(name: str) -> tuple[dict[str, Any], ...]:
    """The same, read."""
    return tuple(yaml_documents(rendered(name)))


def workload(name: str) -> dict[str, Any]:
    """The one that runs something."""
    [found] = [one for one in documents(name) if one["kind"] in {"StatefulSet", "CronJob"}]
    return found


def pod(name: str) -> dict[str, Any]:
    """Its pod."""
    spec = workload(name)["spec"]
    found: dict[str, Any] = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]
    return found


needs_kubectl = needs("kubectl", "yaml")
each = pytest.mark.parametrize("name", ORGANIZATIONS)


@needs_kubectl
@each
def test_the_pod_is_restricted(name: str) -> None:
    """Kubernetes' Pod Security Standard "restricted", point by point; and more that costs nothing."""
    spec = pod(name)
    [container] = spec["containers"]
    security = container["securityContext"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == security["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= allowed
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert {"requests", "limits"} == container["resources"].keys()
    namespace = next(one for one in documents(name) if one["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@needs_kubectl
@each
def test_the_promises_hold(name: str) -> None:
    """The state lasts and belongs to one worker; what is in the air lands; secrets are files; the image is one."""
    spec = pod(name)
    [container] = spec["containers"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    environ = {one["name"]: one.get("value", "") for one in container["env"]}

    assert "persistentVolumeClaim" in mounts["/data"]
    assert environ["SYNCER_DB"].startswith("/data/")
    [claim] = [one for one in documents(name) if one["kind"] == "PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert spec["terminationGracePeriodSeconds"] > 2 * engagelab.DEADLINE
    assert set(environ) <= set(schema.VARIABLES)
    assert set(environ) & set(schema.SECRETS) == set()
    for secret in schema.SECRETS:
        folder, _, file = environ[f"{secret}_FILE"].rpartition("/")
        assert mounts[folder]["secret"]["defaultMode"] == 0o440
        assert file == secret.lower()
    assert re.fullmatch(r"registry\.example/syncer@sha256:1{64}", container["image"])


@needs_kubectl
@each
def test_it_is_shipped_dry(name: str) -> None:
    """Nothing is sent before somebody has taken a line away; with and without it the command is one."""
    [container] = pod(name)["containers"]
    command: click.Command | None = cli.get_command(cli.make_context("syncer", ["run"]), "run")
    known = {option for parameter in command.params for option in parameter.opts} if command else set()
    manifest = FOLDER / {"StatefulSet": "loop/statefulset.yaml", "CronJob": "cronjob/cronjob.yaml"}[ORGANIZATIONS[name]]
    [line] = [line for line in manifest.read_text(encoding="utf-8").splitlines() if "- --dry-run" in line]

    assert container["args"][0] == "run"
    assert set(container["args"][1:]) <= known
    assert "remove this line to go live" in line


@needs_kubectl
def test_the_loop_is_one() -> None:
    """One replica, and probes that give a first run its time."""
    found = workload("north-pier")
    [container] = pod("north-pier")["containers"]
    startup, alive = container["startupProbe"], container["livenessProbe"]

    assert found["spec"]["replicas"] == 1
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 12 * 3600
    assert startup["exec"]["command"] == alive["exec"]["command"]
    assert alive["exec"]["command"][-2:] == ["syncer", "status"]  # it knows the interval
    assert alive["periodSeconds"] * alive["failureThreshold"] >= 15 * 60


@needs_kubectl
def test_the_cron_job_never_overlaps_nor_ends_for_good() -> None:
    """What none of the validators looks at: the schedule, the policies, how long a run may take."""
    spec = workload("harbour")["spec"]
    job = spec["jobTemplate"]["spec"]

    assert re.fullmatch(r"(\S+ ){4}\S+", spec["schedule"])
    assert spec["schedule"] == "* * * * *"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] >= 10
    assert (job["backoffLimit"], job["parallelism"], job["completions"]) == (0, 1, 1)
    assert job["activeDeadlineSeconds"] >= 3600
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert "ttlSecondsAfterFinished" not in job
    assert "--once" in pod("harbour")["containers"][0]["args"]
    assert len(workload("harbour")["metadata"]["name"]) <= 52


@needs_kubectl
@each
def test_nothing_comes_in(name: str) -> None:
    """And out go name look-ups and HTTPS to the world."""
    [policy] = [one for one in documents(name) if one["kind"] == "NetworkPolicy"]
    spec = policy["spec"]
    labels = workload(name)["spec"]
    template = (labels["jobTemplate"]["spec"] if "jobTemplate" in labels else labels)["template"]

    assert spec["ingress"] == []
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {53, 443}
    assert spec["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


@needs("kubectl", "yaml", "kubernetes-validate")
@each
def test_kubernetes_knows_every_field(name: str, tmp_path: Path) -> None:
    """Strictly: a misspelt field would be passed over."""
    file = tmp_path / "all.yaml"
    file.write_text(rendered(name), encoding="utf-8")
    said = run("kubernetes-validate", "--strict", str(file))

    assert said.count("passed for resource") == len(documents(name)) >= 7


@needs("kubectl", "checkov")
@each
def test_checkov_finds_nothing(name: str, tmp_path: Path) -> None:
    """No check fails, none is skipped."""
    file = tmp_path / "all.yaml"
    file.write_text(rendered(name), encoding="utf-8")
    said = run("checkov", "--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "-f", str(file))
    counts = [int(number) for number in re.findall(r"(?:Passed|Failed|Skipped) checks: (\d+)", said)]

    assert counts[0] >= 80
    assert counts[1:] == [0, 0]
