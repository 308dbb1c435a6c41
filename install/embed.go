// Package install holds what kubectl apply needs to prepare a cluster for weir:
// the kinds (crds), the rights its controllers and users need (rbac), and what
// TrainJobs run by (runtimes). The program carries the same bytes.
package install

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

//go:generate go tool -modfile=../go.tools.mod controller-gen rbac:roleName=weir-controllers,fileName=controllers.yaml paths=../platform/... output:rbac:dir=rbac

//go:embed crds/*.yaml rbac/*.yaml runtimes/*.yaml
var files embed.FS

// A File is one file of manifests.
type File struct {
	Name string
	Data []byte
}

// Kinds are the CustomResourceDefinitions, one a file.
func Kinds() []File { return read("crds") }

// Rights are the roles of the controllers and of the users of the kinds.
func Rights() []File { return read("rbac") }

// Runtimes are what TrainJobs run by, and what clients of the trainer ask first.
func Runtimes() []File { return read("runtimes") }

func read(folder string) []File {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		panic(fmt.Sprintf("embedded folder %s: %v", folder, err)) // It was there when we were built.
	}
	all := make([]File, len(entries))
	for i, e := range entries {
		name := path.Join(folder, e.Name())
		data, err := files.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("embedded file %s: %v", name, err))
		}
		all[i] = File{Name: name, Data: data}
	}
	return all
}
