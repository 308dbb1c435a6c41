package environment

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// asItLies says whether a recipe names something that is used and not built.
func (r Recipe) asItLies() bool {
	return r.Machine || r.Programs || r.Folder != "" || r.Files != "" || len(r.Requirements) == 0 && strings.Contains(r.Python, "/")
}

// found is the environment of a recipe that is used as it lies.
func (s *Store) found(ctx context.Context, r Recipe) (*Environment, error) {
	if r.Machine {
		return s.machine(r)
	}
	if r.Programs {
		r.Files = s.programs
		if r.Files == "" {
			return nil, fmt.Errorf("image %s is a program of weir's, and there are none here", r.Image)
		}
	}
	if r.Folder != "" || r.Files != "" {
		return foundFolders(r)
	}
	python, err := s.probe(ctx, r)
	if err != nil {
		return nil, err
	}
	e := &Environment{
		ID:      "sha256:" + digest("python", python.Executable, python.Version, python.Prefix),
		Folders: python.folders(),
		Path:    []string{filepath.Join(python.Prefix, "bin")},
	}
	e.describe(r)
	if python.Prefix != python.Base {
		e.Folders = append([]Folder{{Source: python.Prefix, Target: python.Prefix, CopyOnWrite: true}}, e.Folders...)
		e.Variables["VIRTUAL_ENV"] = python.Prefix
	}
	s.layPrograms(e, python.Prefix, python.Prefix)
	return e, nil
}

// layPrograms adds what an MPI needs to an environment that has one: the programs
// that it calls, and variables that tell it where it lies and that it may run as
// root. folder is the environment on this machine, seen is it in a container.
func (s *Store) layPrograms(e *Environment, folder, seen string) {
	has := func(program string) bool {
		_, err := os.Stat(filepath.Join(folder, "bin", program))
		return err == nil
	}
	if has("mpirun") && s.programs != "" {
		e.Folders = append(e.Folders, Folder{Source: s.programs, Target: "/", CopyOnWrite: true})
	}
	if !has("ompi_info") {
		return
	}
	for name, value := range map[string]string{"OPAL_PREFIX": seen, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} {
		if _, said := e.Variables[name]; !said {
			e.Variables[name] = value
		}
	}
}

// standInNslookup is what such an image has and this machine may lack: it finds
// a name as programs do, and needs little memory for it.
const standInNslookup = `#!/bin/sh
exec getent hosts "$1"
`

// machine is the environment of an image that means this machine's programs.
func (s *Store) machine(r Recipe) (*Environment, error) {
	bin := s.path("machine", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, fmt.Errorf("make room for this machine's programs: %w", err)
	}
	program := filepath.Join(bin, "nslookup")
	if _, err := os.Stat(program); err != nil {
		// Written aside, so that nobody runs half of it.
		temp := fmt.Sprintf("%s.%d", program, os.Getpid())
		if err := os.WriteFile(temp, []byte(standInNslookup), 0o755); err != nil {
			return nil, fmt.Errorf("write a stand-in for nslookup: %w", err)
		}
		if err := os.Rename(temp, program); err != nil {
			return nil, fmt.Errorf("write a stand-in for nslookup: %w", err)
		}
	}
	r.Folder = s.path("machine")
	return foundFolders(r)
}

// probe asks the Python at a recipe's path about itself, once.
func (s *Store) probe(ctx context.Context, r Recipe) (interpreter, error) {
	s.mu.Lock()
	python, ok := s.probed[r.Python]
	s.mu.Unlock()
	if ok && python.there() {
		return python, nil
	}
	python, err := s.locateAt(ctx, r)
	if err != nil {
		return python, err
	}
	s.mu.Lock()
	s.probed[r.Python] = python
	s.mu.Unlock()
	return python, nil
}

// foundFolders is the environment of folders that lie on this machine.
func foundFolders(r Recipe) (*Environment, error) {
	e := &Environment{ID: "sha256:" + digest("folders", r.Folder, r.Files)}
	e.describe(r)
	if r.Files != "" {
		dir, err := folderAt(r, r.Files)
		if err != nil {
			return nil, err
		}
		e.Folders = append(e.Folders, Folder{Source: dir, Target: "/", CopyOnWrite: true})
	}
	if r.Folder != "" {
		dir, err := folderAt(r, r.Folder)
		if err != nil {
			return nil, err
		}
		e.Folders = append(e.Folders, Folder{Source: dir, Target: dir})
		e.Path = []string{filepath.Join(dir, "bin"), dir}
	}
	return e, nil
}

// folderAt is the folder of a recipe by the name that no link changes.
func folderAt(r Recipe, dir string) (string, error) {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return "", &BuildError{Image: r.Image, Cause: NoFolder, Said: err.Error(), Remedy: "name a folder of this machine"}
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return "", &BuildError{Image: r.Image, Cause: NoFolder, Said: dir + " is not a folder", Remedy: "name a folder of this machine"}
	}
	return real, nil
}
