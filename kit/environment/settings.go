package environment

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
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

// pipConfig reads pip's files, where those of a user come before the system's.
func pipConfig(environ []string) map[string]string {
	home := variable(environ, "HOME")
	config := map[string]string{}
	for _, file := range []string{
		"/etc/xdg/pip/pip.conf", "/etc/pip.conf",
		filepath.Join(home, ".pip/pip.conf"),
		filepath.Join(cmp.Or(variable(environ, "XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "pip/pip.conf"),
		variable(environ, "PIP_CONFIG_FILE"),
	} {
		if data, err := os.ReadFile(file); err == nil { // pip, too, goes without one it cannot read
			maps.Copy(config, parsePipConfig(string(data)))
		}
	}
	return config
}

// parsePipConfig reads the settings that concern an installation. A value that
// goes on in lines that are indented is several values.
func parsePipConfig(file string) map[string]string {
	config := map[string]string{}
	var section, key string
	for line := range strings.Lines(file) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case text[0] == '[':
			section, key = strings.Trim(text, "[]"), ""
		case section != "global" && section != "install":
		case line[0] == ' ' || line[0] == '\t':
			if key != "" {
				config[key] = strings.TrimSpace(config[key] + " " + text)
			}
		default:
			name, value, _ := strings.Cut(text, "=")
			key = strings.ReplaceAll(strings.TrimSpace(name), "_", "-")
			config[key] = strings.TrimSpace(value)
		}
	}
	return config
}
