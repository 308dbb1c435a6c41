"""How to reach the cluster and its S3."""

from __future__ import annotations

import json
import os
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


def connect() -> tuple[Any, str]:
    """A client of the API server, and the namespace that is meant where none is named."""
    configuration = kubernetes.client.Configuration()
    kubeconfig = weir_folder() / "kubeconfig"
    namespace = "default"
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


def storage() -> Any:
    """A client of S3: the one that the environment names, or that of the weir on this machine."""
    settings: dict[str, Any] = {}
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        state = weir_folder() / "state.json"
        s3 = json.loads(state.read_text()).get("s3", {}) if state.exists() else {}
        if not s3.get("url"):
            raise RuntimeError("no keys of S3, through which code is carried: set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as weir env prints them")
        settings = {
            "endpoint_url": s3["url"],
            "aws_access_key_id": s3["accessKey"],
            "aws_secret_access_key": s3["secretKey"],
            "region_name": s3["region"],
            "verify": s3.get("caFile"),
        }
    config = botocore.config.Config(
        s3={"addressing_style": "path"}, request_checksum_calculation="when_required", response_checksum_validation="when_required"
    )
    return boto3.client("s3", config=config, **settings)
