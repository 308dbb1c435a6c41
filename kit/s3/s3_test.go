package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A bucket and its objects, from their making to the next program that opens
// the same folder.
func TestObjectsStay(t *testing.T) {
	dir := t.TempDir()
	c, stop := serve(t, dir, "secret")
	ctx := t.Context()
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("models")}); err != nil {
		t.Fatal(err)
	}
	put(t, c, "models", "a/b/weights.bin", "first")
	put(t, c, "models", "a/b/weights.bin", "second")
	put(t, c, "models", "gone", "x")
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("models"), Key: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	stop()

	c, _ = serve(t, dir, "secret")
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("models")})
	if err != nil || len(list.Contents) != 1 {
		t.Fatalf("list %+v, %v; want one object", list, err)
	}
	object, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("models"), Key: aws.String("a/b/weights.bin")})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil || string(data) != "second" || object.Metadata["epoch"] != "3" {
		t.Errorf("got %q with %v, %v; want the second with its metadata", data, object.Metadata, err)
	}
}

func TestMultipart(t *testing.T) {
	c, _ := serve(t, t.TempDir(), "secret")
	ctx := t.Context()
	bucket, key := aws.String("data"), aws.String("big")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	upload, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	var parts []types.CompletedPart
	for n := int32(1); n <= 2; n++ {
		p, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: upload.UploadId, PartNumber: &n, Body: bytes.NewReader(part)})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{ETag: p.ETag, PartNumber: &n})
	}
	if _, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil || *head.ContentLength != int64(2*len(part)) {
		t.Errorf("head %+v, %v; want %d bytes", head, err, 2*len(part))
	}
}

func TestOthersAreRefused(t *testing.T) {
	c, _ := serve(t, t.TempDir(), "secret")
	o := c.Options()
	wrong := s3.New(o, func(o *s3.Options) { o.Credentials = keys("access", "guess") })
	if _, err := wrong.ListBuckets(t.Context(), &s3.ListBucketsInput{}); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("a wrong key got %v", err)
	}
}

// What is acknowledged has been synced before: the object, its folders and the
// bucket, from the file up to the root.
func TestAcknowledgedIsOnTheDisk(t *testing.T) {
	root := "/buckets"
	var synced []string
	d := &durable{root: root, sync: func(path string) error {
		synced = append(synced, path)
		return nil
	}}
	if err := d.keep("models", "a/b.bin"); err != nil {
		t.Fatal(err)
	}
	want := []string{"/buckets/models/a/b.bin", "/buckets/models/a", "/buckets/models", "/buckets"}
	if strings.Join(synced, " ") != strings.Join(want, " ") {
		t.Errorf("synced %v, want %v", synced, want)
	}

	full := errors.New("input/output error")
	d.sync = func(string) error { return full }
	if err := d.keep("models", "a"); !errors.Is(err, full) {
		t.Errorf("a disk that fails gave %v; the client must be told", err)
	}
}

func serve(t *testing.T, dir, secret string) (*s3.Client, func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	server, err := Start(ctx, Config{Dir: filepath.Join(dir, "s3"), Listeners: []net.Listener{l}, AccessKey: "access", SecretKey: secret, Region: "us-east-1"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-server.Done(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + l.Addr().String()), Region: "us-east-1", UsePathStyle: true, Credentials: keys("access", secret),
	}), stop
}

func keys(access, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, nil
	})
}

func put(t *testing.T, c *s3.Client, bucket, key, body string) {
	t.Helper()
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body), Metadata: map[string]string{"epoch": "3"}})
	if err != nil {
		t.Fatal(err)
	}
}
