package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TokenPrefix is how our tokens begin, so that people and scanners know them.
const TokenPrefix = "weir_"

// A Token is what is shown of one. Its secret is shown once, when it is made.
type Token struct {
	ID      string    `json:"id"`
	Title   string    `json:"name"`
	User    string    `json:"user"`
	Scopes  []string  `json:"scopes"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires,omitzero"`
}

// NewToken makes a token and returns its secret, which is kept nowhere. One that
// lasts for no time lasts for ever.
func (s *Store) NewToken(ctx context.Context, who Subject, title string, scopes []string, lasts time.Duration) (string, *Pass, error) {
	if err := s.ready(ctx); err != nil {
		return "", nil, err
	}
	if err := s.known(ctx, who); err != nil {
		return "", nil, fmt.Errorf("make a token for %s: %w", who.User, err)
	}
	return s.issue(ctx, record{Kind: token, Subject: who, Via: "token", Title: title, Scopes: scopes}, TokenPrefix+rand.Text(), lasts)
}

// Tokens are a user's, or everybody's if none is named, the newest first.
func (s *Store) Tokens(ctx context.Context, name string) ([]Token, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	all := []Token{}
	for _, e := range s.shelf.all(token, func(r *record) bool { return name == "" || r.User == name }) {
		r := &e.record
		all = append(all, Token{ID: e.name, Title: r.Title, User: r.User, Scopes: slices.Clone(r.Scopes), Made: r.Made, Expires: r.Expires})
	}
	slices.SortFunc(all, func(a, b Token) int {
		if c := b.Made.Compare(a.Made); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// RevokeToken takes back the token that an ID names.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.shelf.get(token, id) == nil {
		return fmt.Errorf("take back token %s: there is none of this ID; weir token list shows them", id)
	}
	return s.remove(ctx, id)
}
