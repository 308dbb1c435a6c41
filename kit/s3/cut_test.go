package s3

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Of what a connection was cut from in the middle nothing stays: not what came, and
// not as much as was announced.
func TestCutOff(t *testing.T) {
	l := listener(t)
	defer start(t, t.TempDir(), l)()
	c := client(l)
	makeBucket(t, c, "bucket")
	put(t, c, "bucket", "kept", "before")
	made, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"New": "/bucket/new", "Old": "/bucket/kept", "Part": "/bucket/parts?partNumber=1&uploadId=" + *made.UploadId,
	} {
		t.Run(name, func(t *testing.T) { cutOff(t, l.Addr().String(), path, false) })
		t.Run(name+"InChunks", func(t *testing.T) { cutOff(t, l.Addr().String(), path, true) })
	}

	if got := fmt.Sprint(list(t, c, "bucket", "")); got != "[kept]" {
		t.Errorf("in the bucket are %s, want kept alone", got)
	}
	if got := get(t, c, "bucket", "kept"); got != "before" {
		t.Errorf("what was there before is %d bytes, want as it was", len(got))
	}
	parts, err := c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String("bucket"), Key: aws.String("parts"), UploadId: made.UploadId})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts.Parts {
		t.Errorf("part %d of %d bytes is there, of which half came", *p.PartNumber, *p.Size)
	}
}

// cutOff sends half of what it announces: as it is, or in a chunk as the SDKs do.
func cutOff(t *testing.T, address, path string, chunks bool) {
	t.Helper()
	const half = 512 << 10
	hash, length, before := "UNSIGNED-PAYLOAD", 2*half, ""
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+address+path, strings.NewReader(strings.Repeat("x", 2*half)))
	if err != nil {
		t.Fatal(err)
	}
	if chunks {
		hash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		before = fmt.Sprintf("%x\r\n", length)
		r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(length))
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		r.Header.Set("Content-Encoding", "aws-chunked")
		length += 1000
	}
	r.ContentLength = int64(length)
	r.Header.Set("X-Amz-Content-Sha256", hash)
	credentials, err := keys("access", "secret").Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(t.Context(), credentials, r, hash, "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out := bufio.NewWriter(conn)
	fmt.Fprintf(out, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", path, address, length)
	for name, values := range r.Header {
		fmt.Fprintf(out, "%s: %s\r\n", name, values[0])
	}
	fmt.Fprint(out, "\r\n", before, strings.Repeat("x", half))
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	// The server shall have taken it when the rest does not come.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("half of it is answered %s", answer.Status)
	}
}
