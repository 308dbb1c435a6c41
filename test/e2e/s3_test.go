package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A bucket is one of weir's S3, reached from this machine.
type bucket struct {
	t      *testing.T
	client *s3.Client
	name   string
}

// bucket makes a bucket.
func (w *weir) bucket(t *testing.T, name string) *bucket {
	t.Helper()
	b := w.bucketThere(t, name)
	if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return b
}

// bucketThere is a bucket that has been made.
func (w *weir) bucketThere(t *testing.T, name string) *bucket {
	t.Helper()
	at := w.is(t).S3
	var trusted *x509.CertPool
	if at.CAFile != "" {
		authority, err := os.ReadFile(at.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		trusted = x509.NewCertPool()
		trusted.AppendCertsFromPEM(authority)
	}
	return &bucket{t, s3.New(s3.Options{
		BaseEndpoint: aws.String(at.URL), Region: "us-east-1", UsePathStyle: true,
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: at.AccessKey, SecretAccessKey: at.SecretKey}, nil
		}),
	}), name}
}

func (b *bucket) put(key, content string) {
	b.t.Helper()
	if err := b.write(key, content); err != nil {
		b.t.Fatal(err)
	}
}

// write is put where it may fail.
func (b *bucket) write(key, content string) error {
	_, err := b.client.PutObject(b.t.Context(), &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: strings.NewReader(content)})
	return err
}

func (b *bucket) get(key string) string {
	b.t.Helper()
	object, err := b.client.GetObject(b.t.Context(), &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		b.t.Fatal(err)
	}
	defer object.Body.Close()
	content, err := io.ReadAll(object.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(content)
}

// podOfS3 is pod it, which asks for S3 and runs a script that has boto3.
func podOfS3(script string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: it, labels: {weir-ml.github.io/s3: "true"}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: tensorflow/tensorflow:2.21.0
    command:
    - python
    - -c
    - |
` + strings.ReplaceAll("\n"+strings.TrimSpace(script)+"\n", "\n", "\n      ")
}

// A pod that has the label finds S3 by variables, under the names that AWS's
// tools know and under those that programs have used, and stores what this
// machine reads.
func TestS3FromAPod(t *testing.T) {
	s := begin(t)
	files := s.bucket(t, "from-a-pod")
	files.put("question", "is anybody there?")
	s.apply(podOfS3(`
import os, boto3
from botocore.config import Config
assert boto3.resource("s3").Object("from-a-pod", "question").get()["Body"].read() == b"is anybody there?"
old = boto3.client("s3", endpoint_url=os.environ["endpoint_url"], region_name=os.environ["region_name"],
    aws_access_key_id=os.environ["aws_access_key_id"], aws_secret_access_key=os.environ["aws_secret_access_key"],
    config=Config(signature_version=os.environ["signature_version"]))
assert "http://" + os.environ["S3_ENDPOINT"] == os.environ["AWS_ENDPOINT_URL"]
old.put_object(Bucket="from-a-pod", Key="answer", Body=b"a" * 20_000_000)
old.upload_fileobj(__import__("io").BytesIO(b"b" * 20_000_000), "from-a-pod", "parts")
`))
	s.ends("it", "Succeeded")
	for key, want := range map[string]byte{"answer": 'a', "parts": 'b'} {
		if got := files.get(key); got != string(bytes.Repeat([]byte{want}, 20_000_000)) {
			t.Errorf("%s is %d bytes long, not what the pod stored", key, len(got))
		}
	}
}

// The keys that a pod finds are its namespace's: they open the namespace's buckets,
// and none of another's.
func TestS3OfAnotherNamespace(t *testing.T) {
	s := begin(t)
	s.weir.kubectl(t, "create", "namespace", s.namespace+"-other")
	defer s.weir.kubectl(t, "delete", "namespace", s.namespace+"-other", "--wait=false")
	s.bucket(t, s.namespace+"-other-data").put("key", "private")
	s.apply(podOfS3(fmt.Sprintf(`
import boto3, botocore
s3 = boto3.client("s3")
s3.create_bucket(Bucket="%[1]s-data")
s3.put_object(Bucket="%[1]s-data", Key="mine", Body=b"mine")
assert "%[1]s-data" in [b["Name"] for b in s3.list_buckets()["Buckets"]]
assert "%[1]s-other-data" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]
for what in [lambda b: s3.list_objects_v2(Bucket=b), lambda b: s3.get_object(Bucket=b, Key="key"),
             lambda b: s3.put_object(Bucket=b, Key="key", Body=b""), lambda b: s3.delete_object(Bucket=b, Key="key"),
             lambda b: s3.copy_object(Bucket="%[1]s-data", Key="taken", CopySource=b + "/key")]:
    try:
        what("%[1]s-other-data")
    except botocore.exceptions.ClientError as e:
        print(e.response["Error"]["Code"])
`, s.namespace)))
	if got, want := s.ends("it", "Succeeded"), strings.Repeat("AccessDenied\n", 5); got != want {
		t.Errorf("at a bucket of another namespace the pod is answered\n%s\nwant\n%s", got, want)
	}
}

// A pod without the label is told nothing, and S3 answers nobody without keys.
func TestS3IsNotForEverybody(t *testing.T) {
	s := begin(t)
	s.bucket(t, "not-for-everybody").put("key", "private")
	s.apply(pod("it", `command: [sh, -c, "env | grep -i -c -E 'aws|s3_' || true"]`))
	if got := s.ends("it", "Succeeded"); got != "0\n" {
		t.Errorf("the pod knows %s variables about S3", got)
	}
	if got := get(s.is(t).S3.URL + "/not-for-everybody/key"); !bytes.Contains([]byte(got), []byte("AccessDenied")) {
		t.Errorf("without keys S3 says %q", got)
	}
}
