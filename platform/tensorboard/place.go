package tensorboard

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A place is where event files lie.
type place struct {
	scheme string // s3, gs or pvc
	root   string // the bucket, or the claim
	below  string // the folder in it, without slashes at its ends
}

func (p place) String() string {
	return strings.TrimSuffix(p.scheme+"://"+p.root+"/"+p.below, "/")
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$`)
	claimName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
)

// readPlace reads a logspath. The error is a sentence for whoever wrote it.
func readPlace(logspath string) (place, error) {
	scheme, rest, ok := strings.Cut(logspath, "://")
	if !ok || scheme != "s3" && scheme != "gs" && scheme != "pvc" {
		return place{}, fmt.Errorf("logspath %q is no place of event files: give s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or pvc://CLAIM/FOLDER", logspath)
	}
	root, below, _ := strings.Cut(rest, "/")
	p := place{scheme, root, strings.Trim(below, "/")}
	if scheme != "pvc" && !bucketName.MatchString(root) {
		return place{}, fmt.Errorf("logspath %q: %q is no name of a bucket", logspath, root)
	}
	if scheme == "pvc" && !claimName.MatchString(root) {
		return place{}, fmt.Errorf("logspath %q: %q is no name of a PersistentVolumeClaim", logspath, root)
	}
	for part := range strings.SplitSeq(p.below, "/") {
		if part == ".." || part == "." {
			return place{}, fmt.Errorf("logspath %q: a folder's name cannot be %s", logspath, part)
		}
	}
	if scheme == "pvc" {
		p.below = strings.TrimPrefix(path.Clean("/"+p.below), "/")
	}
	return p, nil
}
