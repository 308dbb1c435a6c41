package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A SignIn says how people sign in, beside weir's own users and links. The zero
// value is those alone.
type SignIn struct {
	// Session is how long somebody stays signed in; a week if zero.
	Session metav1.Duration `json:"session,omitzero"`
	// Limits say how many wrong passwords there may be.
	Limits Limits `json:"limits,omitzero"`
	// OIDC is a provider that knows people; nil is none.
	OIDC *Provider `json:"oidc,omitempty"`
	// LDAP is a directory that knows people; nil is none.
	LDAP *LDAP `json:"ldap,omitempty"`
	// GitHub is for members of organizations there; nil is for nobody.
	GitHub *GitHub `json:"github,omitempty"`
}

// Limits are how many wrong passwords there may be at once for a name from one
// address, and how soon there may be one more. For an address with all its names
// it is four times as many and three times as soon, and for a name from
// everywhere twelve times as many: nobody can lock another out by guessing.
type Limits struct {
	Passwords int             `json:"passwords,omitempty"` // 5 if zero
	Every     metav1.Duration `json:"every,omitzero"`      // 15s if zero
}

// A FieldError says which field of the settings is wrong, and why.
type FieldError struct {
	Field string
	Err   error
}

// Error says it in a line.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap is why.
func (e *FieldError) Unwrap() error { return e.Err }

// Within says that the field of an error lies in another; nil stays nil.
func Within(field string, err error) error {
	var e *FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return &FieldError{field + "." + e.Field, e.Err}
	}
	return &FieldError{field, err}
}

const (
	defaultSession = 7 * 24 * time.Hour
	maxSession     = 365 * 24 * time.Hour
)

// Check says what is wrong, by the field.
func (s *SignIn) Check() error {
	if d := s.Session.Duration; d != 0 && (d < time.Minute || d > maxSession) {
		return &FieldError{"session", fmt.Errorf("%s is out of bounds: say a time from 1m to %s, as 168h", d, maxSession)}
	}
	if s.Limits.Passwords < 0 {
		return &FieldError{"limits.passwords", fmt.Errorf("%d is less than nothing: say how many wrong ones there may be at once, as 5", s.Limits.Passwords)}
	}
	if s.Limits.Every.Duration < 0 {
		return &FieldError{"limits.every", fmt.Errorf("%s is less than nothing: say after what time there may be one more, as 15s", s.Limits.Every.Duration)}
	}
	var errs [3]error
	if s.OIDC != nil {
		errs[0] = Within("oidc", s.OIDC.Check())
	}
	if s.LDAP != nil {
		errs[1] = Within("ldap", s.LDAP.Check())
	}
	if s.GitHub != nil {
		errs[2] = Within("github", s.GitHub.Check())
	}
	return cmp.Or(errs[:]...)
}

// Elsewhere says whether people sign in whom weir does not keep itself.
func (s *SignIn) Elsewhere() bool { return s.OIDC != nil || s.LDAP != nil || s.GitHub != nil }

// session is how long somebody stays signed in.
func (s *SignIn) session() time.Duration {
	if s.Session.Duration == 0 {
		return defaultSession
	}
	return s.Session.Duration
}

// signIns are the settings as they are now.
func (g *Gateway) signIns() *SignIn {
	if g.config.SignIn == nil {
		return &SignIn{}
	}
	return g.config.SignIn()
}
