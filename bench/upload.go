package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"time"
)

// ofUpload measures what a file that is longer than the memory should be costs on
// its way through the front door into a bucket, and back. The door and S3 are in
// weir's own process, whose memory is told before, at most, and after.
func (b *bench) ofUpload(ctx context.Context) (err error) {
	w, err := b.fresh(ctx, "--without", "node,controllers")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	door, err := w.frontDoor()
	if err != nil {
		return err
	}
	send := func(method, path string, body io.Reader, size int64) error {
		r, err := http.NewRequestWithContext(ctx, method, door.url+path, body)
		if err != nil {
			return err
		}
		r.ContentLength, r.Header = size, door.header.Clone()
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		got, err := io.Copy(io.Discard, a.Body)
		if err == nil && a.StatusCode != http.StatusOK {
			err = errors.New(a.Status)
		}
		if err == nil && method == http.MethodGet && got != b.upload {
			err = fmt.Errorf("%d bytes of %d came back", got, b.upload)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		return nil
	}
	const bucket, file = "/weir/s3/bench", "/weir/s3/bench/large"
	if err := send(http.MethodPut, bucket, nil, 0); err != nil {
		return err
	}
	for _, way := range []struct{ what, method string }{{"upload", http.MethodPut}, {"download", http.MethodGet}} {
		var body io.Reader
		var size int64
		if way.method == http.MethodPut {
			body, size = io.LimitReader(rand.NewChaCha8([32]byte{}), b.upload), b.upload
		}
		before, err := useOf(w.pid)
		if err != nil {
			return err
		}
		if err := forgetPeak(w.pid); err != nil {
			return err
		}
		began := time.Now()
		if err := send(way.method, file, body, size); err != nil {
			return err
		}
		took, most := time.Since(began), peakOf(w.pid)
		after, err := useOf(w.pid)
		if err != nil {
			return err
		}
		b.report.row(fmt.Sprintf("%s of %d MB through the front door", way.what, b.upload/1e6), "%s, %.0f MB/s; memory %d MB before, %d MB at most, %d MB after",
			short(took), float64(b.upload)/1e6/took.Seconds(), before.resident>>20, most>>20, after.resident>>20)
	}
	return nil
}

// forgetPeak has peakOf begin anew.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
