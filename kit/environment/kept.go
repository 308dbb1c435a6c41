package environment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// keptImages is what the images begin with that mean a list of packages, and
// are called by it.
const keptImages = "weir.local/env-"

// VariableKept is set in environments that Keep gave an image, to the image: a
// program that would install its packages finds by it that they are there.
const VariableKept = "WEIR_ENVIRONMENT"

// Keep notes a list of packages, for a version of Python as "3.12" or for the
// one that is here if it is empty, and returns the image that means it from now
// on: in this process, in others on the same folder, and when these are gone.
// The order of the packages does not matter; one list has one image.
func (s *Store) Keep(python string, packages []string) (string, error) {
	r := Recipe{Python: python, Requirements: packages}
	hash := keyOf(r)[:16]
	r.Image = keptImages + hash
	file := s.path("kept", hash+".json")
	if _, err := os.Stat(file); err == nil {
		return r.Image, nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("keep what packages %s means: %w", r.Image, err)
	}
	temp := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return "", fmt.Errorf("keep what packages %s means: %w", r.Image, err)
	}
	if err := os.Rename(temp, file); err != nil {
		return "", fmt.Errorf("keep what packages %s means: %w", r.Image, err)
	}
	return r.Image, nil
}

// Kept returns the recipes of the images that Keep gave, in their order.
func (s *Store) Kept() ([]Recipe, error) {
	files, err := os.ReadDir(s.path("kept"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list packages that are kept: %w", err)
	}
	var all []Recipe
	for _, f := range files {
		hash, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok {
			continue
		}
		if r, ok := s.kept(keptImages + hash); ok {
			all = append(all, r)
		}
	}
	return all, nil
}

// kept returns the recipe of an image that Keep gave.
func (s *Store) kept(image string) (Recipe, bool) {
	name, tag := split(image)
	hash, ok := strings.CutPrefix(name, keptImages)
	if !ok || tag != "" && tag != "latest" || strings.ContainsAny(hash, "/.") {
		return Recipe{}, false
	}
	data, err := os.ReadFile(s.path("kept", hash+".json"))
	if err != nil {
		return Recipe{}, false
	}
	var r Recipe
	if err := json.Unmarshal(data, &r); err != nil {
		return Recipe{}, false
	}
	r.Command = []string{"python3"}
	r.Variables = map[string]string{"PYTHONUNBUFFERED": "1", VariableKept: r.Image}
	if r.Python == "" && len(r.Requirements) > 0 {
		older := r
		older.Python, older.Requirements = olderPython, slices.Clone(r.Requirements)
		r.Otherwise = &older
	}
	return r, true
}
