package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// One suite for both places of metadata.
func TestServer(t *testing.T) {
	t.Run("ExtendedAttributes", func(t *testing.T) {
		dir := t.TempDir()
		if err := tryAttributes(dir); err != nil {
			t.Skip("the file system of temporary folders has no extended attributes:", err)
		}
		suite(t, func(*testing.T, string) {})
	})
	t.Run("FilesBeside", func(t *testing.T) {
		suite(t, func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "metadata"), 0o700); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func suite(t *testing.T, prepare func(t *testing.T, dir string)) {
	in := func(t *testing.T) string {
		dir := t.TempDir()
		prepare(t, dir)
		return dir
	}

	// A bucket and its objects, from their making to the next server of the
	// same folder.
	t.Run("ObjectsStay", func(t *testing.T) {
		dir := in(t)
		c, stop := serve(t, dir)
		makeBucket(t, c, "models")
		put(t, c, "models", "a/b/weights.bin", "first")
		put(t, c, "models", "a/b/weights.bin", "second")
		put(t, c, "models", "a/index.json", "{}")
		put(t, c, "models", "gone", "x")
		if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("models"), Key: aws.String("gone")}); err != nil {
			t.Fatal(err)
		}
		stop()

		c, _ = serve(t, dir)
		if diff := cmp.Diff([]string{"a/b/weights.bin", "a/index.json"}, list(t, c, "models", "")); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"a/b/weights.bin"}, list(t, c, "models", "a/b")); diff != "" {
			t.Errorf("objects under a/b (-want +got):\n%s", diff)
		}
		if got := get(t, c, "models", "a/b/weights.bin"); got != "second" {
			t.Errorf("got %q, want what was put last", got)
		}
		head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("models"), Key: aws.String("a/b/weights.bin")})
		if err != nil || head.Metadata["epoch"] != "3" || aws.ToString(head.ContentType) != "text/plain" {
			t.Errorf("head %+v, %v; want the metadata it was put with", head, err)
		}
	})

	t.Run("Multipart", func(t *testing.T) {
		dir := in(t)
		c, stop := serve(t, dir)
		makeBucket(t, c, "data")
		bucket, key := aws.String("data"), aws.String("deep/big")
		upload, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		part := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
		var parts []types.CompletedPart
		for n := int32(1); n <= 2; n++ {
			p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: upload.UploadId, PartNumber: &n, Body: bytes.NewReader(part)})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, types.CompletedPart{ETag: p.ETag, PartNumber: &n})
			stop() // an upload goes on at the next server
			c, stop = serve(t, dir)
		}
		if _, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
			t.Fatal(err)
		}
		if got, want := get(t, c, "data", "deep/big"), string(part)+string(part); got != want {
			t.Errorf("got %d bytes, want %d in the right order", len(got), len(want))
		}
	})

	t.Run("Copy", func(t *testing.T) {
		c, _ := serve(t, in(t))
		makeBucket(t, c, "models")
		put(t, c, "models", "digits/1", "weights")
		if _, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("models"), Key: aws.String("digits/latest"), CopySource: aws.String("models/digits/1")}); err != nil {
			t.Fatal(err)
		}
		if got := get(t, c, "models", "digits/latest"); got != "weights" {
			t.Errorf("got %q", got)
		}
	})

	t.Run("DeleteAll", func(t *testing.T) {
		dir := in(t)
		c, _ := serve(t, dir)
		makeBucket(t, c, "scratch")
		var all []types.ObjectIdentifier
		for _, key := range []string{"a/1", "a/2", "b"} {
			put(t, c, "scratch", key, "x")
			all = append(all, types.ObjectIdentifier{Key: &key})
		}
		if _, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String("scratch"), Delete: &types.Delete{Objects: all}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("scratch")}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "buckets", "scratch")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the bucket's folder is there after it was deleted: %v", err)
		}
	})
}

func TestOthersAreRefused(t *testing.T) {
	c, _ := serve(t, t.TempDir())
	for name, credentials := range map[string]aws.CredentialsProvider{
		"WrongSecret": keys("access", "guess"), "WrongName": keys("nobody", "secret"), "NoKeys": aws.AnonymousCredentials{},
	} {
		t.Run(name, func(t *testing.T) {
			other := s3.New(c.Options(), func(o *s3.Options) { o.Credentials = credentials })
			if _, err := other.ListBuckets(t.Context(), &s3.ListBucketsInput{}); err == nil || !strings.Contains(err.Error(), "StatusCode: 403") {
				t.Errorf("got %v, want 403", err)
			}
		})
	}
	t.Run("NoKeysAtAll", func(t *testing.T) {
		if _, err := Start(t.Context(), Config{Dir: t.TempDir(), AccessKey: "access"}); err == nil {
			t.Error("a server without keys started")
		}
	})
}

// A link that was signed is enough, with no keys, to fetch what it names.
func TestSignedLink(t *testing.T) {
	c, _ := serve(t, t.TempDir())
	makeBucket(t, c, "models")
	put(t, c, "models", "weights", "all of them")
	link, err := s3.NewPresignClient(c).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("models"), Key: aws.String("weights")})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]int{link.URL: http.StatusOK, strings.Replace(link.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1): http.StatusForbidden} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("got %s, want %d", resp.Status, want)
		}
	}
}

// Two servers in one program, each on two addresses, and the program's working
// directory is left alone.
func TestServersStandAlone(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var clients []*s3.Client
	for range 2 {
		first, second := listener(t), listener(t)
		start(t, t.TempDir(), first, second)
		clients = append(clients, client(first), client(second))
	}
	for i := range 2 {
		makeBucket(t, clients[2*i], "models")
		put(t, clients[2*i], "models", "whose", fmt.Sprint(i))
	}
	for i := range 2 {
		if got := get(t, clients[2*i+1], "models", "whose"); got != fmt.Sprint(i) {
			t.Errorf("server %d has the object of server %s", i, got)
		}
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("working directory is %s, %v; was %s", after, err, before)
	}
}

// More requests at once than threads that are kept.
func TestManyAtOnce(t *testing.T) {
	c, _ := serve(t, t.TempDir())
	makeBucket(t, c, "data")
	var all sync.WaitGroup
	for i := range 8 * spareThreads {
		all.Go(func() {
			key := fmt.Sprintf("shard/%d", i)
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("data"), Key: &key, Body: strings.NewReader(key)})
			if err != nil {
				t.Errorf("put %s: %v", key, err)
			}
		})
	}
	all.Wait()
	if got := list(t, c, "data", "shard/"); len(got) != 8*spareThreads {
		t.Errorf("%d objects, want %d", len(got), 8*spareThreads)
	}
}

func serve(t *testing.T, dir string) (*s3.Client, func()) {
	t.Helper()
	l := listener(t)
	return client(l), start(t, dir, l)
}

func start(t *testing.T, dir string, listeners ...net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	server, err := Start(ctx, Config{Dir: dir, Listeners: listeners, AccessKey: "access", SecretKey: "secret", Region: "us-east-1"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-server.Done(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func client(l net.Listener) *s3.Client {
	return s3.New(s3.Options{BaseEndpoint: aws.String("http://" + l.Addr().String()), Region: "us-east-1", UsePathStyle: true, Credentials: keys("access", "secret"), RetryMaxAttempts: 1})
}

func keys(access, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, nil
	})
}

func makeBucket(t *testing.T, c *s3.Client, bucket string) {
	t.Helper()
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, c *s3.Client, bucket, key, body string) {
	t.Helper()
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body), ContentType: aws.String("text/plain"), Metadata: map[string]string{"epoch": "3"}})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *s3.Client, bucket, key string) string {
	t.Helper()
	object, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func list(t *testing.T, c *s3.Client, bucket, prefix string) []string {
	t.Helper()
	out, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range out.Contents {
		names = append(names, *o.Key)
	}
	return names
}

// A name in a list, and that of an upload or a version, leads to nothing but an
// object of the bucket.
func TestNamesLeadNowhereElse(t *testing.T) {
	dir := t.TempDir()
	c, _ := serve(t, dir)
	makeBucket(t, c, "ours")
	makeBucket(t, c, "theirs")
	put(t, c, "theirs", "there", "x")
	outside := filepath.Join(dir, "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../theirs/there", "x/../../theirs/there", "./../theirs/there", "/../theirs/there", "../../outside", "../theirs"} {
		_, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String("ours"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String(key)}}}})
		if err == nil {
			t.Errorf("%s is deleted", key)
		}
		_, err = c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String("ours"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("x"), VersionId: aws.String(key)}}}})
		if err == nil {
			t.Errorf("version %s is deleted", key)
		}
	}
	for _, up := range []string{"", "../", "../../", "../../../", "../../../../"} {
		for _, to := range []string{"theirs", "theirs/there", "outside"} {
			id := aws.String(up + "../" + to)
			if _, err := c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String("ours"), Key: aws.String("x"), UploadId: id}); err == nil {
				t.Errorf("upload %s is aborted", *id)
			}
			if _, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("ours"), Key: aws.String("x"), VersionId: id}); err == nil {
				t.Errorf("version %s is shown", *id)
			}
		}
	}
	if _, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("theirs"), Key: aws.String("there")}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
