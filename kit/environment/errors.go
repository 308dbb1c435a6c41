package environment

import (
	"regexp"
	"strings"
)

// A Cause is what kept an environment from being built.
type Cause string

const (
	NoPackage Cause = "NoSuchPackage" // no package of that name
	NoVersion Cause = "NoSuchVersion" // the package has no such version, or none for this Python
	Conflict  Cause = "Conflict"      // requirements that exclude one another
	Malformed Cause = "Malformed"     // a requirement that is none
	NoIndex   Cause = "IndexAway"     // the network or the index is away
	DiskFull  Cause = "DiskFull"
	NoPython  Cause = "NoPython" // no interpreter, or none of the version wanted
	NoBase    Cause = "NoBase"   // the recipe's base is none
	NoFolder  Cause = "NoFolder" // the recipe's folder or environment is not there
	Other     Cause = "BuildFailed"
)

// A BuildError says why an environment could not be built, and what to do.
type BuildError struct {
	Image   string // the recipe's
	Cause   Cause
	Package string // the package it is about, if it is about one
	Said    string // what uv, the index or the system said
	Remedy  string // what to do, as a sentence
}

func (e *BuildError) Error() string {
	what := "environment for " + e.Image + " cannot be built: "
	if e.Package != "" && !strings.Contains(e.Said, e.Package) {
		what += "package " + e.Package + ": "
	}
	return what + e.Said + ": " + e.Remedy
}

// absent says that what the recipe asks for does not exist for this Python,
// which another recipe may make good.
func (e *BuildError) absent() bool {
	return e.Cause == NoVersion || e.Cause == NoPython || e.Cause == Conflict
}

// signs are what uv says when something is wrong, in the order to look for them.
// A group named package is the package it is about. (Nothing changes it.)
var signs = []struct {
	cause  Cause
	sign   *regexp.Regexp
	remedy string
}{
	{DiskFull, regexp.MustCompile(`(?i)no space left on device|disk quota exceeded`),
		"make room on the disk, or choose another folder for weir's data"},
	{NoPackage, regexp.MustCompile(`Because (?P<package>[\w.\[\]-]+) was not found in the package registry`),
		"look for a slip in the name of the package, or name the index that has it in UV_INDEX"},
	{NoIndex, regexp.MustCompile(`(?i)failed to fetch|request failed|error sending request|dns error|connection refused|network is unreachable|timed out|network connectivity is disabled|no route to host|connection reset|HTTP status (client|server) error|certificate`),
		"look whether the machine reaches the package index (settings are read from UV_DEFAULT_INDEX, HTTPS_PROXY and SSL_CERT_FILE, and from pip's own)"},
	{NoVersion, regexp.MustCompile(`(?P<package>[\w.-]+?)(?:[=<>!~]=?\S+)? has no (?:\S+ )*(?:wheels|source distribution)`),
		"ask for a version of it that exists for this Python, or for another Python"},
	{NoVersion, regexp.MustCompile(`there (?:is|are) no versions? of (?P<package>[\w.-]+)`),
		"ask for a version that exists"},
	{NoVersion, regexp.MustCompile(`(?s)current Python version .* does not satisfy Python|(?i)requires-python`),
		"ask for a version of it that exists for this Python, or for another Python"},
	{Malformed, regexp.MustCompile("(?i)(?:failed to parse: |couldn't parse requirement).*: (?P<package>[^:]*)$"),
		"write packages as pip knows them, for instance numpy==2.4.6"},
	{NoPackage, regexp.MustCompile(`Distribution not found at: (?P<package>\S+)`),
		"look for a slip in the path of the package"},
	{Other, regexp.MustCompile("(?i)failed to build `?(?P<package>[\\w.=-]+)`?"),
		"the package must be compiled here: install what its compiler asks for, or ask for a version that has a wheel"},
	{Conflict, regexp.MustCompile(`(?i)no solution found|requirements are unsatisfiable`),
		"ask for fewer or other versions: these exclude one another"},
}

// explain makes an error of what uv said on its way out.
func explain(image, stderr string) *BuildError {
	said := lastWords(stderr)
	for _, s := range signs {
		m := s.sign.FindStringSubmatch(said)
		if m == nil {
			continue
		}
		e := &BuildError{Image: image, Cause: s.cause, Said: brief(said), Remedy: s.remedy}
		if i := s.sign.SubexpIndex("package"); i > 0 {
			e.Package = m[i]
		}
		if e.Cause == NoIndex && e.Package == "" {
			e.Package = fetched(said)
		}
		return e
	}
	return &BuildError{Image: image, Cause: Other, Said: brief(said), Remedy: "see whether `uv pip install` with the same packages says more"}
}

// noise is what a message says twice, or otherwise each time.
var noise = regexp.MustCompile(`: error sending request for url \([^)]*\)|: client error \(Connect\)|: tcp connect error|: error resolving DNS|( after \d+ retries) in [\d.]+m?s`)

// brief is a message that is the same whenever the same thing is wrong.
func brief(said string) string { return noise.ReplaceAllString(said, "$1") }

// simple is the address of a package in an index.
var simple = regexp.MustCompile(`/simple/([\w.-]+)/`)

// fetched is the package that was being fetched, if the message tells.
func fetched(said string) string {
	if m := simple.FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return ""
}

// drawn are the marks uv draws beside its messages.
var drawn = strings.NewReplacer("×", "", "╰─▶", "", "├─▶", "", "│", "", "error:", "", "cause:", "")

// lastWords is the message at the end of uv's output, as one phrase that chains
// with colons, without hints.
func lastWords(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	start := 0
	for i, l := range lines {
		if strings.HasPrefix(l, "error:") || strings.Contains(l, "×") {
			start = i
			break
		}
	}
	var out []string
	for i, l := range lines[start:] {
		i += start
		if strings.HasPrefix(strings.TrimSpace(l), "hint:") {
			break
		}
		fresh := strings.Contains(l, "error:") || strings.Contains(l, "cause:") || strings.Contains(l, "▶") || strings.Contains(l, "×")
		l = strings.TrimRight(strings.TrimSpace(drawn.Replace(l)), ":.")
		// What stands above a row of carets is quoted from the requirements.
		fresh = fresh || i+1 < len(lines) && strings.Trim(lines[i+1], "^ ") == "" && strings.Contains(lines[i+1], "^")
		switch {
		case l == "" || strings.Trim(l, "^ ") == "":
		case fresh || len(out) == 0:
			out = append(out, l)
		default:
			out[len(out)-1] += " " + l
		}
	}
	return ourFile.ReplaceAllString(strings.Join(out, ": "), "")
}

// ourFile is where uv found a requirement: a file of ours that nobody knows.
var ourFile = regexp.MustCompile(" in `[^`]*/requirements\\.txt`( at position \\d+)?")
