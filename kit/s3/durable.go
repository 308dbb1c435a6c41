package s3

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// durable is a backend whose writes are on the disk before they are
// acknowledged. The gateway leaves them in the kernel's memory: a power cut
// would take an object away that a client had been told of.
//
// A file is synced with its attributes, and then every folder between it and
// the root, since a name that is new is written into its folder.
type durable struct {
	backend.Backend
	root string
	sync func(path string) error
}

func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := d.Backend.PutObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := d.Backend.CopyObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := d.Backend.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return out, version, err
	}
	return out, version, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	if err := d.Backend.CreateBucket(ctx, in, acl); err != nil {
		return err
	}
	return d.keep(*in.Bucket, "")
}

func (d *durable) DeleteBucket(ctx context.Context, bucket string) error {
	if err := d.Backend.DeleteBucket(ctx, bucket); err != nil {
		return err
	}
	return d.sync(d.root)
}

func (d *durable) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := d.Backend.DeleteObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	out, err := d.Backend.DeleteObjects(ctx, in)
	if err != nil {
		return out, err
	}
	for _, o := range in.Delete.Objects {
		if err := d.keep(*in.Bucket, *o.Key); err != nil {
			return out, err
		}
	}
	return out, nil
}

// keep syncs an object and the folders above it. What is gone by now has been
// deleted, and its folder says so.
func (d *durable) keep(bucket, key string) error {
	top := filepath.Clean(d.root)
	path := filepath.Join(top, bucket, filepath.FromSlash(key))
	for {
		if err := d.sync(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if path == top || len(path) <= len(top) {
			return nil
		}
		path = filepath.Dir(path)
	}
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
