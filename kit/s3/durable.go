package s3

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// durable are files whose names are on the disk before they are acknowledged.
// versitygw leaves them in the kernel's memory: a power cut would take an object
// away that a client had been told of.
//
// A file is synced once more when it has its name, since attributes were added,
// and then every folder above it, since any of them may be new.
type durable struct {
	*posix.Posix
	root, region string
	sync         func(path string) error
}

// oldest is the region in which making a bucket of one's own again is no error.
// Scripts count on it.
const oldest = "us-east-1"

func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	in.Body = wholly(in.Body, in.ContentLength)
	out, err := d.Posix.PutObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := d.Posix.CopyObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	out, err := d.Posix.CreateMultipartUpload(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, partsOf(*in.Key, out.UploadId))
}

func (d *durable) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	in.Body = wholly(in.Body, in.ContentLength)
	out, err := d.Posix.UploadPart(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, filepath.Join(partsOf(*in.Key, *in.UploadId), fmt.Sprint(*in.PartNumber)))
}

func (d *durable) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	out, err := d.Posix.UploadPartCopy(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, filepath.Join(partsOf(*in.Key, *in.UploadId), fmt.Sprint(*in.PartNumber)))
}

func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := d.Posix.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return out, version, err
	}
	return out, version, d.keep(*in.Bucket, *in.Key)
}

func (d *durable) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	err := d.Posix.CreateBucket(ctx, in, acl)
	if isBucketError(err, s3err.ErrBucketAlreadyExists) {
		// Buckets are of all who come here with a right to them, whose keys made them.
		err = s3err.GetBucketErr(s3err.ErrBucketAlreadyOwnedByYou, *in.Bucket)
	}
	if err != nil && !(d.region == oldest && isBucketError(err, s3err.ErrBucketAlreadyOwnedByYou)) {
		return err
	}
	return d.keep(*in.Bucket, "")
}

func isBucketError(err error, code s3err.ErrorCode) bool {
	var known s3err.BucketError
	return errors.As(err, &known) && known.Code == s3err.GetAPIError(code).Code
}

func (d *durable) DeleteBucket(ctx context.Context, bucket string) error {
	if err := d.Posix.DeleteBucket(ctx, bucket); err != nil {
		return err
	}
	return d.sync(d.root)
}

func (d *durable) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := d.Posix.DeleteObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.keep(*in.Bucket, *in.Key)
}

// isPart says whether an upload or a version may be called so, which name files
// beside an object's. versitygw would follow any path.
func isPart(id string) bool { return !strings.ContainsAny(id, "/\x00") && id != "." && id != ".." }

// DeleteObjects deletes those that a list names, which versitygw does not look at
// as it does at a path: a name with .. in it would be another bucket's file, or
// none of ours.
func (d *durable) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	for _, o := range in.Delete.Objects {
		if !utils.IsObjectNameValid(*o.Key) {
			return s3response.DeleteResult{}, s3err.GetAPIError(s3err.ErrBadRequest)
		}
		if o.VersionId != nil && !isPart(*o.VersionId) {
			return s3response.DeleteResult{}, s3err.GetAPIError(s3err.ErrNoSuchVersion)
		}
	}
	out, err := d.Posix.DeleteObjects(ctx, in)
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

// partsOf is the folder, in a bucket, of the parts of an upload.
func partsOf(key, upload string) string {
	return filepath.Join(posix.MetaTmpMultipartDir, fmt.Sprintf("%x", sha256.Sum256([]byte(key))), upload)
}

// keep syncs what a key names, and all that its name depends on.
func (d *durable) keep(bucket, key string) error {
	if err := syncUp(d.sync, filepath.Join(d.root, bucket, key), d.root); err != nil {
		return fmt.Errorf("write %s/%s to the disk: %w", bucket, key, err)
	}
	return nil
}

// syncUp syncs a file and the folders above it, up to top. What is gone by now
// has been deleted, and its folder says so.
func syncUp(sync func(string) error, path, top string) error {
	for {
		err := sync(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return err
		}
		if path == top || len(path) <= len(top) {
			return nil
		}
		path = filepath.Dir(path)
	}
}

func syncPath(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
