// Package identity knows who people are: users, their sessions and their tokens.
//
//	cookie, token, link ─▶ hash ─▶ shelf ─▶ record ─▶ Caller
//	                                 ▲
//	                       watch ────┘   Secrets in weir-system
//
// All of it lies as Secrets in the cluster, so a restart goes on with it and a
// second gateway knows the same. What lets somebody in is kept as a hash only.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/platform/routes"
)

// Namespace is where everything lies.
const Namespace = "weir-system"

// Owners is the group whose members may do everything.
const Owners = "weir:owners"

// ErrUnknown says that a secret, a password or a name lets nobody in. It does
// not tell which: who guesses should not learn that.
var ErrUnknown = errors.New("this signs nobody in")

// A Store knows who people are. It reads nothing before it is asked.
type Store struct {
	core  typed.CoreV1Interface
	shelf *shelf
	start sync.Once
	ctx   context.Context
	now   func() time.Time
}

// New returns the store in a cluster. It watches until ctx ends, from when it is
// first asked.
func New(ctx context.Context, config *rest.Config) (*Store, error) {
	core, err := typed.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("open the store of users: %w", err)
	}
	return &Store{core: core, shelf: newShelf(ctx), ctx: ctx, now: time.Now}, nil
}

// ready waits for what there is.
func (s *Store) ready(ctx context.Context) error {
	s.start.Do(func() { go s.watch(s.ctx) })
	select {
	case <-s.shelf.filled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("read who there is: %w", ctx.Err())
	case <-s.ctx.Done():
		return fmt.Errorf("read who there is: %w", s.ctx.Err())
	}
}

// A Subject is who a session or token is for.
type Subject struct {
	User string `json:"user"`
	// Groups are those of somebody we keep no user of. A user's own groups count
	// as they are at the moment.
	Groups []string `json:"groups,omitempty"`
	// Foreign is somebody we keep no user of: an identity provider does.
	Foreign bool `json:"foreign,omitempty"`
}

// A Pass is what somebody came in with, and who they are.
type Pass struct {
	routes.Caller
	// Via is how they signed in: link, password, oidc, token, account.
	Via string
	// Title is a token's name.
	Title string
	// Scopes are what a token is good for; none is everything.
	Scopes []string
	// Expires is zero when it never does.
	Expires time.Time
	// Held ends when the pass is taken back; nil is never.
	Held context.Context
	// ID names it, and lets nobody in.
	ID string
	// Subject is whom a further pass of theirs is for.
	Subject Subject
}

// Session is who a session's secret stands for.
func (s *Store) Session(ctx context.Context, secret string) (*Pass, error) {
	return s.pass(ctx, session, secret)
}

// Token is who a token stands for.
func (s *Store) Token(ctx context.Context, secret string) (*Pass, error) {
	return s.pass(ctx, token, secret)
}

func (s *Store) pass(ctx context.Context, k kind, secret string) (*Pass, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	e, err := s.find(ctx, k, nameOf(k, secret))
	if err != nil {
		return nil, err
	}
	return s.passOf(ctx, e)
}

// find is the entry of that kind and name. One that another process has just made
// is waited for: who has a new token uses it at once.
func (s *Store) find(ctx context.Context, k kind, name string) (*entry, error) {
	if e := s.shelf.get(k, name); e != nil {
		return e, nil
	}
	if _, err := s.core.Secrets(Namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, ErrUnknown
		}
		return nil, fmt.Errorf("read who this is: %w", err)
	}
	// It is not taken as it was read: only the watch tells when it ends.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var e *entry
	_ = wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(context.Context) (bool, error) {
		e = s.shelf.get(k, name)
		return e != nil, nil
	})
	if e == nil {
		return nil, ErrUnknown
	}
	return e, nil
}

func (s *Store) passOf(ctx context.Context, e *entry) (*Pass, error) {
	r := e.record
	if !r.Expires.IsZero() && !s.now().Before(r.Expires) {
		return nil, ErrUnknown
	}
	groups, err := s.groupsOf(ctx, r.Subject)
	if err != nil {
		return nil, err
	}
	return &Pass{
		Caller: routes.Caller{Name: r.User, Groups: groups},
		Via:    r.Via, Title: r.Title, Scopes: r.Scopes, Expires: r.Expires, Held: e.held, ID: e.name, Subject: r.Subject,
	}, nil
}

// groupsOf are the groups that a subject is in now. A user who is gone is none.
func (s *Store) groupsOf(ctx context.Context, who Subject) ([]string, error) {
	if who.Foreign {
		return who.Groups, nil
	}
	u, err := s.find(ctx, user, nameOf(user, who.User))
	if err != nil {
		return nil, err
	}
	return u.record.Groups, nil
}

// known refuses a subject whom nobody knows.
func (s *Store) known(ctx context.Context, who Subject) error {
	_, err := s.groupsOf(ctx, who)
	if errors.Is(err, ErrUnknown) {
		return ErrNoUser
	}
	return err
}

// StartSession makes a session and returns the secret that its cookie carries.
func (s *Store) StartSession(ctx context.Context, who Subject, via string, lasts time.Duration) (string, *Pass, error) {
	return s.issue(ctx, record{Kind: session, Subject: who, Via: via}, rand.Text(), lasts)
}

// NewLink makes what signs somebody in once.
func (s *Store) NewLink(ctx context.Context, who Subject, lasts time.Duration) (string, error) {
	if err := s.ready(ctx); err != nil {
		return "", err
	}
	if err := s.known(ctx, who); err != nil {
		return "", fmt.Errorf("make a link for %s: %w", who.User, err)
	}
	secret, _, err := s.issue(ctx, record{Kind: link, Subject: who}, rand.Text(), lasts)
	return secret, err
}

// UseLink is whom a link is for. It is of no more use then.
func (s *Store) UseLink(ctx context.Context, secret string) (Subject, error) {
	if err := s.ready(ctx); err != nil {
		return Subject{}, err
	}
	e, err := s.find(ctx, link, nameOf(link, secret))
	if err != nil {
		return Subject{}, err
	}
	if _, err := s.passOf(ctx, e); err != nil {
		return Subject{}, err
	}
	// Of several that come with it, one deletes it.
	if err := s.remove(ctx, e.name); err != nil {
		if apierrors.IsNotFound(err) {
			return Subject{}, ErrUnknown
		}
		return Subject{}, err
	}
	return e.record.Subject, nil
}

// issue keeps a record under the hash of its secret.
func (s *Store) issue(ctx context.Context, r record, secret string, lasts time.Duration) (string, *Pass, error) {
	if err := s.ready(ctx); err != nil {
		return "", nil, err
	}
	r.Made = s.now().UTC().Truncate(time.Second)
	if lasts > 0 {
		r.Expires = r.Made.Add(lasts)
	}
	e, err := s.create(ctx, nameOf(r.Kind, secret), r)
	if err != nil {
		return "", nil, err
	}
	s.sweep(ctx)
	pass, err := s.passOf(ctx, e)
	return secret, pass, err
}

// End takes back the session, token or link that an ID names, at once.
func (s *Store) End(ctx context.Context, id string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.remove(ctx, id)
}

// sweep removes some of what has expired.
func (s *Store) sweep(ctx context.Context) {
	for _, name := range s.shelf.expired(s.now(), 20) {
		if err := s.remove(ctx, name); err != nil {
			return // It lets nobody in, and there is a next time.
		}
	}
}

// nameOf is where something is kept: by the hash of what lets one in.
func nameOf(k kind, secret string) string {
	sum := sha256.Sum256([]byte(string(k) + "\x00" + secret))
	return string(k) + "-" + hex.EncodeToString(sum[:20])
}

// create writes a record, and the namespace if there is none yet.
func (s *Store) create(ctx context.Context, name string, r record) (*entry, error) {
	secret, err := r.kept(name)
	if err != nil {
		return nil, err
	}
	made, err := s.core.Secrets(Namespace).Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) {
		if err := s.makeNamespace(ctx); err != nil {
			return nil, err
		}
		made, err = s.core.Secrets(Namespace).Create(ctx, secret, metav1.CreateOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("keep a %s of %s: %w", r.Kind, r.User, err)
	}
	return s.shelf.put(made), nil
}

// overwrite has a Secret of ours say another record.
func (s *Store) overwrite(ctx context.Context, kept *corev1.Secret, r record) error {
	changed, err := r.kept(kept.Name)
	if err != nil {
		return err
	}
	kept.Data = changed.Data
	now, err := s.core.Secrets(Namespace).Update(ctx, kept, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	s.shelf.put(now)
	return nil
}

func (s *Store) makeNamespace(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	if _, err := s.core.Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make namespace %s: %w", Namespace, err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, name string) error {
	if err := s.core.Secrets(Namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("take back %s: %w", name, err)
	}
	s.shelf.forget(name)
	return nil
}

// CheckName says what is wrong with the name of a user or group.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is missing")
	case len(name) > 200:
		return fmt.Errorf("name %.20q…: longer than 200 characters", name)
	case Reserved(name):
		return fmt.Errorf("name %q: those that begin with system: or weir: are kept for the cluster and for weir", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("name %q: spaces and control characters are not allowed", name)
	}
	return nil
}

// Reserved says whether a name is one that nobody may claim.
func Reserved(name string) bool {
	return slices.ContainsFunc([]string{"system:", "weir:"}, func(p string) bool { return strings.HasPrefix(name, p) })
}
