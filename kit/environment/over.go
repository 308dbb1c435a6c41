package environment

import (
	"cmp"
	"context"
	_ "embed" // for install.py
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// MaxBases is how many bases may lie below one another.
const MaxBases = 16

// Check says what makes no sense in a recipe that somebody has written.
func (r Recipe) Check() error {
	switch {
	case r.Image == "":
		return errors.New(`it has no image: name one, as "registry.local/mnist:*"`)
	case r.From == "":
		return nil
	case r.Python != "" || r.Folder != "" || r.Files != "" || r.Machine:
		return fmt.Errorf("from %s: the packages are for the Python that is there: leave out where else programs come from", r.From)
	case len(r.Requirements) == 0:
		return fmt.Errorf("from %s: it is the same without packages: say which are laid over it", r.From)
	}
	return nil
}

// over is what a recipe comes to over its base, where that is an environment too:
// the base's packages and the recipe's own, for the base's Python.
func (s *Store) over(r Recipe) (Recipe, error) {
	for range MaxBases {
		if r.From == "" {
			return r, nil
		}
		base, ok := s.Find(r.From)
		switch {
		case !ok:
			return r, &BuildError{
				Image: r.Image, Cause: NoBase, Said: "its base " + r.From + " is no environment but an image",
				Remedy: "let a pod need it: its node lays the packages over the image",
			}
		case base.asItLies():
			return r, &BuildError{
				Image: r.Image, Cause: NoBase, Said: "its base " + r.From + " is used as it lies on this machine, so nothing is installed into it",
				Remedy: "name a base that is built, as python:3, or an image",
			}
		}
		r = r.onto(base)
	}
	return r, &BuildError{
		Image: r.Image, Cause: NoBase, Said: fmt.Sprintf("more than %d bases lie below it, or they lead back to it", MaxBases),
		Remedy: "look at what its bases say in weir.yaml",
	}
}

// onto adds a recipe to its base.
func (r Recipe) onto(base Recipe) Recipe {
	sum := base // and what that lies over, if anything
	sum.Image = r.Image
	sum.Requirements = slices.Concat(base.Requirements, r.Requirements)
	sum.Variables = maps.Clone(base.Variables)
	if sum.Variables == nil {
		sum.Variables = map[string]string{}
	}
	maps.Copy(sum.Variables, r.Variables)
	delete(sum.Variables, VariableKept) // It has more.
	if r.Entrypoint != nil || r.Command != nil {
		sum.Entrypoint, sum.Command = r.Entrypoint, r.Command
	}
	sum.WorkingDir, sum.User = cmp.Or(r.WorkingDir, sum.WorkingDir), cmp.Or(r.User, sum.User)
	if base.Otherwise != nil {
		otherwise := r.onto(*base.Otherwise)
		sum.Otherwise = &otherwise
	}
	return sum
}

// ToolsFolder is where what Tools returns is to be seen.
const ToolsFolder = "/run/weir-packages"

// InstallCommand installs packages into the Python that runs it, with Tools.
func InstallCommand() []string { return []string{"python3", "-B", ToolsFolder + "/install.py"} }

//go:embed install.py
var install string

// Tools are what a Python in a root of its own needs in ToolsFolder to install the
// packages of a recipe: uv, which is found or fetched, and the settings of the index.
func (s *Store) Tools(ctx context.Context, r Recipe, progress func(string)) ([]File, error) {
	u, err := s.uv(ctx, r.Image, progress)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(u.program)
	if err != nil {
		return nil, fmt.Errorf("find uv: %w", err)
	}
	variables := map[string]string{"UV_CACHE_DIR": "/run/weir-cache", "UV_LINK_MODE": "copy", "PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_NO_CACHE_DIR": "1"}
	for _, v := range u.environ {
		name, value, _ := strings.Cut(v, "=")
		if _, ours := variables[name]; !ours && reaches(name) {
			variables[name] = value
		}
	}
	files := []File{
		{Name: "uv", Mode: 0o755, Source: u.program, Size: info.Size()},
		file("install.py", install),
		file("requirements.txt", string(lines(r.Requirements))),
	}
	for _, authorities := range []string{variable(u.environ, "SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"} {
		text, err := os.ReadFile(authorities)
		if err != nil {
			continue // Then the root's own are asked.
		}
		files = append(files, file("authorities.pem", string(text)))
		variables["SSL_CERT_FILE"], variables["PIP_CERT"] = ToolsFolder+"/authorities.pem", ToolsFolder+"/authorities.pem"
		break
	}
	settings, err := json.Marshal(variables)
	if err != nil {
		return nil, err
	}
	return append(files, file("settings.json", string(settings))), nil
}

func file(name, content string) File {
	return File{Name: name, Mode: fs.FileMode(0o644), Head: []byte(content), Size: int64(len(content))}
}

// reaches says whether a variable is about how an index is reached, and no path of
// this machine.
func reaches(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT",
		"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_TIMEOUT", "UV_NO_PROGRESS", "NO_COLOR":
		return true
	}
	return false
}
