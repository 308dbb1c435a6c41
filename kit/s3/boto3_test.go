package s3

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-ml/weir/kit/environment"
)

// What most programs use, with the variables that they are given in a pod: files
// large enough to be sent in parts, signed links, and wrong keys.
const withBoto3 = `
import io, os, urllib.error, urllib.request, boto3, botocore.config, botocore.exceptions
s3 = boto3.client("s3")
s3.create_bucket(Bucket="models")
s3.put_object(Bucket="models", Key="digits/a b+ü.txt", Body=b"small", Metadata={"epoch": "3"})
big = os.urandom(20 << 20)
s3.upload_fileobj(io.BytesIO(big), "models", "digits/big")
got = io.BytesIO()
s3.download_fileobj("models", "digits/big", got)
assert got.getvalue() == big, "big file"
assert s3.get_object(Bucket="models", Key="digits/a b+ü.txt")["Metadata"] == {"epoch": "3"}, "metadata"
assert [o["Key"] for o in s3.list_objects_v2(Bucket="models", Prefix="digits/")["Contents"]] == ["digits/a b+ü.txt", "digits/big"], "list"
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["models"], "buckets"
assert s3.get_object(Bucket="models", Key="digits/big", Range="bytes=5-9")["Body"].read() == big[5:10], "range"
assert boto3.resource("s3").create_bucket(Bucket="models"), "create again"
for version, signer in {"s3": s3, "s3v4": boto3.client("s3", config=botocore.config.Config(signature_version="s3v4"))}.items():
    link = signer.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "digits/a b+ü.txt", "ResponseContentType": "text/x-weir"})
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"small" and answer.headers["Content-Type"] == "text/x-weir", version
    for spoilt in (link.replace("Signature=", "Signature=A"), link.replace("txt", "txz"), link.replace("Expires=", "Expires=1")):
        try:
            urllib.request.urlopen(spoilt)
            raise SystemExit(f"a spoilt link was followed: {spoilt}")
        except urllib.error.HTTPError as e:
            assert e.code in (400, 403, 404), e
    link = signer.generate_presigned_url("put_object", Params={"Bucket": "models", "Key": version})
    urllib.request.urlopen(urllib.request.Request(link, b"sent", {"Content-Type": ""}, method="PUT"))
    assert s3.get_object(Bucket="models", Key=version)["Body"].read() == b"sent", "sent by link"
for key in ("nothing", "digits", "digits/big/below"):
    try:
        s3.get_object(Bucket="models", Key=key)
        raise SystemExit(f"{key} exists")
    except s3.exceptions.NoSuchKey:
        pass
try:
    boto3.client("s3", aws_access_key_id="access", aws_secret_access_key="guess").list_buckets()
    raise SystemExit("a wrong key was let in")
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "SignatureDoesNotMatch", e
bucket = boto3.resource("s3").Bucket("models")
bucket.objects.all().delete()
bucket.delete()
assert s3.list_buckets()["Buckets"] == [], "deleted"
`

func TestBoto3(t *testing.T) {
	python := pythonWithBoto3(t)
	l := listener(t)
	start(t, t.TempDir(), l)
	cmd := exec.CommandContext(t.Context(), python, "-c", withBoto3)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=access", "AWS_SECRET_ACCESS_KEY=secret", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ENDPOINT_URL=http://"+l.Addr().String(), "no_proxy=127.0.0.1", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// pythonWithBoto3 is built once for all runs of the test.
func pythonWithBoto3(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("there is no folder to keep boto3 in:", err)
	}
	environments, err := environment.Open(filepath.Join(cache, "weir-tests", "environments"), environment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := environments.Build(t.Context(), environment.Recipe{Image: "boto3", Requirements: []string{"boto3"}}, func(s string) { t.Log(s) })
	var trouble *environment.BuildError
	if errors.As(err, &trouble) && (trouble.Cause == environment.NoIndex || trouble.Cause == environment.NoPython) {
		t.Skip("boto3 cannot be had here:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(e.Folders[0].Source, "bin", "python")
}
