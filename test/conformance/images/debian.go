package images

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// busybox is the machine's, by all the names it answers to, in place of the
// machine's own programs of these names: specs know busybox's output, and call
// it by its place in /bin, which is /usr/bin.
//
// The shell of Debian's busybox passes on only variables that a shell could name;
// later ones pass on all, which two specs look at. So does bash, which is the
// shell for those who ask for "sh" and not for "/bin/sh".
func (m maker) busybox() ([]Recipe, error) {
	program, err := exec.LookPath("busybox")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("this machine has no busybox: apt-get install busybox")
	}
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("ask busybox for its names: %w", err)
	}
	files := filepath.Join(m.dir, "busybox", "files")
	for _, name := range strings.Fields(string(out)) {
		if name == filepath.Base(program) {
			continue // It stays what it is: a link would lead to itself. Debian's busybox-static names itself.
		}
		if err := link(filepath.Join(files, "usr/bin"), name, program)(); err != nil {
			return nil, err
		}
	}
	if bash, err := exec.LookPath("bash"); err == nil {
		if err := link(filepath.Join(files, "usr/local/bin"), "sh", bash)(); err != nil {
			return nil, err
		}
	}
	var recipes []Recipe
	for _, image := range []string{"*/busybox:*", "busybox", "busybox:*"} {
		recipes = append(recipes, Recipe{Image: image, Files: files, Command: []string{"sh"}})
	}
	return recipes, nil
}

// nginx is the machine's, with a configuration that needs no other file of the
// package's and nothing writable but /tmp.
func (m maker) nginx() ([]Recipe, error) {
	if _, err := exec.LookPath("nginx"); err != nil {
		return nil, errors.New("this machine has no nginx: apt-get install nginx-light")
	}
	files := filepath.Join(m.dir, "nginx", "files")
	err := text(files, "etc/nginx/nginx.conf", nginxConfiguration)()
	var recipes []Recipe
	for _, image := range []string{"*/nginx:*", "nginx", "nginx:*"} {
		recipes = append(recipes, Recipe{Image: image, Files: files, Command: []string{"nginx", "-g", "daemon off;"}})
	}
	return recipes, err
}

// In a user namespace there is one user, so the workers cannot be another.
const nginxConfiguration = `user root root;
worker_processes 1;
error_log /dev/stderr notice;
pid /tmp/nginx.pid;
events { worker_connections 256; }
http {
	types { text/html html; }
	default_type application/octet-stream;
	access_log /dev/stdout;
	client_body_temp_path /tmp/nginx-body;
	proxy_temp_path /tmp/nginx-proxy;
	fastcgi_temp_path /tmp/nginx-fastcgi;
	uwsgi_temp_path /tmp/nginx-uwsgi;
	scgi_temp_path /tmp/nginx-scgi;
	server {
		listen 80;
		location / { root /usr/share/nginx/html; index index.html; }
	}
}
`
