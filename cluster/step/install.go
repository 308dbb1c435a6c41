package step

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/dockerfile"
)

// An Installer makes images of others with packages in them, as a Dockerfile would: it
// is rootfs.Images's.
type Installer struct {
	Images *oci.Store
	Dir    string // as a Config's
	Tools  func(ctx context.Context, r environment.Recipe, progress func(string)) ([]environment.File, error)
	// Site is where packages are installed; nil is nowhere.
	Site *Site
}

// Install is rootfs.Installer's.
func (i *Installer) Install(ctx context.Context, name string, base *oci.Image, r environment.Recipe, label [2]string, progress func(string)) (*oci.Image, error) {
	if i.Site == nil {
		return nil, errors.New("no node is here that installs packages into images")
	}
	files, err := i.Tools(ctx, r, progress)
	if err != nil {
		return nil, err
	}
	runner, err := New(ctx, Config{Dir: i.Dir, Site: i.Site})
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	f, err := dockerfile.Parse("packages over "+r.From, installing(base.Config.Config.User, label))
	if err != nil {
		return nil, err
	}
	progress("installing " + strings.Join(r.Requirements, ", ") + " over " + r.From)
	said := &sentences{progress: progress}
	made, _, err := f.Build(ctx, i.Images, name, dockerfile.Options{
		Architecture: base.Config.Architecture,
		Context:      entriesOf(files),
		Base:         func(context.Context, string, string) (*oci.Image, error) { return base, nil },
		Progress:     func(string) {},
		Runner:       runner,
		Output:       said,
	})
	if exit := new(dockerfile.ExitError); errors.As(err, &exit) && exit.Code == notFound && said.all.Len() == 0 {
		return nil, fmt.Errorf("its base %s has no python3 to install packages into: name a base with one, or build it with a Dockerfile", r.From)
	}
	return made, err
}

// notFound is how a command ends that does not exist.
const notFound = 127

// installing is the Dockerfile that installs packages for everybody, and changes nothing
// else but a label.
func installing(user string, label [2]string) []byte {
	command, err := json.Marshal(environment.InstallCommand())
	if err != nil {
		panic(err) // of strings
	}
	text := fmt.Sprintf("FROM base\nLABEL %s=%q\n", label[0], label[1])
	run := fmt.Sprintf("RUN --mount=type=bind,target=%s --mount=type=cache,target=/run/weir-cache %s\n", environment.ToolsFolder, command)
	if user == "" {
		return []byte(text + run)
	}
	return []byte(text + "USER 0\n" + run + fmt.Sprintf("USER %q\n", user))
}

func entriesOf(files []environment.File) []oci.Entry {
	var entries []oci.Entry
	for _, f := range files {
		entries = append(entries, oci.Entry{Name: f.Name, Mode: f.Mode, Source: f.Source, Content: f.Head, Size: f.Size})
	}
	return entries
}

// sentences tells what is worth telling of what is said in lines.
type sentences struct {
	progress func(string)
	all      bytes.Buffer
}

// Write is an io.Writer's.
func (s *sentences) Write(p []byte) (int, error) {
	s.all.Write(p)
	for {
		line, _, whole := bytes.Cut(s.all.Bytes(), []byte("\n"))
		if !whole {
			return len(p), nil
		}
		if said := environment.Sentence(string(line)); said != "" {
			s.progress(said)
		}
		s.all.Next(len(line) + 1)
	}
}
