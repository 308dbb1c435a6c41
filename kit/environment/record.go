package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// format is part of every name, so that a change of how environments are built
// builds them anew.
const format = 1

// A record lies beside an environment's files and says what they are.
type record struct {
	Key         string      `json:"key"` // of the recipe
	Image       string      `json:"image"`
	Packages    []string    `json:"packages"` // installed, as name==version
	Requires    []string    `json:"requires"`
	Interpreter interpreter `json:"interpreter"`
	Size        int64       `json:"size"`
	Built       time.Time   `json:"built"`
}

// keyOf names what of a recipe decides what is built. What to run, and with
// which variables, does not: images may share an environment.
func keyOf(r Recipe) string {
	requirements := slices.Clone(r.Requirements)
	for i := range requirements {
		requirements[i] = strings.TrimSpace(requirements[i])
	}
	slices.Sort(requirements)
	return digest("recipe", fmt.Sprint(format), r.Python, strings.Join(slices.Compact(requirements), "\n"))
}

// idOf names an environment: what it is made of, and with which Python.
func idOf(key string, i interpreter) string {
	return digest("environment", key, i.Executable, i.Version)
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func (s *Store) read(id string) (record, error) {
	var rec record
	data, err := os.ReadFile(s.path(id, "environment.json"))
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return rec, fmt.Errorf("read record of environment %s: %w", id, err)
	}
	return rec, nil
}

// ids lists the environments that are built.
func (s *Store) ids() ([]string, error) {
	all, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list environments: %w", err)
	}
	var ids []string
	for _, d := range all {
		if len(d.Name()) == hex.EncodedLen(sha256.Size) {
			ids = append(ids, d.Name())
		}
	}
	return ids, nil
}

// An Entry is an environment that was built and is there.
type Entry struct {
	ID           string // "sha256:…"
	Image        string // of the recipe it was first built for
	Requirements []string
	Packages     []string // what they came to, as name==version
	Python       string   // version
	Interpreter  string   // path
	Dir          string
	Size         int64
	Built        time.Time
}

// List returns the environments that were built, oldest first. What a recipe
// uses as it lies is not among them.
func (s *Store) List() ([]Entry, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, id := range ids {
		rec, err := s.read(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{
			ID: "sha256:" + id, Image: rec.Image, Requirements: rec.Requires, Packages: rec.Packages,
			Python: rec.Interpreter.Version, Interpreter: rec.Interpreter.Executable,
			Dir: s.path(id, "files"), Size: rec.Size, Built: rec.Built,
		})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.Built.Compare(b.Built) })
	return entries, nil
}

// Remove removes an environment, named by its ID or the beginning of one. One
// that is absent is no error. Containers that run in it lose its files.
func (s *Store) Remove(id string) error {
	id = strings.TrimPrefix(id, "sha256:")
	if id == "" {
		return errors.New("remove environment: no name")
	}
	ids, err := s.ids()
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(s string) bool { return !strings.HasPrefix(s, id) })
	if len(ids) > 1 {
		return fmt.Errorf("remove environment %s: %d environments begin so: write more of the name", id, len(ids))
	}
	for _, id := range ids {
		if err := s.remove(id); err != nil {
			return fmt.Errorf("remove environment %s: %w", id, err)
		}
	}
	return nil
}

// remove takes an environment out of the way at once, then deletes it.
func (s *Store) remove(id string) error {
	l, err := tryLock(s.path("locks", id))
	if err != nil {
		return err
	}
	if l == nil {
		return errors.New("it is being built")
	}
	defer l.Close()
	if err := os.RemoveAll(s.path("building", id)); err != nil {
		return err
	}
	if err := os.Rename(s.path(id), s.path("building", id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(s.path("building", id))
}
