package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ErrNoUser says that a name is nobody's.
var ErrNoUser = errors.New("there is no user of this name; weir user list shows them")

// A User is somebody whom we keep.
type User struct {
	Name     string    `json:"name"`
	Groups   []string  `json:"groups"`
	Password bool      `json:"password"` // whether they have one
	Made     time.Time `json:"made"`
}

// Users are all that there are, by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	all := []User{}
	for _, e := range s.shelf.all(user, func(*record) bool { return true }) {
		all = append(all, userOf(&e.record))
	}
	slices.SortFunc(all, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func userOf(r *record) User {
	return User{Name: r.User, Groups: slices.Clone(r.Groups), Password: r.Password != "", Made: r.Made}
}

// Keeps says whether there is a user of a name.
func (s *Store) Keeps(ctx context.Context, name string) (bool, error) {
	if err := s.ready(ctx); err != nil {
		return false, err
	}
	return s.shelf.get(user, nameOf(user, name)) != nil, nil
}

// HasPassword says whether a user has one.
func (s *Store) HasPassword(ctx context.Context, name string) (bool, error) {
	if err := s.ready(ctx); err != nil {
		return false, err
	}
	e := s.shelf.get(user, nameOf(user, name))
	return e != nil && e.record.Password != "", nil
}

// AddUser makes a user. Without a password they sign in by links.
func (s *Store) AddUser(ctx context.Context, name string, groups []string, password string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	for _, g := range groups {
		if err := CheckName(g); err != nil && g != Owners {
			return fmt.Errorf("add user %s: group: %w", name, err)
		}
	}
	r := record{Kind: user, Subject: Subject{User: name, Groups: groups}, Made: s.now().UTC().Truncate(time.Second)}
	if password != "" {
		var err error
		if r.Password, err = hash(password); err != nil {
			return fmt.Errorf("add user %s: %w", name, err)
		}
	}
	_, err := s.create(ctx, nameOf(user, name), r)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("add user %s: there is one of this name: %w", name, err)
	}
	return err
}

// ChangeUser has change a user's groups or password; nil leaves them as they are.
func (s *Store) ChangeUser(ctx context.Context, name string, groups *[]string, password *string) error {
	id := nameOf(user, name)
	secret, err := s.core.Secrets(Namespace).Get(ctx, id, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("change user %s: %w", name, ErrNoUser)
	}
	if err != nil {
		return fmt.Errorf("change user %s: %w", name, err)
	}
	r, err := recordOf(secret)
	if err != nil {
		return fmt.Errorf("change user %s: %w", name, err)
	}
	if groups != nil {
		for _, g := range *groups {
			if err := CheckName(g); err != nil && g != Owners {
				return fmt.Errorf("change user %s: group: %w", name, err)
			}
		}
		r.Groups = *groups
	}
	if password != nil {
		if r.Password, err = hash(*password); err != nil {
			return fmt.Errorf("change user %s: %w", name, err)
		}
	}
	if err := s.overwrite(ctx, secret, r); err != nil {
		return fmt.Errorf("change user %s: %w", name, err)
	}
	return nil
}

// RemoveUser removes a user, and with them ends all that they have.
func (s *Store) RemoveUser(ctx context.Context, name string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.remove(ctx, nameOf(user, name)); err != nil {
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("remove user %s: %w", name, ErrNoUser)
		}
		return err
	}
	// A user of the same name, if there is ever one, does not inherit these.
	var errs []error
	for _, k := range []kind{session, token, link, s3key} {
		for _, e := range s.shelf.all(k, func(r *record) bool { return r.User == name && !r.Foreign }) {
			if err := s.remove(ctx, e.name); err != nil && !apierrors.IsNotFound(err) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// SignIn is the user whose name and password these are.
func (s *Store) SignIn(ctx context.Context, name, password string) (Subject, error) {
	if err := s.ready(ctx); err != nil {
		return Subject{}, err
	}
	kept := nobody
	e := s.shelf.get(user, nameOf(user, name))
	if e != nil && e.record.Password != "" {
		kept = e.record.Password
	}
	// As long for who does not exist, so that the time tells nothing.
	same, err := matches(ctx, kept, password)
	if err != nil {
		return Subject{}, err
	}
	if !same || kept == nobody {
		return Subject{}, ErrUnknown
	}
	return Subject{User: name}, nil
}
