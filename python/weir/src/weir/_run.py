"""Runs, from their beginning to their end."""

from __future__ import annotations

import importlib.resources
import json
import pickle
import random
import re
import string
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import kubernetes

from . import _code, _connection

LABEL_RUN = "weir-ml.github.io/run"
PACKAGES = "weir-ml.github.io/packages"


class RunFailed(RuntimeError):
    """A run that has ended badly. exit_code is that of the process that failed first, if one did."""

    def __init__(self, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(
    what: Callable[..., Any] | str | Path,
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    packages: Iterable[str] = (),
    files: Iterable[str] = (),
    framework: str | None = None,
    workers: int = 1,
    name: str | None = None,
    namespace: str | None = None,
    image: str | None = None,
    cpu: str | int | None = None,
    memory: str | None = None,
    gpu: int = 0,
    env: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    output: str | None = None,
    timeout: float | None = None,
    retries: int = 0,
    wait: bool = True,
) -> Run:
    """Runs a function or a Python file as a job, shows what it prints, and returns when it has ended.

    A function goes along with the imports, plain values and functions of its module that it uses, and its arguments;
    what it returns is Run.result(). A file goes along with the Python files of its folder and those that files matches
    there; args are its command line. packages are installed for it, as pip names them.

    With workers, framework says what trains together: tensorflow, pytorch, jax, xgboost, paddle or mpi. data maps addresses
    in S3 to folders of the pod, and what is written to the folder output is kept: see Run.outputs. timeout is in
    seconds. Without wait it returns at once. A run that fails raises RunFailed.
    """
    api, default = _connection.cluster()
    s3 = _connection.storage(namespace or default)
    function = not isinstance(what, (str, Path))
    if function:
        carried = _code.of_function(what, args, kwargs or {})  # type: ignore[arg-type]
        command, stem = ["python", _code.MAIN], what.__name__  # type: ignore[union-attr]
        output = (output or "../result").rstrip("/") + "/"
    else:
        if kwargs:
            raise TypeError("kwargs are for functions: a file has a command line, which is args")
        script = Path(what)  # type: ignore[arg-type]
        carried = _code.of_file(script, files)
        command, stem = ["python", script.name, *map(str, args)], script.stem
    if image is None:
        # What is pickled here is read there.
        image = "python:{}.{}".format(*sys.version_info) if function else "python:3"
    made = Run(name or _name(stem), namespace or default, api, s3, framework)
    if output:
        _code.make_bucket(s3.client, s3.outputs)
    manifest = _manifest(
        made, command, _code.put(s3, *_code.pack(carried)), image, list(packages), workers,
        cpu=cpu, memory=memory, gpu=gpu, env=env or {}, data=data or {}, output=output, timeout=timeout, retries=retries,
    )  # fmt: skip
    made._create(manifest)
    return made.wait() if wait else made


def _name(stem: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    if not stem or not stem[0].isalpha():
        stem = "run-" + stem
    return stem[:30].rstrip("-") + "-" + "".join(random.choices(string.ascii_lowercase + string.digits, k=5))


def _templates() -> dict[str, Any]:
    """A manifest for each framework, with three workers and of all else that a run can have: weir's own tests write it."""
    read = json.loads(importlib.resources.files(__package__).joinpath("templates.json").read_text(encoding="utf-8"))
    manifests: dict[str, Any] = read["manifests"]
    for manifest in manifests.values():
        for pod in _pod_templates(manifest["spec"]):
            pod["spec"]["containers"][0]["command"][-1] = read["bootstrap"]
    return manifests


def _pod_templates(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [r["template"] for r in (_replicas(spec) or {"": spec}).values()]


def _replicas(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The replicas of a training job, by their type; of a batch Job there are none."""
    return next((v for k, v in spec.items() if k.endswith("ReplicaSpecs")), {})


def _manifest(
    of: Run, command: list[str], code: str, image: str, packages: list[str], workers: int, *,
    cpu: str | int | None, memory: str | None, gpu: int, env: Mapping[str, str], data: Mapping[str, str],
    output: str | None, timeout: float | None, retries: int,
) -> dict[str, Any]:  # fmt: skip
    templates = _templates()
    if workers > 1 and not of.framework:
        raise ValueError(f"{workers} workers: say what trains together with framework: {', '.join(sorted(k for k in templates if k))}")
    manifest: dict[str, Any] = templates[of.framework or ""]
    manifest["metadata"].update(name=of.name, namespace=of.namespace, labels={LABEL_RUN: of.name})
    spec = manifest["spec"]
    policy = spec.get("runPolicy", spec)
    policy["backoffLimit"] = retries
    if timeout is not None:
        policy["activeDeadlineSeconds"] = max(1, round(timeout))
    replicas = _replicas(spec)
    if "Worker" in replicas:
        # Of three workers the template has all, or one less beside its master.
        replicas["Worker"]["replicas"] += max(workers, 2 if of.framework == "mpi" else 1) - 3
        if replicas["Worker"]["replicas"] == 0:
            del replicas["Worker"]
    for replica in replicas.values():
        replica["restartPolicy"] = "OnFailure" if retries else "Never"
    values: dict[str, str | None] = {
        "WEIR_CODE": code,
        "WEIR_DATA": json.dumps([{"from": f, "to": t} for f, t in data.items()]) if data else None,
        "WEIR_OUTPUT": output,
        "WEIR_OUTPUT_TO": f"s3://{of._s3.outputs}/{of.namespace}/{of.name}" if output else None,
    }
    unused = {k for k, v in values.items() if v is None}
    if not packages:
        unused.add("WEIR_PACKAGES")
    if workers == 1 or not output:
        unused |= {"WEIR_REPLICA_TYPE", "WEIR_REPLICA_INDEX"}
    for pod in _pod_templates(spec):
        pod["metadata"]["labels"][LABEL_RUN] = of.name
        if packages:
            pod["metadata"]["labels"][PACKAGES] = "true"
            pod["metadata"]["annotations"] = {PACKAGES: "\n".join(packages)}
        container = pod["spec"]["containers"][0]
        container["image"] = image
        container["args"] = [word for arg in container["args"] for word in (command if arg == "COMMAND" else [str(workers) if arg == "3" else arg])]
        container["env"] = [{**e, "value": values[e["name"]]} if e["name"] in values else e for e in container["env"] if e["name"] not in unused]
        container["env"] += [{"name": k, "value": str(v)} for k, v in env.items()]
        folders = {f"data-{i}": to for i, to in enumerate(data.values())}
        if output and output.startswith("/"):
            folders["output"] = output
        for volume, to in folders.items():
            pod["spec"]["volumes"].append({"name": volume, "emptyDir": {}})
            container["volumeMounts"].append({"name": volume, "mountPath": to})
        asked = {"cpu": cpu, "memory": memory, "nvidia.com/gpu": gpu or None}
        requests = {k: str(v) for k, v in asked.items() if v is not None}
        if requests:
            container["resources"] = {"requests": requests, "limits": {k: v for k, v in requests.items() if k != "cpu"}}
    return manifest


class Run:
    """A job that was made of a function or a file."""

    def __init__(self, name: str, namespace: str, api: Any, s3: _connection.Storage, framework: str | None) -> None:
        self.name, self.namespace, self.framework = name, namespace, framework
        self._jobs: Any = kubernetes.client.CustomObjectsApi(api)
        self._core: Any = kubernetes.client.CoreV1Api(api)
        self._s3 = s3
        templates = _templates()
        if (framework or "") not in templates:
            raise ValueError(f"framework {framework!r}: there is {', '.join(sorted(k for k in templates if k))}")
        template = templates[framework or ""]
        self.kind: str = template["kind"]
        group, _, version = template["apiVersion"].partition("/")
        self._where = {"group": group, "version": version, "namespace": namespace, "plural": self.kind.lower() + "s"}
        self._printed: set[str] = set()

    def __repr__(self) -> str:
        return f"<weir.Run {self.kind.lower()}/{self.name} in {self.namespace}>"

    def _create(self, manifest: dict[str, Any]) -> None:
        self._jobs.create_namespaced_custom_object(**self._where, body=manifest)

    def status(self) -> str:
        """Running, Succeeded or Failed; Gone if somebody has deleted it."""
        try:
            job = self._jobs.get_namespaced_custom_object(**self._where, name=self.name)
        except kubernetes.client.ApiException as e:
            if e.status == 404:
                return "Gone"
            raise
        for c in job.get("status", {}).get("conditions") or []:
            if c["status"] == "True" and c["type"] in ("Succeeded", "Complete", "Failed"):
                return "Failed" if c["type"] == "Failed" else "Succeeded"
        return "Running"

    def _pods(self) -> list[Any]:
        pods = self._core.list_namespaced_pod(self.namespace, label_selector=f"{LABEL_RUN}={self.name}")
        return sorted(pods.items, key=lambda p: p.metadata.name)

    def wait(self, timeout: float | None = None) -> Run:
        """Shows what the run prints until it has ended. An interrupt leaves it running: see stop."""
        deadline = None if timeout is None else time.monotonic() + timeout
        readers: list[threading.Thread] = []
        while True:
            ended = self.status()  # before the pods, so that none is missed
            for pod in self._pods():
                statuses = pod.status.container_statuses or []
                begun = any(s.state.running or s.state.terminated for s in statuses)
                if begun and pod.metadata.uid not in self._printed:
                    self._printed.add(pod.metadata.uid)
                    readers.append(threading.Thread(target=self._print, args=(pod.metadata.name,), daemon=True))
                    readers[-1].start()
            if ended != "Running":
                break
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{self!r} still runs")
            time.sleep(0.2)
        for reader in readers:
            reader.join(10)
        if ended != "Succeeded":
            raise self._failure(ended)
        return self

    def _print(self, pod: str) -> None:
        """Prints what a pod prints, after its name if the run has several."""
        prefix = ""
        if self.framework:
            prefix = pod[len(self.name) + 1 :] + " | "
        try:
            text = self._core.read_namespaced_pod_log(pod, self.namespace, follow=True, _preload_content=False)
            for line in text:
                print(prefix + line.decode("utf-8", "replace"), end="", flush=True)
        except (kubernetes.client.ApiException, OSError):
            pass  # The pod is gone; how the run ends is its job's to say.

    def _failure(self, state: str) -> RunFailed:
        if state == "Gone":
            return RunFailed(f"{self!r} was deleted before it had ended", None)
        ends = [
            (s.state.terminated.finished_at, s.state.terminated.exit_code, p.metadata.name)
            for p in self._pods()
            for s in p.status.container_statuses or []
            if s.state.terminated and s.state.terminated.exit_code
        ]
        if not ends:
            return RunFailed(f"{self!r} has failed; see why with: weir explain {self.kind.lower()}/{self.name} -n {self.namespace}", None)
        _, code, pod = min(ends)
        return RunFailed(f"{self!r} has failed: pod {pod} ended with exit code {code}", code)

    def logs(self) -> str:
        """What the run's pods have printed, one after the other."""
        return "".join(self._core.read_namespaced_pod_log(p.metadata.name, self.namespace) for p in self._pods())

    def stop(self) -> None:
        """Deletes the job and its pods. What it has left behind stays."""
        self._jobs.delete_namespaced_custom_object(**self._where, name=self.name, propagation_policy="Background")

    def outputs(self, to: str | Path | None = None) -> list[str]:
        """The names of the files that the run has left behind; they are copied into the folder to, if one is named."""
        prefix = f"{self.namespace}/{self.name}/"
        names = []
        for page in self._s3.client.get_paginator("list_objects_v2").paginate(Bucket=self._s3.outputs, Prefix=prefix):
            for o in page.get("Contents", []):
                name = o["Key"][len(prefix) :]
                names.append(name)
                if to is not None:
                    file = Path(to) / name
                    if ".." in file.parts:
                        raise ValueError(f"{name!r} leads out of the folder")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    self._s3.client.download_file(self._s3.outputs, o["Key"], str(file))
        return names

    def result(self) -> Any:
        """What the function has returned; with several workers, what the first has."""
        names = sorted(n for n in self.outputs() if n.rsplit("/", 1)[-1] == _code.RESULT)
        if not names:
            raise LookupError(f"{self!r} has no result: it has not ended well, or is no function")
        body = self._s3.client.get_object(Bucket=self._s3.outputs, Key=f"{self.namespace}/{self.name}/{names[0]}")["Body"]
        return pickle.loads(body.read())
