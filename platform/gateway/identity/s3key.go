package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An S3Key is a pair of keys by which somebody signs requests to the buckets of a
// namespace.
type S3Key struct {
	Access, Secret string
	Namespace      string
	Expires        time.Time
}

// accessLength is how long the part of an access key is that whose it is says. The
// rest is random, so that who guesses names does not learn who has keys.
const accessLength = 20

// accessOf is how the access key of somebody's pair for a namespace begins.
func accessOf(who Subject, namespace string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v\x00%s\x00%s", who.Foreign, who.User, namespace))
	return ("WEIR" + base32.StdEncoding.EncodeToString(sum[:]))[:accessLength]
}

// s3KeyName is where a pair is kept whose access key begins so.
func s3KeyName(access string) string { return nameOf(s3key, access[:min(len(access), accessLength)]) }

// S3KeyFor is somebody's pair for a namespace, which is made when it is first asked
// for. One that lasts for some time lasts for it from now on.
func (s *Store) S3KeyFor(ctx context.Context, who Subject, namespace string, lasts time.Duration) (*S3Key, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := s.known(ctx, who); err != nil {
		return nil, fmt.Errorf("make keys of S3 for %s: %w", who.User, err)
	}
	r := record{Kind: s3key, Subject: who, Via: "s3", Namespace: namespace, Made: s.now().UTC().Truncate(time.Second)}
	if lasts > 0 {
		r.Expires = r.Made.Add(lasts)
	}
	name := s3KeyName(accessOf(who, namespace))
	kept, err := s.core.Secrets(Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		r.Access, r.Secret = accessOf(who, namespace)+rand.Text()[:10], rand.Text()+rand.Text()[:14]
		if _, err := s.create(ctx, name, r); err != nil {
			return nil, err
		}
		return &S3Key{r.Access, r.Secret, namespace, r.Expires}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the keys of S3 of %s: %w", who.User, err)
	}
	before, err := recordOf(kept)
	if err != nil {
		return nil, err
	}
	if lasts > 0 || !slices.Equal(before.Groups, who.Groups) {
		r.Access, r.Secret = before.Access, before.Secret
		changed, err := r.kept(kept.Name)
		if err != nil {
			return nil, err
		}
		kept.Data = changed.Data
		if kept, err = s.core.Secrets(Namespace).Update(ctx, kept, metav1.UpdateOptions{}); err != nil {
			return nil, fmt.Errorf("keep the keys of S3 of %s: %w", who.User, err)
		}
		s.shelf.put(kept)
	}
	return &S3Key{before.Access, before.Secret, namespace, r.Expires}, nil
}

// S3Key is who a pair is of, and for which namespace.
func (s *Store) S3Key(ctx context.Context, access string) (*Pass, string, error) {
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	if !strings.HasPrefix(access, "WEIR") {
		return nil, "", ErrUnknown
	}
	e, err := s.find(ctx, s3key, s3KeyName(access))
	if err != nil {
		return nil, "", err
	}
	if !e.record.opens(access) {
		return nil, "", ErrUnknown
	}
	p, err := s.passOf(ctx, e)
	return p, e.record.Namespace, err
}

// S3Secret is the secret of a pair, for who has asked S3Key whose it is.
func (s *Store) S3Secret(access string) (string, bool) {
	e := s.shelf.get(s3key, s3KeyName(access))
	if e == nil || !e.record.opens(access) {
		return "", false
	}
	return e.record.Secret, true
}

func (r *record) opens(access string) bool {
	return subtle.ConstantTimeCompare([]byte(r.Access), []byte(access)) == 1
}

// RevokeS3Key takes back somebody's pair for a namespace, if there is one.
func (s *Store) RevokeS3Key(ctx context.Context, who Subject, namespace string) error {
	err := s.End(ctx, s3KeyName(accessOf(who, namespace)))
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
