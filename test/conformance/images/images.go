// Package images makes what Kubernetes's suite means by the images it names, out
// of programs built from its own module and the machine's busybox and nginx.
//
//	bin/agnhost ──► FOLDER/agnhost/files/agnhost ──┐
//	busybox     ──► FOLDER/busybox/files/usr/bin ──┼──► recipes in weir.yaml
//	nginx       ──► FOLDER/nginx/files/etc/nginx ──┘
package images

import (
	"fmt"
	"os"
	"path/filepath"
)

// A Recipe says what an image is, as in weir.yaml.
type Recipe struct {
	Image      string   `json:"image"`
	Files      string   `json:"files,omitempty"` // a folder laid over the container's root
	Entrypoint []string `json:"entrypoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	User       string   `json:"user,omitempty"`
}

// A maker makes images in one folder.
type maker struct {
	bin, dir string // programs that were built; where the images go
}

// Make makes the images in dir, from the programs in bin and the machine's, and
// returns what to write into weir.yaml. What is there already stays.
func Make(bin, dir string) ([]Recipe, error) {
	m := maker{bin, dir}
	var all []Recipe
	for _, make := range []func() ([]Recipe, error){m.agnhost, m.pictures, m.busybox, m.nginx, m.servers, m.small} {
		recipes, err := make()
		if err != nil {
			return nil, fmt.Errorf("make images: %w", err)
		}
		all = append(all, recipes...)
	}
	return all, nil
}

// agnhost is most of the suite's pods. Some specs call it by its second name
// and look at argv[0]; the StatefulSet ones fetch its certificate over HTTP and
// move it away.
func (m maker) agnhost() ([]Recipe, error) {
	files, err := m.agnhostFiles("agnhost")
	return []Recipe{{Image: "*agnhost*", Files: files, Entrypoint: []string{"/agnhost"}, Command: []string{"pause"}}}, err
}

func (m maker) agnhostFiles(image string) (string, error) {
	files := filepath.Join(m.dir, image, "files")
	return files, steps(
		folder(files, "uploads"),
		m.program(files, "agnhost", "agnhost"),
		link(files, "agnhost-2", "agnhost"),
		certificate(files),
	)
}

// pictures serve one file each. Image volumes are tried with the kitten, whose
// image has agnhost's system below.
func (m maker) pictures() ([]Recipe, error) {
	var recipes []Recipe
	for _, name := range []string{"kitten", "nautilus"} {
		files, err := m.agnhostFiles(name)
		if err := steps(
			func() error { return err },
			text(files, "data.json", fmt.Sprintf("{\n  \"image\": \"%s.jpg\"\n}\n", name)),
			text(files, "etc/os-release", "NAME=\"Alpine Linux\"\nID=alpine\n"),
		); err != nil {
			return nil, err
		}
		recipes = append(recipes, Recipe{Image: "*/" + name + ":*", Files: files, Entrypoint: []string{"/agnhost"}, Command: []string{"test-webserver"}})
	}
	return recipes, nil
}

// servers are the two programs of the aggregated API server's pod.
func (m maker) servers() ([]Recipe, error) {
	etcd, sample := filepath.Join(m.dir, "etcd", "files"), filepath.Join(m.dir, "sample-apiserver", "files")
	err := steps(
		m.program(etcd, "usr/local/bin/etcd", "etcd"),
		m.program(sample, "sample-apiserver", "sample-apiserver"),
	)
	return []Recipe{
		{Image: "registry.k8s.io/etcd:*", Files: etcd, Command: []string{"/usr/local/bin/etcd"}},
		{Image: "*/sample-apiserver:*", Files: sample, Entrypoint: []string{"/sample-apiserver"}},
	}, err
}

// small are the rest: pause is asked to end by a signal, which a first process
// must handle to notice; nonroot has nothing but its user, and those about DNS, IPC
// and Perl nothing but the machine's programs; nnp is set to another user's identity.
func (m maker) small() ([]Recipe, error) {
	files := func(image string) string { return filepath.Join(m.dir, image, "files") }
	nnp, nonroot, pause := files("nonewprivs"), files("nonroot"), files("pause")
	names, ipc, perl := files("glibc-dns-testing"), files("ipc-utils"), files("perl")
	program := filepath.Join(nnp, "usr/local/bin/nnp")
	err := steps(
		m.program(nnp, "usr/local/bin/nnp", "nnp"),
		func() error { return os.Chmod(program, 0o755|os.ModeSetuid|os.ModeSetgid) },
		folder(nonroot, ""),
		folder(pause, ""),
		folder(names, ""),
		folder(ipc, ""),
		folder(perl, ""),
	)
	return []Recipe{
		{Image: "*/nonewprivs:*", Files: nnp, Command: []string{"nnp"}},
		{Image: "*/nonroot:*", Files: nonroot, User: "1234", Command: []string{"bash"}},
		{Image: "*/glibc-dns-testing:*", Files: names, Command: []string{"bash"}},
		{Image: "*/ipc-utils:*", Files: ipc, Command: []string{"bash"}},
		{Image: "*/perl:*", Files: perl, Command: []string{"perl", "-de0"}},
		{Image: "*/pause:*", Files: pause, Entrypoint: []string{"/bin/sh", "-c", "trap 'exit 0' INT TERM; sleep infinity & wait"}},
	}, err
}
