"""Fetches a dataset or a model from where STORAGE_URI says: s3://bucket/folder,
http(s)://host/file or hf://owner/repository. The argument says which of the two,
and so where to: /workspace/dataset or /workspace/model, or below WORKSPACE.

Besides there may be IGNORE_PATTERNS (with commas between them), for S3 ENDPOINT,
ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION and ROLE_ARN, or whatever boto3 reads,
and for the hub ACCESS_TOKEN and HF_ENDPOINT."""

import fnmatch
import os
import pathlib
import shutil
import sys
import urllib.parse
import urllib.request

KIND = sys.argv[1]
INTO = pathlib.Path(os.environ.get("WORKSPACE", "/workspace")) / KIND
# Weights in other formats than safetensors are not wanted unless somebody says.
IGNORED = {"dataset": "", "model": "*.msgpack,*.h5,*.bin,*.pt,*.pth"}[KIND]
PATTERNS = [p.strip() for p in os.environ.get("IGNORE_PATTERNS", IGNORED).split(",") if p.strip()]


def say(*words):
    print(*words, flush=True)


def place(name):
    """Where a file goes; never outside of the folder."""
    target = (INTO / name).resolve()
    if not target.is_relative_to(INTO.resolve()):
        sys.exit(f"{name}: the name leads out of {INTO}")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def s3(bucket, prefix):
    import boto3

    session = {k: os.environ.get(v) for k, v in {
        "aws_access_key_id": "ACCESS_KEY_ID", "aws_secret_access_key": "SECRET_ACCESS_KEY", "region_name": "REGION",
    }.items() if os.environ.get(v)}
    if role := os.environ.get("ROLE_ARN"):
        given = boto3.client("sts", **session).assume_role(RoleArn=role, RoleSessionName="initializer")["Credentials"]
        session |= {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"], "aws_session_token": given["SessionToken"]}
    client = boto3.client("s3", endpoint_url=os.environ.get("ENDPOINT") or None, **session)
    fetched = 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for o in page.get("Contents", []):
            key = o["Key"]
            beside = prefix and not prefix.endswith("/") and key != prefix and not key.startswith(prefix + "/")
            if key.endswith("/") or beside or any(fnmatch.fnmatch(key, p) for p in PATTERNS):
                continue
            target = place(key[len(prefix):].lstrip("/") or key.rsplit("/", 1)[-1])
            say(f"s3://{bucket}/{key} -> {target}")
            client.download_file(bucket, key, str(target))
            fetched += 1
    return fetched


def http(uri):
    target = place(pathlib.PurePosixPath(urllib.parse.unquote(urllib.parse.urlparse(uri).path)).name or "index")
    say(f"{uri} -> {target}")
    with urllib.request.urlopen(uri) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file)
    return 1


def hub(owner, path):
    import huggingface_hub

    host = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    name = "/".join([owner, *path.strip("/").split("/")[:1]]).strip("/")
    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.gguf"] if KIND == "model" else None
    api = huggingface_hub.HfApi(endpoint=host, token=os.environ.get("ACCESS_TOKEN") or None)
    say(f"hf://{name} of {host} -> {INTO}")
    try:
        # Where the hub cannot be reached, a snapshot is whatever lies in the
        # folder, as from a try before. So it is asked which one it has.
        has = api.repo_info(name, repo_type=KIND).sha
        api.snapshot_download(name, repo_type=KIND, revision=has, local_dir=str(INTO), allow_patterns=wanted, ignore_patterns=PATTERNS or None)
    except huggingface_hub.errors.RepositoryNotFoundError:
        sys.exit(f"{uri}: {host} has no {KIND} {name}, or not for us: check the name, and set ACCESS_TOKEN if it is private or gated")
    except Exception as e:  # Clients of the web raise what they like.
        why = (str(e).splitlines() or [type(e).__name__])[0]
        sys.exit(f"{uri}: {host} cannot be asked for it ({why}): name another hub in HF_ENDPOINT, or put it into S3 and give s3://bucket/folder")
    files = [f for f in INTO.rglob("*") if f.is_file() and ".cache" not in f.relative_to(INTO).parts]
    if not files:
        sys.exit(f"{uri}: it has none of the files that are fetched ({', '.join(wanted or ['*'])} without {', '.join(PATTERNS) or 'any'}): put those you want into S3 and give s3://bucket/folder")
    return len(files)


uri = os.environ.get("STORAGE_URI", "")
where = urllib.parse.urlparse(uri)
INTO.mkdir(parents=True, exist_ok=True)
if where.scheme == "s3":
    count = s3(where.netloc, where.path.lstrip("/"))
elif where.scheme in ("http", "https"):
    count = http(uri)
elif where.scheme == "hf":
    count = hub(where.netloc, where.path)
else:
    sys.exit(f"STORAGE_URI {uri!r}: give s3://bucket/folder, https://host/file or hf://owner/repository")
if not count:
    sys.exit(f"{uri}: there is nothing by this name")
say(f"{KIND} is in {INTO}")
