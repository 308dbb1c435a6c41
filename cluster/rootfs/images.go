package rootfs

import (
	"context"
	"errors"
)

// Images says what image references mean, and makes them ready.
type Images struct{}

// Find returns the image that ref means if it is present already. The error is
// an *InvalidReferenceError when ref is not a reference at all.
func (i *Images) Find(ref string) (*Image, bool, error) { return nil, false, errors.ErrUnsupported }

// Pull makes the image that ref means present and returns it. It tells progress
// what it does, in sentences. The error is an *InvalidReferenceError, or says
// what was tried and what to do.
func (i *Images) Pull(ctx context.Context, ref string, progress func(string)) (*Image, error) {
	return nil, errors.ErrUnsupported
}

// List returns the images that are present.
func (i *Images) List() []*Image { return nil }

// Remove removes what was made for the image; one that is absent is no error.
func (i *Images) Remove(ref string) error { return errors.ErrUnsupported }

// An InvalidReferenceError is about a reference that names no image anywhere.
type InvalidReferenceError struct {
	Reference string
	Problem   string
	Remedy    string
}

func (e *InvalidReferenceError) Error() string {
	return "image reference \"" + e.Reference + "\": " + e.Problem + ": " + e.Remedy
}
