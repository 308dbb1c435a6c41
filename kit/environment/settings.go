package environment

import (
	"context"
	"os/exec"
	"strings"
)

// settings are what uv calls the settings of pip that decide whether packages
// can be fetched at all. uv itself reads none of pip's. (Nothing changes it.)
var settings = []struct{ pip, uv string }{
	{"index-url", "UV_DEFAULT_INDEX"},
	{"extra-index-url", "UV_INDEX"},
	{"cert", "SSL_CERT_FILE"},
	{"trusted-host", "UV_INSECURE_HOST"},
}

// forUV returns the environment for uv: the shell's, with pip's settings where
// uv has none of its own.
func forUV(environ []string, config map[string]string) []string {
	out := append([]string(nil), environ...)
	for _, s := range settings {
		v := variable(environ, "PIP_"+strings.ToUpper(strings.ReplaceAll(s.pip, "-", "_")))
		if v == "" {
			v = config[s.pip]
		}
		if v != "" && variable(environ, s.uv) == "" && (s.uv != "UV_DEFAULT_INDEX" || variable(environ, "UV_INDEX_URL") == "") {
			out = append(out, s.uv+"="+v)
		}
	}
	if variable(out, "UV_SYSTEM_CERTS") == "" && variable(out, "UV_NATIVE_TLS") == "" {
		// A company's authority is in the system's store or nowhere. Older uv
		// know it by the second name, newer warn of it.
		out = append(out, "UV_SYSTEM_CERTS=true")
	}
	// The environment that the shell is in is not the one to build.
	return append(out, "VIRTUAL_ENV=", "UV_PYTHON=", "UV_NO_PROGRESS=1", "NO_COLOR=1")
}

// pipConfig reads pip's files by asking pip, where it is installed.
func (s *Store) pipConfig(ctx context.Context) map[string]string {
	for _, p := range s.onPath("python3") {
		cmd := exec.CommandContext(ctx, p, "-m", "pip", "config", "list")
		cmd.Env, cmd.Dir = s.environ, "/"
		if out, err := cmd.Output(); err == nil {
			return parsePipConfig(string(out))
		}
	}
	return nil
}

// parsePipConfig reads lines as global.index-url='https://…'.
func parsePipConfig(list string) map[string]string {
	config := map[string]string{}
	for line := range strings.Lines(list) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		section, key, dotted := strings.Cut(key, ".")
		if !ok || !dotted || section != "global" && section != "install" {
			continue
		}
		config[key] = strings.ReplaceAll(strings.Trim(value, `'"`), `\n`, " ")
	}
	return config
}
