"""What the Kubernetes client for Python and boto3 do at the front door, with a token and with keys."""

import io
import json
import sys
import urllib.request

import boto3
import botocore.exceptions
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

# Keys of one's own do what one may, in the buckets of one namespace.
asked = urllib.request.Request(f"{url}/weir/s3-keys/{namespace}", method="PUT", headers={"Authorization": "Bearer " + token})
keys = json.load(urllib.request.urlopen(asked))
own = boto3.client("s3", endpoint_url=keys["endpoint"], aws_access_key_id=keys["accessKey"], aws_secret_access_key=keys["secretKey"], region_name=keys["region"])
own.upload_fileobj(io.BytesIO(bytes(20 << 20)), namespace, "by parts")
assert own.head_object(Bucket=namespace, Key="by parts")["ContentLength"] == 20 << 20
own.create_bucket(Bucket=namespace + "-more")
s3.create_bucket(Bucket="of-nobody-" + namespace)
assert [b["Name"] for b in own.list_buckets()["Buckets"]] == [namespace, namespace + "-more"], own.list_buckets()
for refused in (
    lambda: own.list_objects_v2(Bucket="of-nobody-" + namespace),
    lambda: own.put_object(Bucket="of-nobody-" + namespace, Key="x", Body=b"x"),
    lambda: own.copy({"Bucket": namespace, "Key": "plain"}, "of-nobody-" + namespace, "x"),
):
    try:
        refused()
        raise AssertionError("a bucket of another namespace is reached")
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == "AccessDenied", e
