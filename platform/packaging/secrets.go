package packaging

import (
	"bytes"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A Secret is a file that looks as if it should not leave this machine.
type Secret struct {
	Name string
	Why  string // as "holds a private key"
}

// secretNames are names of files that hold secrets. (Nothing changes it.)
var secretNames = []struct{ pattern, why string }{
	{".env", "is a file of variables, which are secrets more often than not"},
	{".env.*", "is a file of variables, which are secrets more often than not"},
	{"*.pem", "is a key or a certificate"},
	{"*.key", "is a key"},
	{"*.p12", "is a key"},
	{"*.pfx", "is a key"},
	{"*.keystore", "is a store of keys"},
	{"id_rsa", "is a key of ssh"},
	{"id_dsa", "is a key of ssh"},
	{"id_ecdsa", "is a key of ssh"},
	{"id_ed25519", "is a key of ssh"},
	{".netrc", "holds passwords"},
	{".pypirc", "holds passwords"},
	{".npmrc", "may hold a token"},
	{".git-credentials", "holds passwords"},
	{".htpasswd", "holds passwords"},
	{"kubeconfig", "leads into a cluster"},
	{"credentials", "holds keys"},
	{"credentials.json", "holds keys"},
	{"secrets.json", "is called secrets"},
	{"secrets.yaml", "is called secrets"},
	{"secrets.yml", "is called secrets"},
	{"secrets.toml", "is called secrets"},
	{"kaggle.json", "holds a key of Kaggle"},
}

// harmless are files that are called like secrets and are examples of them.
var harmless = regexp.MustCompile(`\.(example|sample|template|dist)$`)

// secretTexts are what keys and tokens look like, and a word that is in each: texts are
// many, and looking for a word is quick. (Nothing changes it.)
var secretTexts = []struct {
	words []string
	text  *regexp.Regexp
	why   string
}{
	{[]string{"PRIVATE KEY"}, regexp.MustCompile(`-----BEGIN ([A-Z]+ )*PRIVATE KEY( BLOCK)?-----`), "holds a private key"},
	{[]string{"AKIA", "ASIA"}, regexp.MustCompile(`\b(AKIA|ASIA)[A-Z2-7]{16}\b`), "holds a key of AWS"},
	{[]string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{60,}\b`), "holds a token of GitHub"},
	{[]string{"glpat-"}, regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20,}\b`), "holds a token of GitLab"},
	{[]string{"hf_"}, regexp.MustCompile(`\bhf_[A-Za-z]{34}\b`), "holds a token of Hugging Face"},
	{[]string{"sk-"}, regexp.MustCompile(`\bsk-(ant-|proj-)?[A-Za-z0-9_-]{40,}\b`), "holds a key of a language model's API"},
	{[]string{"xox"}, regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{20,}\b`), "holds a token of Slack"},
	{[]string{"AIza"}, regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{35}\b`), "holds a key of Google"},
	{[]string{"service_account"}, regexp.MustCompile(`"type":\s*"service_account"`), "is a service account of Google"},
	{[]string{"pypi-"}, regexp.MustCompile(`\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}\b`), "holds a token of PyPI"},
}

// readable is how large a file may be to be looked into: keys are in small ones.
const readable = 256 << 10

// secretIn says why a file looks like a secret, or nothing.
func secretIn(file string, f File) (string, error) {
	base := path.Base(f.Name)
	if f.Link != "" || harmless.MatchString(base) {
		return "", nil
	}
	for _, s := range secretNames {
		if ok, _ := path.Match(s.pattern, strings.ToLower(base)); ok { // The patterns make sense.
			return s.why, nil
		}
	}
	if f.Size > readable {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		return "", nil // not a text
	}
	for _, s := range secretTexts {
		if slices.ContainsFunc(s.words, func(w string) bool { return bytes.Contains(text, []byte(w)) }) && s.text.Match(text) {
			return s.why, nil
		}
	}
	return "", nil
}
