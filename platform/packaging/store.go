package packaging

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// An Access says where an S3 store is, and by which keys it is entered.
type Access struct {
	Endpoint, Region                   string
	AccessKey, SecretKey, SessionToken string
	CAFile                             string // of the authority of its certificate, if that is not a public one
}

// A Store is an S3 store that holds code and outputs.
type Store struct{ client *s3.Client }

// Open prepares to talk to a store. It sends nothing yet.
func Open(a Access) (*Store, error) {
	o := s3.Options{
		BaseEndpoint: aws.String(a.Endpoint), Region: a.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: a.AccessKey, SecretAccessKey: a.SecretKey, SessionToken: a.SessionToken}, nil
		}),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if a.CAFile != "" {
		authority, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reach S3: %w", err)
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(authority)
		o.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	}
	return &Store{s3.New(o)}, nil
}

// Put carries a bundle to the store, unless it is there already, and says how
// many bytes it had to send. Its tar comes last: where that is, all is.
func (s *Store) Put(ctx context.Context, b *Bundle) (sent int64, err error) {
	there, err := s.has(ctx, b.Key())
	if there || err != nil {
		return 0, err
	}
	if err := s.MakeBucket(ctx, CodeBucket); err != nil {
		return 0, err
	}
	for _, l := range b.Large {
		there, err := s.has(ctx, l.Digest)
		if err != nil {
			return sent, err
		}
		if there {
			continue
		}
		in, err := os.Open(filepath.Join(b.folder.Dir, l.Name))
		if err != nil {
			return sent, fmt.Errorf("put %s: %w", l.Name, err)
		}
		err = s.put(ctx, l.Digest, in, l.Size)
		_ = in.Close() // It was only read.
		if err != nil {
			return sent, fmt.Errorf("put %s: %w", l.Name, err)
		}
		sent += l.Size
	}
	// A request may have to be sent again: the tar is written out first.
	spool, err := os.CreateTemp("", "weir-code-")
	if err != nil {
		return sent, fmt.Errorf("put %s: %w", b.URL(), err)
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	if _, err := b.WriteTo(spool); err != nil {
		return sent, err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return sent, fmt.Errorf("put %s: %w", b.URL(), err)
	}
	if err := s.put(ctx, b.Key(), spool, b.Size); err != nil {
		return sent, fmt.Errorf("put %s: %w", b.URL(), err)
	}
	return sent + b.Size, nil
}

// has tells whether there is an object in CodeBucket that stays for long enough.
func (s *Store) has(ctx context.Context, key string) (bool, error) {
	o, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(CodeBucket), Key: &key})
	if err != nil && !isAbsent(err) {
		return false, fmt.Errorf("look for s3://%s/%s: %w", CodeBucket, key, err)
	}
	return err == nil && time.Since(*o.LastModified) < codeKept/2, nil
}

func (s *Store) put(ctx context.Context, key string, body io.ReadSeeker, size int64) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(CodeBucket), Key: &key, Body: body, ContentLength: &size})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "InsufficientStorage" {
		return fmt.Errorf("the disk of the store is full: make room there, for one by deleting outputs that nobody needs (%w)", err)
	}
	return err
}

// MakeBucket makes a bucket if there is none of its name.
func (s *Store) MakeBucket(ctx context.Context, name string) error {
	_, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
	var ours *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &ours) {
		return fmt.Errorf("make bucket %s: %w", name, err)
	}
	return nil
}

// isAbsent is whether an object, or its bucket, is not there.
func isAbsent(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "NotFound" || api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NoSuchBucket")
}

// OutputPrefix is where a run's outputs are in OutputBucket.
func OutputPrefix(namespace, name string) string { return namespace + "/" + name + "/" }

// Outputs lists what a run has left behind, with names below its prefix.
func (s *Store) Outputs(ctx context.Context, namespace, name string) ([]Part, error) {
	prefix := OutputPrefix(namespace, name)
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: aws.String(OutputBucket), Prefix: &prefix})
	var all []Part
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isAbsent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list outputs of %s: %w", name, err)
		}
		for _, o := range page.Contents {
			all = append(all, Part{strings.TrimPrefix(*o.Key, prefix), *o.Size})
		}
	}
	return all, nil
}

// Fetch copies what a run has left behind into a folder.
func (s *Store) Fetch(ctx context.Context, namespace, name string, parts []Part, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("fetch outputs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("fetch outputs: %w", err)
	}
	defer root.Close()
	for _, p := range parts {
		if err := s.fetchOne(ctx, OutputPrefix(namespace, name)+p.Name, root, p.Name); err != nil {
			return fmt.Errorf("fetch %s: %w", p.Name, err)
		}
	}
	return nil
}

// fetchOne copies an object; a file that is there already is replaced in one step.
func (s *Store) fetchOne(ctx context.Context, key string, root *os.Root, name string) error {
	object, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(OutputBucket), Key: &key})
	if err != nil {
		return err
	}
	defer object.Body.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	part := name + ".part"
	out, err := root.Create(part)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, object.Body)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, root.Remove(part))
	}
	return root.Rename(part, name)
}
