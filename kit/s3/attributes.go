package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/meta"
	"golang.org/x/sys/unix"
)

// attributesIn is where the metadata of objects goes: into extended attributes
// of their files, or into files beside the buckets where there are none. What
// was chosen once is kept to.
func attributesIn(dir, buckets string) (meta.MetadataStorer, error) {
	beside := filepath.Join(dir, "metadata")
	_, err := os.Stat(beside)
	if err == nil {
		return attributesBeside(beside)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err = tryAttributes(buckets); err == nil {
		return &attributes{MetadataStorer: meta.XattrMeta{}, path: func(bucket, object string) string {
			return filepath.Join(buckets, bucket, object)
		}}, nil
	}
	if made, readErr := os.ReadDir(buckets); readErr != nil || len(made) > 0 {
		return nil, fmt.Errorf("the metadata of objects is in extended attributes, which cannot be used here any more (%w): move %s back to where it was made", err, dir)
	}
	if err := os.Mkdir(beside, 0o700); err != nil {
		return nil, err
	}
	return attributesBeside(beside)
}

func attributesBeside(dir string) (meta.MetadataStorer, error) {
	files, err := meta.NewSideCar(dir)
	if err != nil {
		return nil, err
	}
	return &attributes{MetadataStorer: files, beside: dir, path: func(bucket, object string) string {
		return filepath.Join(dir, bucket, object, "meta")
	}}, nil
}

// tryAttributes says why files in dir can have no extended attributes.
func tryAttributes(dir string) error {
	const name = "user.weir"
	if err := unix.Setxattr(dir, name, []byte("1"), 0); err != nil {
		return err
	}
	return unix.Removexattr(dir, name)
}

// attributes are on the disk once they are stored, and so is an object before
// it gets its name: versitygw stores its etag just before that. Without it, a
// power cut could leave the name on a file without content, and the object
// that had the name before would be gone.
type attributes struct {
	meta.MetadataStorer
	// path is the file or folder that holds the attributes of an object.
	path func(bucket, object string) string
	// beside is the folder of the files that hold them, if they are in files.
	beside string
}

func (a *attributes) StoreAttribute(f *os.File, bucket, object, attribute string, value []byte) error {
	if err := a.MetadataStorer.StoreAttribute(f, bucket, object, attribute, value); err != nil {
		return err
	}
	if f != nil && attribute == "etag" {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if a.beside != "" {
		return syncUp(syncPath, filepath.Join(a.path(bucket, object), attribute), a.beside)
	}
	if f == nil {
		return a.sync(bucket, object)
	}
	return nil // the file has no name yet, and is synced when it has
}

func (a *attributes) DeleteAttribute(bucket, object, attribute string) error {
	if err := a.MetadataStorer.DeleteAttribute(bucket, object, attribute); err != nil {
		return err
	}
	return a.sync(bucket, object)
}

func (a *attributes) DeleteAttributes(bucket, object string) error {
	if err := a.MetadataStorer.DeleteAttributes(bucket, object); err != nil {
		return err
	}
	return a.sync(bucket, object)
}

// sync syncs what holds an object's attributes. The file is gone when the object
// is, and then its folder is synced by who deleted it.
func (a *attributes) sync(bucket, object string) error {
	path := a.path(bucket, object)
	if a.beside != "" {
		return syncUp(syncPath, path, a.beside)
	}
	if err := syncPath(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
