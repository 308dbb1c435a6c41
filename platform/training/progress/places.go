package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/admission"
)

// A bucket is an eventPlace in S3.
type bucket struct {
	client       *s3.Client
	name, prefix string
}

// bucketOf reaches a bucket as the pods of a namespace would: a job is shown no
// more than it can read itself.
func (r *reconciler) bucketOf(ctx context.Context, namespace, name, prefix string) (eventPlace, error) {
	var keys corev1.Secret
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: admission.SecretS3}, &keys); err != nil {
		return nil, fmt.Errorf("read the keys to S3 in secret %s/%s: %w", namespace, admission.SecretS3, err)
	}
	of := func(key string) string { return string(keys.Data[key]) }
	c := s3.New(s3.Options{
		BaseEndpoint: aws.String(of("AWS_ENDPOINT_URL")), Region: of("AWS_REGION"), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: of("AWS_ACCESS_KEY_ID"), SecretAccessKey: of("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	})
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{c, name, prefix}, nil
}

// maxFiles is how many files of a job are read.
const maxFiles = 100

func (b *bucket) list(ctx context.Context) ([]eventFile, error) {
	var all []eventFile
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() && len(all) < maxFiles {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			if name := strings.TrimPrefix(aws.ToString(o.Key), b.prefix); isEvents(name) && len(all) < maxFiles {
				all = append(all, eventFile{name, aws.ToInt64(o.Size)})
			}
		}
	}
	return all, nil
}

func (b *bucket) read(ctx context.Context, name string, offset int64) ([]byte, error) {
	o, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.name, Key: aws.String(b.prefix + name), Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+readAtMost-1)),
	})
	if err != nil {
		return nil, err
	}
	defer o.Body.Close()
	return io.ReadAll(io.LimitReader(o.Body, readAtMost))
}

// A folder is an eventPlace in a volume.
type folder struct{ volume, below string }

// folderOf finds the folder of a claim, where this process has it.
func (r *reconciler) folderOf(ctx context.Context, namespace, claim, below string) (eventPlace, error) {
	if !r.options.Volumes {
		return nil, errors.New("volumes cannot be read from here; write the events to S3, and name it as s3://BUCKET/PREFIX")
	}
	var c corev1.PersistentVolumeClaim
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: claim}, &c); err != nil {
		return nil, fmt.Errorf("read claim %s/%s: %w", namespace, claim, err)
	}
	var v corev1.PersistentVolume
	if err := r.live.Get(ctx, client.ObjectKey{Name: c.Spec.VolumeName}, &v); err != nil {
		return nil, fmt.Errorf("read volume %s of claim %s/%s: %w", c.Spec.VolumeName, namespace, claim, err)
	}
	switch {
	case v.Spec.Local != nil:
		return &folder{v.Spec.Local.Path, below}, nil
	case v.Spec.HostPath != nil:
		return &folder{v.Spec.HostPath.Path, below}, nil
	}
	return nil, fmt.Errorf("volume %s of claim %s/%s is no folder of this machine", v.Name, namespace, claim)
}

// open keeps to the volume: a link in it may lead anywhere.
func (f *folder) open() (*os.Root, error) {
	volume, err := os.OpenRoot(f.volume)
	if err != nil || f.below == "" {
		return volume, err
	}
	defer volume.Close()
	return volume.OpenRoot(f.below)
}

func (f *folder) list(context.Context) ([]eventFile, error) {
	root, err := f.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // The job makes it when it begins.
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var all []eventFile
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !isEvents(name) {
			return nil //nolint:nilerr // What goes away meanwhile is not read.
		}
		if len(all) == maxFiles {
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			all = append(all, eventFile{name, info.Size()})
		}
		return nil
	})
	return all, err
}

func (f *folder) read(_ context.Context, name string, offset int64) ([]byte, error) {
	root, err := f.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.NewSectionReader(file, offset, readAtMost))
}
