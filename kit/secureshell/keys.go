// Package secureshell starts commands on other hosts, where there is no OpenSSH:
// a server and a client of SSH that know one key, which both of them are given.
//
//	ssh HOST COMMAND ─(the key's private half)─▶ sshd ─(its public half)─▶ sh -c COMMAND
//
// They are for programs that call ssh and sshd by their names, as an MPI does.
package secureshell

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Names of a key's halves in its folder.
const (
	privateFile = "id_rsa"
	publicFile  = "authorized_keys"
)

// find is the first of the folders that keys may lie in which has a file: .ssh
// at home, and wherever something is mounted.
func find(file string) (string, error) {
	home, _ := os.UserHomeDir() // Without one, there are the mounts.
	tried := filepath.Join(home, ".ssh", file)
	if _, err := os.Stat(tried); err == nil {
		return tried, nil
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", file, err)
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[1], "/proc") || strings.HasPrefix(fields[1], "/sys") {
			continue
		}
		path := filepath.Join(fields[1], file)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s, and no %s in any folder that is mounted: mount the key's Secret at %s", tried, file, filepath.Dir(tried))
}

// signer reads a private key.
func signer(file string) (ssh.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	s, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", file, err)
	}
	return s, nil
}

// authorized reads the public keys that may come in.
func authorized(file string) (map[string]bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	keys := map[string]bool{}
	for len(data) > 0 {
		key, _, _, rest, err := ssh.ParseAuthorizedKey(data)
		if err != nil {
			break // What follows is no key.
		}
		keys[string(key.Marshal())] = true
		data = rest
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read keys: none in %s", file)
	}
	return keys, nil
}
