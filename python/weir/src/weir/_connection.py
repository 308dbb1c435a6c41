"""How to reach the cluster and its S3."""

from __future__ import annotations

import dataclasses
import json
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import kubernetes

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def weir_folder() -> Path:
    """The folder of the weir on this machine, as the weir program finds it."""
    if folder := os.environ.get("WEIR_DIR"):
        return Path(folder)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "weir"


@dataclasses.dataclass
class Storage:
    """A client of S3, and the buckets that code and outputs go through."""

    client: Any
    code: str = "weir-code"
    outputs: str = "weir-outputs"


class _Door:
    """The front door of a weir, and the token of somebody who comes in by it."""

    def __init__(self, url: str, token: str, authority: str | None) -> None:
        self.url, self.token, self.authority = url.rstrip("/"), token, authority
        self._file = tempfile.NamedTemporaryFile("w", suffix=".pem")  # It is there for as long as the door is.
        self._file.write(authority or "")
        self._file.flush()

    @property
    def file(self) -> str | None:
        return self._file.name if self.authority else None

    def cluster(self) -> Any:
        configuration = kubernetes.client.Configuration(host=self.url, api_key={"authorization": f"Bearer {self.token}"})
        configuration.ssl_ca_cert = self.file
        return kubernetes.client.ApiClient(configuration)

    def storage(self, namespace: str) -> Storage:
        """S3 by the keys that the token's user has for the buckets of a namespace, of which one is for runs."""
        asked = urllib.request.Request(f"{self.url}/weir/s3-keys/{namespace}", method="PUT", headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(asked, timeout=60, context=ssl.create_default_context(cadata=self.authority)) as answer:
                keys = json.load(answer)
        except urllib.error.HTTPError as e:
            raise RuntimeError(f"no keys of S3, through which code is carried, for namespace {namespace}: {e.read().decode('utf-8', 'replace')}") from None
        keys["caFile"] = self.file
        return Storage(_s3(keys, keys["endpoint"]), f"{namespace}-runs", f"{namespace}-runs")


_door: _Door | None = None


def connect(url: str, token: str, authority: str | None = None) -> None:
    """Has runs go to the weir whose front door is at an address, with the rights of the token's user, and nowhere else.

    authority is the certificate by which the door is known, in PEM, if that is of no public authority. Code and
    outputs of a run are in the bucket of its namespace that is called NAMESPACE-runs.
    """
    global _door
    _door = _Door(url, token, authority)


def cluster() -> tuple[Any, str]:
    """A client of the API server, and the namespace that is meant where none is named."""
    namespace = "default"
    if _door:
        return _door.cluster(), namespace
    configuration = kubernetes.client.Configuration()
    kubeconfig = weir_folder() / "kubeconfig"
    if os.environ.get("KUBECONFIG"):
        kubernetes.config.load_kube_config(client_configuration=configuration)
    elif (SERVICE_ACCOUNT / "token").exists():
        kubernetes.config.load_incluster_config(client_configuration=configuration)
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    elif kubeconfig.exists():
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    else:
        raise RuntimeError(f"no weir has run in {weir_folder()}: start one with: weir up --detach; or name a cluster with KUBECONFIG")
    return kubernetes.client.ApiClient(configuration), namespace


def storage(namespace: str) -> Storage:
    """S3 for the runs of a namespace: by the front door, the one that the environment names, or that of the weir on this machine."""
    if _door:
        return _door.storage(namespace)
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return Storage(_client())
    state = weir_folder() / "state.json"
    s3 = json.loads(state.read_text()).get("s3", {}) if state.exists() else {}
    if not s3.get("url"):
        raise RuntimeError("no keys of S3, through which code is carried: set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as weir env prints them")
    return Storage(_s3(s3, s3["url"]))


def _s3(keys: dict[str, Any], url: str) -> Any:
    return _client(
        endpoint_url=url,
        aws_access_key_id=keys["accessKey"],
        aws_secret_access_key=keys["secretKey"],
        region_name=keys["region"],
        verify=keys.get("caFile"),
    )


def _client(**named: Any) -> Any:
    config = botocore.config.Config(
        s3={"addressing_style": "path"}, request_checksum_calculation="when_required", response_checksum_validation="when_required"
    )
    return boto3.client("s3", config=config, **named)
