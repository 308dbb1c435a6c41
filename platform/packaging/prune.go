package packaging

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// codeKept is how long code stays that no job names. Put sends code again that has
// half of it behind, so what it found does not go before a job names it.
const codeKept = 30 * 24 * time.Hour

// Prune removes code that is older than a month and that named does not know, by the
// digest of its bundle in hex, with the large files that no other bundle has. It
// returns how many bytes these had.
func (s *Store) Prune(ctx context.Context, now time.Time, named func(digest string) (bool, error)) (freed int64, err error) {
	bundles, large, err := s.code(ctx)
	if err != nil || len(bundles)+len(large) == 0 {
		return 0, err
	}
	old := func(o kept) bool { return now.Sub(o.at) > codeKept }
	needed := map[string]bool{}
	var gone []kept
	for _, b := range bundles {
		keep := !old(b)
		if !keep {
			if keep, err = named(strings.TrimSuffix(b.key, ".tar")); err != nil {
				return 0, err
			}
		}
		if !keep {
			gone = append(gone, b) // first: a bundle without its large files is none
			continue
		}
		if err := s.largeOf(ctx, b.key, needed); err != nil {
			return 0, err
		}
	}
	for _, l := range large {
		if old(l) && !needed[l.key] {
			gone = append(gone, l)
		}
	}
	for _, o := range gone {
		if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(CodeBucket), Key: &o.key}); err != nil {
			return freed, fmt.Errorf("remove s3://%s/%s: %w", CodeBucket, o.key, err)
		}
		freed += o.size
	}
	return freed, nil
}

// A kept is an object in CodeBucket.
type kept struct {
	key  string
	size int64
	at   time.Time
}

// code lists the bundles and large files that there are.
func (s *Store) code(ctx context.Context) (bundles, large []kept, err error) {
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: aws.String(CodeBucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isAbsent(err) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("list s3://%s: %w", CodeBucket, err)
		}
		for _, o := range page.Contents {
			one := kept{*o.Key, *o.Size, *o.LastModified}
			if strings.HasSuffix(one.key, ".tar") {
				bundles = append(bundles, one)
				continue
			}
			large = append(large, one)
		}
	}
	return bundles, large, nil
}

// largeOf adds the large files that a bundle names, in the first file of its tar.
func (s *Store) largeOf(ctx context.Context, key string, needed map[string]bool) error {
	o, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(CodeBucket), Key: &key})
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read s3://%s/%s: %w", CodeBucket, key, err)
	}
	defer o.Body.Close()
	in := tar.NewReader(o.Body)
	h, err := in.Next()
	if errors.Is(err, io.EOF) || err == nil && h.Name != largeList {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read s3://%s/%s: %w", CodeBucket, key, err)
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		digest, _, _ := strings.Cut(lines.Text(), " ")
		needed[digest] = true
	}
	return lines.Err()
}
