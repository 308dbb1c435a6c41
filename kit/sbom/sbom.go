// Package sbom writes down which packages of Python an image is made of, as SPDX 2.3.
package sbom

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MediaType is that of such a document.
const MediaType = "application/spdx+json"

// A document is the part of SPDX 2.3 that is needed.
type document struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []pkg          `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type pkg struct {
	ID        string     `json:"SPDXID"`
	Name      string     `json:"name"`
	Version   string     `json:"versionInfo,omitempty"`
	Location  string     `json:"downloadLocation"`
	Analyzed  bool       `json:"filesAnalyzed"`
	Externals []external `json:"externalRefs,omitempty"`
}

type external struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Kind string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const nowhere = "NOASSERTION"

// exact is a requirement that names a version.
var exact = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;,*]+)\s*(?:;.*)?$`)

// Write writes a document about an image, of which the packages are requirements, as
// "numpy==2.1.0". One that names no version is written down as it is. The same
// packages make the same bytes.
func Write(image string, requirements []string) ([]byte, error) {
	all := slices.Clone(requirements)
	slices.Sort(all)
	all = slices.Compact(all)
	sum := sha256.Sum256([]byte(image + "\n" + strings.Join(all, "\n")))
	const root = "SPDXRef-image"
	d := document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: image,
		Namespace:     fmt.Sprintf("https://spdx.org/spdxdocs/weir-%x", sum),
		Creation:      creation{"1970-01-01T00:00:00Z", []string{"Tool: weir"}}, // whenever it is made
		Packages:      []pkg{{ID: root, Name: image, Location: nowhere}},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", root}},
	}
	for n, r := range all {
		p := pkg{ID: fmt.Sprintf("SPDXRef-package-%d", n+1), Name: r, Location: nowhere}
		if m := exact.FindStringSubmatch(r); m != nil {
			p.Name, p.Version = m[1], m[2]
			p.Externals = []external{{"PACKAGE-MANAGER", "purl", "pkg:pypi/" + normal(m[1]) + "@" + m[2]}}
		}
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{root, "CONTAINS", p.ID})
	}
	return json.MarshalIndent(d, "", "  ")
}

var separators = regexp.MustCompile(`[-_.]+`)

// normal is a package's name as the index knows it.
func normal(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }

// Read returns the packages that a document names, as Write takes them.
func Read(data []byte) ([]string, error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("read list of packages: %w", err)
	}
	var all []string
	for _, p := range d.Packages {
		switch {
		case len(p.Externals) > 0:
			all = append(all, p.Name+"=="+p.Version)
		case p.ID != "SPDXRef-image":
			all = append(all, p.Name)
		}
	}
	return all, nil
}
