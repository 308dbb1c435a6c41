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
	"k8s.io/apimachinery/pkg/types"
)

// ByPod is how pods come in, by the pair of their namespace.
const ByPod = "pod"

// An S3Key is a pair of keys by which somebody signs requests to the buckets of a
// namespace.
type S3Key struct {
	Access, Secret string
	Namespace      string
	// UID is that namespace's where the pair is its pods'; empty where a person's.
	UID     types.UID
	Expires time.Time
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
		r.Access, r.Secret = newPair(who, namespace)
		if _, err := s.create(ctx, name, r); err != nil {
			return nil, err
		}
		return r.pair(), nil
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
		if err := s.overwrite(ctx, kept, r); err != nil {
			return nil, fmt.Errorf("keep the keys of S3 of %s: %w", who.User, err)
		}
	}
	return &S3Key{Access: before.Access, Secret: before.Secret, Namespace: namespace, Expires: r.Expires}, nil
}

// PodsS3Key is the pair of all pods of a namespace, which is made when it is first
// asked for. It is of the namespace of that uid, and of no later one of its name.
func (s *Store) PodsS3Key(ctx context.Context, namespace string, uid types.UID) (*S3Key, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	who := Subject{User: "system:serviceaccounts:" + namespace, Foreign: true}
	name := s3KeyName(accessOf(who, namespace))
	if e := s.shelf.get(s3key, name); e != nil && e.record.NamespaceUID == uid {
		return e.record.pair(), nil
	}
	r := record{Kind: s3key, Subject: who, Via: ByPod, Namespace: namespace, NamespaceUID: uid, Made: s.now().UTC().Truncate(time.Second)}
	r.Access, r.Secret = newPair(who, namespace)
	_, err := s.create(ctx, name, r)
	if err == nil {
		return r.pair(), nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	kept, err := s.core.Secrets(Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the keys of S3 of the pods of %s: %w", namespace, err)
	}
	before, err := recordOf(kept)
	if err != nil {
		return nil, err
	}
	if before.NamespaceUID == uid {
		s.shelf.put(kept)
		return before.pair(), nil
	}
	if err := s.overwrite(ctx, kept, r); err != nil {
		return nil, fmt.Errorf("keep the keys of S3 of the pods of %s: %w", namespace, err)
	}
	return r.pair(), nil
}

func newPair(who Subject, namespace string) (access, secret string) {
	return accessOf(who, namespace) + rand.Text()[:10], rand.Text() + rand.Text()[:14]
}

func (r *record) pair() *S3Key {
	return &S3Key{r.Access, r.Secret, r.Namespace, r.NamespaceUID, r.Expires}
}

// S3Key is the pair of an access key, and who it is of.
func (s *Store) S3Key(ctx context.Context, access string) (*Pass, *S3Key, error) {
	if err := s.ready(ctx); err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(access, "WEIR") {
		return nil, nil, ErrUnknown
	}
	e, err := s.find(ctx, s3key, s3KeyName(access))
	if err != nil {
		return nil, nil, err
	}
	if !e.record.opens(access) {
		return nil, nil, ErrUnknown
	}
	p, err := s.passOf(ctx, e)
	return p, e.record.pair(), err
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
