"""What the Kubernetes client for Python and boto3 do at the front door, with a token and with keys."""

import sys

import boto3
from kubernetes import client, watch

namespace, url, token, access_key, secret_key = sys.argv[1:]

configuration = client.Configuration(host=url)
configuration.api_key = {"authorization": "Bearer " + token}
core = client.CoreV1Api(client.ApiClient(configuration))

core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="by-python")))
for event in watch.Watch().stream(core.list_namespaced_config_map, namespace, field_selector="metadata.name=by-python", timeout_seconds=60):
    assert event["object"].metadata.name == "by-python", event
    break
else:
    raise AssertionError("the watch told of nothing")
try:
    core.list_node()
    raise AssertionError("somebody with a role in one namespace lists nodes")
except client.ApiException as e:
    assert e.status == 403, e

s3 = boto3.client("s3", endpoint_url=url, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name="us-east-1")
s3.create_bucket(Bucket=namespace)
for key in "plain", "a b/+", "ä?x=1#y":
    s3.put_object(Bucket=namespace, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=namespace, Key=key)["Body"].read().decode() == key
assert len(s3.list_objects_v2(Bucket=namespace)["Contents"]) == 3
